"""Displaying the progress of one execution: the interface of displays, and which one is used where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Protocol, TextIO

from cloaca.cli.output import is_live_terminal
from cloaca.cli.plain_progress import Lines
from cloaca.cli.streams import WholeLines, standing_in
from cloaca.insights import ExecutionRecord


class Display(Protocol):
    """Shows an execution while it runs."""

    def following(self, url: str, since: datetime | None) -> AbstractContextManager[None]:
        """A block in which the display is active.

        Args:
            since: Ignore what happened earlier; ``None`` for a new execution.
        """

    def show(self, record: ExecutionRecord) -> None:
        """Show the current state."""


@contextmanager
def display_on(stream: TextIO) -> Iterator[Display]:
    """The display for a stream. Output printed inside the block does not disturb it."""
    if not is_live_terminal(stream):
        with standing_in(WholeLines):
            yield Lines(stream)
        return
    from cloaca.cli.live_progress import Live  # noqa: PLC0415 - rich is loaded where it is used
    from cloaca.cli.print_above import above  # noqa: PLC0415 - as above
    from cloaca.cli.rich_tables import console_on  # noqa: PLC0415 - as above

    console = console_on(stream)
    with above(console) as printed:
        yield Live(console, printed)
