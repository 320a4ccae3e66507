"""Printing above a live display, in whole lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.text import Text

from cloaca.cli.streams import WholeLines, standing_in

_DRAWN_AT_ONCE = 20


class Printed:
    """Lines waiting to be printed to the console, above its live display.

    Each line printed during a display redraws it, on the thread of the body that prints. So only the first few lines between
    two refreshes appear at once, and the others with the next refresh.
    """

    def __init__(self, console: Console) -> None:
        self.is_display_up = False
        self._console = console
        self._lock = threading.Lock()
        self._waiting: list[Text] = []
        self._drawn = 0

    def add(self, lines: str) -> None:
        """Print complete lines, now or soon."""
        decoder = AnsiDecoder()
        shown = [decoder.decode_line(_without_overwritten(line)) for line in lines.split("\n")]
        with self._lock:
            self._waiting += shown
            if self._drawn < _DRAWN_AT_ONCE:
                self._drawn += self.is_display_up
                self._draw()

    def refresh(self) -> None:
        """Print the waiting lines."""
        with self._lock:
            self._drawn = 0
            self._draw()

    def _draw(self) -> None:
        if self._waiting:
            # The terminal wraps long lines itself, so that a copied line stays one line.
            self._console.print(Text("\n").join(self._waiting), soft_wrap=True)
            self._waiting.clear()


@contextmanager
def above(console: Console) -> Iterator[Printed]:
    """Print everything written to a terminal above the live display of the console."""
    printed = Printed(console)
    with standing_in(lambda stream: _Above(printed, stream) if stream.isatty() else WholeLines(stream)):
        yield printed


class _Above(WholeLines):
    def __init__(self, printed: Printed, stream: TextIO) -> None:
        super().__init__(stream)
        self._printed = printed

    def _kept(self, begun: str) -> str:
        return _without_overwritten(begun) + ("\r" if begun.endswith("\r") else "")

    def _pass_on(self, lines: str) -> None:
        self._printed.add(lines)

    def flush(self) -> None:
        """Do nothing: a started line appears when it is complete."""


def _without_overwritten(line: str) -> str:
    """What a terminal would show of a line that overwrites itself, as progress bars do."""
    return line.rstrip("\r").rpartition("\r")[2]
