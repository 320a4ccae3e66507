"""Reporting to an observer what a turn has committed; without an observer none of this is loaded or called."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cloaca.engine.commit import Committer
from cloaca.engine.core import Core
from cloaca.engine.turn import Turn
from cloaca.model.rows import AttemptRow
from cloaca.telemetry.observer import Committed, Ended, Settled, Slotted, Snapshot, Started


class ObservedCommitter(Committer):
    """A committer that reports what it has committed."""

    def commit(self, turn: Turn) -> None:
        """Commit, and report it before acting on it."""
        began = time.perf_counter()
        super().commit(turn)
        seconds = time.perf_counter() - began
        observer = self._core.observer
        if observer is not None and turn.batch:
            batch, started = turn.batch, list(self._started(turn))
            ended = [
                Ended(row.execution_id, state.graph.name, str(row.status), row.error, row.finished_at)
                for state, row in turn.finished
            ]
            settled = [_settled(row, self._workflow_of(row)) for row in batch.settles]
            rows = len(batch.starts) + len(batch.settles) + len(batch.finishes) + len(batch.running)
            observer.committed(Committed(started, settled, ended, rows, seconds, self._core.live.keys()))

    def _started(self, turn: Turn) -> Iterator[Started]:
        live, losers = self._core.live, self.losers
        for request in turn.starting:
            for new in request.executions:
                if new.id not in losers:
                    state = live.get(new.id)
                    at = self._core.clock.now() if state is None else state.created_at
                    yield Started(new.id, request.workflow.name, at, state is not None, request.origin)

    def _workflow_of(self, row: AttemptRow) -> str:
        state = self._core.live.get(row.execution_id)
        return "" if state is None else state.graph.name


def _settled(row: AttemptRow, workflow: str) -> Settled:
    outcome = "retried" if row.retry_at is not None else row.status.lower()
    has_run = row.started_at is not None and row.finished_at is not None
    return Settled(workflow, row.task, outcome, row.finished_at - row.started_at if has_run else None)  # type: ignore[operator]


def snapshot(core: Core) -> Snapshot:
    """What an engine is doing now; may be called from any thread."""
    slots = {
        kind: Slotted(slots.capacity, slots.busy, slots.load - slots.busy)
        for kind, slots in core.executors.slots().items()
    }
    return Snapshot(len(core.live), core.inbox.qsize(), core.backlog, slots)
