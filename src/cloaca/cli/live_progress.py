"""Progress as a display that redraws itself, for terminals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import rich.live
from rich.console import Console
from rich.segment import SegmentLines

from cloaca.cli.print_above import Printed
from cloaca.cli.rich_tables import progress_view
from cloaca.insights import ExecutionRecord

_MOST_TASKS = 20
_OTHER_LINES = 6


class Live:
    """Shows a limited number of tasks, and a summary of all of them."""

    def __init__(self, console: Console, printed: Printed) -> None:
        self._console = console
        self._printed = printed
        self._live = rich.live.Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    @contextmanager
    def following(self, url: str, since: datetime | None) -> Iterator[None]:  # noqa: ARG002 - it shows all there is
        """``Display.following``."""
        self._printed.is_display_up = True
        try:
            with self._live:
                yield
        finally:
            self._printed.is_display_up = False
            self._printed.refresh()

    def show(self, record: ExecutionRecord) -> None:
        """``Display.show``."""
        most = max(1, min(_MOST_TASKS, self._console.height - _OTHER_LINES))
        view = progress_view(record, now=datetime.now(UTC), most=most)
        # Laid out here, once: it is drawn again below each line that a body prints, on that body's thread.
        drawn = SegmentLines(self._console.render_lines(view, pad=False), new_lines=True)
        self._printed.refresh()
        self._live.update(drawn, refresh=True)
