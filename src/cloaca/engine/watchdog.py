"""Watching long-running bodies: their ``Running`` rows and their timeouts."""

from __future__ import annotations

import math

from cloaca.engine.core import Core
from cloaca.engine.turn import Turn
from cloaca.executors.job import Job, task_timed_out, timeout_failure
from cloaca.model.events import Failed
from cloaca.store.rows import RunningRow

NOTE_AFTER_SECONDS = 0.1
LOOK_AGAIN_SECONDS = 0.5
"""How often to check whether bodies that can defer have done so: they do not report it."""


class Watchdog:
    """Stores a ``Running`` row for a body that has run for a while, and ends one that exceeds its timeout."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.due = math.inf
        """When to look again."""

    def expect(self, jobs: list[Job]) -> None:
        """Jobs were submitted: look at them before they need a ``Running`` row."""
        shortest = min(NOTE_AFTER_SECONDS, *(job.timeout_seconds for job in jobs))
        due = self._core.clock.monotonic() + shortest
        self.due = min(self.due, due)

    def look(self, turn: Turn, now: float) -> None:
        """Handle what is due."""
        if now < self.due:
            return
        self.due = math.inf
        for job in self._core.executors.running():
            if not job.noted and now >= job.started + NOTE_AFTER_SECONDS:
                self.note(job, turn, alone=False)
            elif job.noted and job.deferred != job.deferral_noted:
                self.note(job, turn, alone=job.alone)
            limit = job.started + job.timeout_seconds
            if now >= limit:
                self._time_out(job, turn)
                continue
            self.due = min(self.due, limit, self._next_note(job, now))
        if self._core.executors.waiting:
            # A job that waits for a slot starts without notifying this thread.
            self.due = min(self.due, now + NOTE_AFTER_SECONDS)

    @staticmethod
    def _next_note(job: Job, now: float) -> float:
        """When a job may have something new to store."""
        if not job.noted:
            return job.started + NOTE_AFTER_SECONDS
        return now + LOOK_AGAIN_SECONDS if job.task.takes_handle else math.inf

    def note(self, job: Job, turn: Turn, *, alone: bool) -> None:
        """Have it stored that this attempt is running."""
        job.noted, job.alone, job.deferral_noted = True, alone, job.deferred
        if self._core.expects(job):
            state = self._core.live[job.execution_id]
            row = RunningRow(
                job.execution_id, job.task.id, job.attempt, job.started_at or self._core.clock.now(), alone,
                job.deferred, state.owner, state.fence,
            )  # fmt: skip
            turn.batch.running.append(row)

    def _time_out(self, job: Job, turn: Turn) -> None:
        self._core.executors.abandon(job, task_timed_out)
        if self._core.expects(job):
            event = Failed(
                job.node, job.attempt, timeout_failure(job), job.started_at, self._core.clock.now()
            )
            self._core.apply(job.execution_id, event, turn)
