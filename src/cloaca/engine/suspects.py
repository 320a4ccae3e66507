"""Attempts that may have crashed their process: they run one at a time, and only once their start is committed.

A crash leaves no proof of what was running, so every attempt that may have been running is a suspect. Nothing else starts
while a suspect starts, nor during its probation, which grows tenfold with each crash. A crash is charged to a suspect only
if the rows show that it was running alone. When its turn comes, it first waits for bodies that have run for less than its
probation; otherwise a runner that is never idle would never charge anybody. The probation of a body ends early when it
waits for an execution it has started: that execution could not run otherwise, and may contain suspects itself.
"""

from __future__ import annotations

import math
from collections import deque

from cloaca.engine.core import Core
from cloaca.engine.turn import Turn
from cloaca.engine.watchdog import Watchdog
from cloaca.executors.job import Job

PROBATION_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.05
"""How often to check whether the running suspect has begun to wait."""
BACKOFF_SECONDS = (0.0, 1.0, 10.0, 60.0)


def backoff(crashes: int) -> float:
    """Seconds until a suspect may start after this many crashes: 0 after the first, then 1, 10 and 60."""
    return BACKOFF_SECONDS[min(crashes - 1, len(BACKOFF_SECONDS) - 1)]


class Suspects:
    """The suspects of one engine."""

    def __init__(self, core: Core, watchdog: Watchdog) -> None:
        self._core = core
        self._watchdog = watchdog
        self._queue: deque[Job] = deque()
        self._current: Job | None = None
        self._starting = False
        self._has_ended = False
        """Whether the suspect has ended in this turn."""
        self._held = False
        self._probation_ends = math.inf
        self._patience_ends = math.inf

    def forget(self) -> None:
        """Drop all suspects."""
        self._queue.clear()
        self._current = None
        self._probation_ends = self._patience_ends = math.inf
        self._starting = False
        self._resume()

    def take_back(self, execution_id: str, turn: Turn) -> list[Job]:
        """Remove the waiting jobs of an execution, including one that this turn is about to start."""
        taken = [job for job in self._queue if job.execution_id == execution_id]
        self._queue = deque(job for job in self._queue if job.execution_id != execution_id)
        current = self._current
        if self._starting and current is not None and current.execution_id == execution_id:
            self._current, self._starting, self._probation_ends = None, False, math.inf
            turn.batch.running = [
                row
                for row in turn.batch.running
                if (row.execution_id, row.task) != (execution_id, current.task.id)
            ]
            taken.append(current)
        return taken

    def ended(self, job: Job) -> None:
        """A body has ended; if it was the suspect's, the next one may start."""
        if job is self._current:
            self._current = None
            self._probation_ends = math.inf
            self._has_ended = True

    def look(self, turn: Turn) -> None:
        """Start the next suspect if none runs, and let other jobs run again when its probation is over."""
        self._take_in(turn)
        now = self._core.clock.monotonic()
        if self._current is not None and self._is_over(self._current, turn, now):
            self._current, self._probation_ends = None, math.inf
        has_ended, self._has_ended = self._has_ended, False
        if has_ended and self._queue:
            # Its row says that it runs alone until its outcome is committed, and the database may refuse that.
            self._patience_ends = now
            return
        while self._queue and self._current is None and not self._core.stopping:
            job = self._queue[0]
            if self._core.expects(job):
                beside = self._hold()
                if self._is_patient(job, beside, now):
                    return
                self._start(job, beside, turn, now)
            self._queue.popleft()
        self._patience_ends = math.inf

    def _take_in(self, turn: Turn) -> None:
        self._queue.extend(turn.suspects)
        turn.suspects = []

    def _is_over(self, job: Job, turn: Turn, now: float) -> bool:
        """Whether other jobs may run and the next suspect may start, after this one or alongside it."""
        if not self._core.expects(job):
            return True
        if job.waits or now >= self._probation_ends:
            self._watchdog.note(job, turn, alone=False)
            return True
        return False

    def _hold(self) -> list[Job]:
        """Start nothing else; returns what is running."""
        self._held = True
        running = self._core.executors.hold()
        return [job for job in running if self._core.expects(job) and not job.waits]

    def _is_patient(self, job: Job, beside: list[Job], now: float) -> bool:
        """Whether the suspect still waits for running bodies; for each body once, however many suspects there are."""
        youngest = max((other.started for other in beside), default=-math.inf)
        self._patience_ends = youngest + self._probation(job)
        return now < self._patience_ends

    def _probation(self, job: Job) -> float:
        crashes = self._core.live[job.execution_id].suspects[job.node].crashes
        return PROBATION_SECONDS * float(10 ** min(crashes - 1, 6))

    def _start(self, job: Job, beside: list[Job], turn: Turn, now: float) -> None:
        for other in beside:
            if not other.noted:
                self._watchdog.note(other, turn, alone=False)
        self._watchdog.note(job, turn, alone=not beside)
        self._current, self._starting = job, True
        self._probation_ends = now + self._probation(job)

    @property
    def due(self) -> float:
        """When to check again whether the next suspect may start, or other jobs alongside the running one."""
        if self._current is None:
            return self._patience_ends
        return min(self._probation_ends, self._core.clock.monotonic() + LOOK_AGAIN_SECONDS)

    def act(self, turn: Turn) -> None:
        """After the commit: run the suspect whose start was committed, or let other jobs run again."""
        if turn.suspects:
            # Jobs of an execution that was resumed during the commit: they are looked at in the next turn.
            self._take_in(turn)
            self._patience_ends = self._core.clock.monotonic()
        starting, self._starting = self._starting, False
        if starting and self._current is not None and self._core.expects(self._current):
            self._watchdog.expect([self._current])
            self._core.executors.submit_exclusively(self._current)
        elif self._held and self._current is None and self._patience_ends == math.inf:
            self._resume()

    def _resume(self) -> None:
        self._held = False
        self._core.executors.resume()
