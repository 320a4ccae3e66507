"""Progress as plain lines, for pipes and logs: one line per change of a task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TextIO

from cloaca.cli.formatting import counted, printable
from cloaca.cli.progress import Tasks, changes, completed_before
from cloaca.insights import FOR_CAPACITY, ExecutionRecord


class Lines:
    """Writes a line for each change since the last update."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._url = ""
        self._since: datetime | None = None
        self._seen: Tasks | None = None
        self._waiting_for: str | None = None

    @contextmanager
    def following(self, url: str, since: datetime | None) -> Iterator[None]:
        """``Display.following``."""
        self._url, self._since, self._seen = url, since, None
        yield

    def show(self, record: ExecutionRecord) -> None:
        """``Display.show``."""
        if self._seen is None:
            self._write(self._beginning(record))
        for change in changes(self._seen or {}, record.tasks):
            if self._since is None or (change.moment is not None and change.moment >= self._since):
                self._write(change.text)
        # Between two turns of this same process it may have no owner.
        if record.waiting_for not in (None, FOR_CAPACITY, self._waiting_for):
            self._write(f"waiting: {record.waiting_for}")
        self._seen, self._waiting_for = record.tasks, record.waiting_for

    def _beginning(self, record: ExecutionRecord) -> str:
        name = f"execution {record.execution_id} of workflow {printable(record.workflow_name)}"
        if self._since is None:
            return f"{name} started in {printable(self._url)}"
        if record.finished_at is not None and record.finished_at < self._since:
            return f"{name} has already ended"
        done = completed_before(record.tasks.values(), self._since)
        return f"{name}: {done:,} of {counted(len(record.tasks), 'task')} already completed"

    def _write(self, line: str) -> None:
        # A single write, so that it does not mix with what a body prints.
        self._stream.write(f"{line}\n")
        self._stream.flush()
