"""Standard streams on which lines of different threads do not mix.

``print`` writes a text and its newline separately, so without this, another thread's text can come in between.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


class WholeLines(io.TextIOBase):
    """Replaces a stream, and passes on what a thread writes when a line is complete, or on flush."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun: dict[int, str] = {}

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        thread = threading.get_ident()
        lines, newline, begun = (self._begun.pop(thread, "") + text).rpartition("\n")
        if begun:
            self._begun[thread] = self._kept(begun)
        if newline:
            self._pass_on(lines)
        return len(text)

    def _kept(self, begun: str) -> str:
        return begun

    def _pass_on(self, lines: str) -> None:
        self._stream.write(f"{lines}\n")

    def flush(self) -> None:
        if begun := self._begun.pop(threading.get_ident(), ""):
            self._stream.write(begun)
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open, which belongs to the process; nothing is written when this is collected."""

    def pass_on_rest(self) -> None:
        """Pass on the lines that were started but not completed."""
        while self._begun:
            self._pass_on(self._begun.popitem()[1])

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def standing_in(make: Callable[[TextIO], WholeLines]) -> Iterator[None]:
    """Replace both standard streams in the block.

    Use it before importing a user's module, whose loggers, for example, keep the streams they find.
    """
    before = sys.stdout, sys.stderr
    standing = [make(stream) for stream in before]
    sys.stdout, sys.stderr = cast("list[TextIO]", standing)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in standing:
            stream.pass_on_rest()
