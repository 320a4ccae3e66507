"""What one turn decides: the rows to commit, and what to do once they are committed."""

from __future__ import annotations

from collections.abc import Callable

from cloaca.engine.callbacks import Call
from cloaca.engine.events import StartRequest
from cloaca.engine.plan import Plan
from cloaca.executors.job import Job
from cloaca.model.execution import Decision, ExecutionState
from cloaca.model.rows import AttemptRow, FinishRow
from cloaca.store.rows import Batch


class Turn:
    """Collects the decisions of one turn."""

    __slots__ = (
        "afterwards",
        "batch",
        "calls",
        "finished",
        "leaves_work",
        "plans",
        "ready",
        "retries",
        "starting",
        "suspects",
    )

    def __init__(self) -> None:
        self.batch = Batch()
        self.ready: list[Job] = []
        self.calls: list[Call] = []
        self.suspects: list[Job] = []
        self.retries: list[tuple[float, ExecutionState, int, int]] = []
        self.finished: list[tuple[ExecutionState, FinishRow]] = []
        self.starting: list[StartRequest] = []
        self.plans: list[Plan] = []
        """Plans whose graph this turn stores."""
        self.afterwards: list[Callable[[], object]] = []
        """Called once the turn is done."""
        self.leaves_work = False
        """Whether it starts executions without an owner."""

    def collect(self, state: ExecutionState, decision: Decision) -> None:
        """Add the rows and retries of a decision; the engine adds the jobs."""
        if self.batch.running and decision.rows:
            self._forget_running(decision.rows)
        self.batch.settles.extend(decision.rows)
        if decision.finish is not None:
            self.batch.finishes.append(decision.finish)
            self.finished.append((state, decision.finish))
        for due, node, attempt in decision.retries:
            self.retries.append((due, state, node, attempt))

    def _forget_running(self, settled: list[AttemptRow]) -> None:
        """Drop the ``Running`` row of an attempt that is settled in the same turn."""
        gone = {row[:3] for row in settled}
        self.batch.running = [row for row in self.batch.running if row[:3] not in gone]

    def drop(self, executions: set[str]) -> None:
        """Remove some executions and everything that belongs to them."""
        self.batch = self.batch.only(set(self.batch.executions) - executions)
        self.ready = [job for job in self.ready if job.execution_id not in executions]
        self.calls = [call for call in self.calls if call.execution_id not in executions]
        self.suspects = [job for job in self.suspects if job.execution_id not in executions]
        self.retries = [entry for entry in self.retries if entry[1].id not in executions]
        self.finished = [entry for entry in self.finished if entry[0].id not in executions]
        self.starting = [
            request
            for request in self.starting
            if not any(new.id in executions for new in request.executions)
        ]
        if not self.batch.starts:
            # The turn may be empty now, and then it would not store the graphs.
            self.batch.structures, self.plans = [], []

    def clear(self) -> None:
        """Remove everything."""
        self.drop(set(self.batch.executions))
        self.ready, self.suspects, self.retries, self.finished, self.starting = [], [], [], [], []
        self.calls = []
