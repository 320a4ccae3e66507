"""The standard streams of a command: which one shows progress, and where the output of bodies goes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def prepare_streams() -> None:
    """Write printed text line by line, also into a pipe, and never fail on a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def is_live_terminal(stream: TextIO) -> bool:
    """Whether a display that redraws itself can be shown there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


@contextmanager
def kept_stdout() -> Iterator[TextIO]:
    """Standard output for the caller alone: anything else written to it in the block goes to stderr.

    This includes child processes and C code.
    """
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as kept:
        os.dup2(2, 1)
        try:
            yield kept
        finally:
            sys.stdout.flush()
            os.dup2(kept.fileno(), 1)
