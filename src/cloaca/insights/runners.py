"""The runners of a database, and what can be seen of whether they are alive."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cloaca.insights.records import moment_of
from cloaca.store.rows import RunnerRow

SILENT_SECONDS = 20.0
"""Twice the time between two heartbeats of an idle runner with default settings."""


@dataclass(frozen=True, slots=True)
class RunnerRecord:
    """A runner that has joined the database and not left.

    ``is_gone`` if its lock is free, that is, its process has ended or is cut off; ``None`` if that cannot be determined.
    ``silent_since`` is the time since which this process has seen it stand still, if that is more than
    20 seconds.

    Example:
        >>> import cloaca
        >>> with cloaca.DefaultRunner("sqlite:///app.db") as runner:
        ...     (record,) = runner.list_runners()
        >>> record.is_gone, record.silent_since
        (False, None)
    """

    runner_id: str
    host: str
    pid: int
    joined_at: datetime
    is_gone: bool | None
    silent_since: datetime | None

    def __str__(self) -> str:
        return f"runner {self.runner_id} (process {self.pid} on {self.host})"


class Sightings:
    """When this process has seen runners move: looking twice shows which of them stand still. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Mapping[str, tuple[int, float]] = {}
        """By runner: its turn, and the wall-clock time when that was first seen."""

    def look(self, rows: Iterable[RunnerRow], now: float) -> dict[str, RunnerRecord]:
        """The runners by id, judged by this look and earlier ones."""
        with self._lock:
            before, seen = self._seen, {}
            records = {}
            for row in rows:
                turn, since = before.get(row.id, (row.turn, now))
                seen[row.id] = (row.turn, since if turn == row.turn else now)
                records[row.id] = _record(row, seen[row.id][1], now)
            self._seen = seen
        return records


def _record(row: RunnerRow, since: float, now: float) -> RunnerRecord:
    is_gone = None if row.holds_lock is None else not row.holds_lock
    return RunnerRecord(
        row.id,
        row.host,
        row.pid,
        moment_of(row.joined_at),
        is_gone,
        moment_of(since) if now - since >= SILENT_SECONDS else None,
    )
