"""The line of user code in a stored traceback at which a body failed."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

import cloaca

# The trace of an exception group is framed by bars.
_FRAME = re.compile(
    r'^(?:  \| )?  File "([^"\n]+)", line (\d+), in ([^\n]+)(?:\n(?:  \| )?    (?!~*\^)([^\n]+))?',
    re.MULTILINE,
)
_OURS = re.compile(rf"{re.escape(os.path.dirname(cloaca.__file__))}/|/site-packages/cloaca/")
_OF_OTHERS = re.compile(r"[/\\](site-packages|dist-packages|python3\.\d+[/\\](?!site-packages))|^<")


class Frame(NamedTuple):
    """A line of a traceback; ``source`` is empty where it was not stored."""

    file: str
    line: int
    function: str
    source: str


def user_frame(traceback: str) -> Frame | None:
    r"""The innermost line that belongs to no library, else the innermost that is not ours; ``None`` where there is none.

    >>> user_frame('  File "/app/etl.py", line 3, in load\n    raise ValueError\n')
    Frame(file='/app/etl.py', line=3, function='load', source='raise ValueError')
    """
    frames = [
        Frame(file, int(line), function, source)
        for file, line, function, source in _FRAME.findall(traceback)
        if not _OURS.search(file)
    ]
    own = [frame for frame in frames if not _OF_OTHERS.search(frame.file)]
    return next(reversed(own or frames), None)
