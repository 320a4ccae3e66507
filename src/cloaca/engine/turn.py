"""What one turn decides: rows to commit, and what to do once they are committed."""

from __future__ import annotations

from collections.abc import Callable

from cloaca.engine.callbacks import Call
from cloaca.engine.events import StartRequest
from cloaca.engine.plan import Plan
from cloaca.executors.job import Job
from cloaca.model.execution import AttemptRow, Decision, ExecutionState, FinishRow
from cloaca.store.rows import Batch


class Turn:
    """Collects the decisions of one turn."""

    __slots__ = (
        "batch",
        "calls",
        "finished",
        "leaves_work",
        "looks",
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
        self.looks: list[Callable[[], object]] = []
        """Who wants to know that it is done."""
        self.leaves_work = False
        """Whether it starts executions that nobody owns."""

    def collect(self, state: ExecutionState, decision: Decision) -> None:
        """Add the rows of a decision, and its retries; the engine adds the jobs."""
        if self.batch.running and decision.rows:
            self._forget_running(decision.rows)
        self.batch.settles.extend(decision.rows)
        if decision.finish is not None:
            self.batch.finishes.append(decision.finish)
            self.finished.append((state, decision.finish))
        for due, node, attempt in decision.retries:
            self.retries.append((due, state, node, attempt))

    def _forget_running(self, settled: list[AttemptRow]) -> None:
        """An attempt that is settled in the turn that noted it as running is not running."""
        gone = {row[:3] for row in settled}
        self.batch.running = [row for row in self.batch.running if row[:3] not in gone]

    def drop(self, executions: set[str]) -> None:
        """Take some executions out, rows and all."""
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
            # What is left may be nothing, and then nothing stores the graphs.
            self.batch.structures, self.plans = [], []

    def clear(self) -> None:
        """Take everything out."""
        self.drop(set(self.batch.executions))
        self.ready, self.suspects, self.retries, self.finished, self.starting = [], [], [], [], []
        self.calls = []
