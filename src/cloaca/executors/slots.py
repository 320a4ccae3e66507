"""The slots of an executor: which jobs wait for one and which hold one.

A slot is not a thread: a body that waits for a nested execution lends its slot, and a body that has timed out loses it,
while its thread continues.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable

from cloaca.clock import Clock
from cloaca.executors.fair import FairQueue
from cloaca.executors.job import Interruption, Job, lease_lost


class Slots:
    """A bounded number of slots, with a fair queue of waiting jobs; thread-safe."""

    def __init__(self, capacity: int, clock: Clock) -> None:
        self.capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self._queue = FairQueue()
        self._running: dict[int, Job] = {}
        self._lent = 0
        self._reclaiming = 0
        self._held = False
        self._exclusive: deque[Job] = deque()
        self._lease_ends = math.inf
        self._refused = False
        """Whether a job was requested after the lease ended."""

    @property
    def available(self) -> bool:
        """Whether a job waits and a slot is free for it."""
        return bool(self._queue) and not self._held and self._free > self._reclaiming

    @property
    def _free(self) -> int:
        return self.capacity - len(self._running) + self._lent

    def add(self, jobs: Iterable[Job]) -> None:
        """Queue jobs."""
        with self._lock:
            self._queue.extend(jobs)

    def take(self) -> Job | None:
        """Give a slot to the next job, if there is one of each, and record when it started."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._lease_ends:
                self._refused = True
                return None
            job = self._exclusive.popleft() if self._exclusive else self._next()
            if job is None:
                return None
            job.started = now
            job.started_at = self._clock.now()
            self._running[id(job)] = job
            return job

    def _next(self) -> Job | None:
        return None if self._held or self._free <= self._reclaiming else self._queue.pop()

    def extend_lease(self, until: float) -> bool:
        """Let jobs start until this monotonic time; true if a job was requested after the previous lease had ended.

        A process that was stopped (SIGSTOP) continues where it was, when other runners may already have run what waits here. So
        a job starts only while the runner is known to own it.
        """
        with self._lock:
            self._lease_ends = until
            refused, self._refused = self._refused, False
            return refused

    def finish(self, job: Job) -> bool:
        """Free a job's slot; false if the job had already lost it."""
        with self._lock:
            kept = self._running.pop(id(job), None) is not None
            if self._reclaiming:
                self._returned.notify()
            return kept

    @property
    def load(self) -> int:
        """How many jobs wait for a slot or hold one."""
        return len(self._queue) + len(self._exclusive) + len(self._running) - self._lent

    @property
    def busy(self) -> int:
        """How many slots are in use."""
        return len(self._running) - self._lent

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs."""
        return not self.waiting and not self._running

    @property
    def waiting(self) -> bool:
        """Whether a job waits for a slot."""
        return bool(self._queue or self._exclusive)

    def running(self) -> list[Job]:
        """The jobs that hold a slot."""
        with self._lock:
            return list(self._running.values())

    def hold(self) -> list[Job]:
        """Start nothing more until ``resume``; returns the jobs that run or are exempt and about to start."""
        with self._lock:
            self._held = True
            return [*self._running.values(), *self._exclusive]

    def run_exclusively(self, job: Job) -> None:
        """Exempt one job while the others are on hold."""
        with self._lock:
            self._exclusive.append(job)

    def resume(self) -> None:
        """Start jobs again."""
        with self._lock:
            self._held = False

    def take_back(self, execution: str) -> list[Job]:
        """Remove and return the waiting jobs of an execution; running ones continue."""
        with self._lock:
            return self._queue.drop(execution)

    def take_surplus(self, keep_per_slot: int, *, limit: int) -> dict[str, list[Job]]:
        """Remove and return the waiting jobs of up to ``limit`` executions beyond those that are kept, by execution."""
        with self._lock:
            return self._queue.cut(keep_per_slot * self.capacity, limit=limit)

    def drop(self, execution: str, why: Interruption = lease_lost) -> list[Job]:
        """Forget waiting jobs of an execution that this runner has lost; interrupt and return its running ones."""
        with self._lock:
            self._queue.drop(execution)
            self._exclusive = deque(job for job in self._exclusive if job.execution_id != execution)
            running = [job for job in self._running.values() if job.execution_id == execution]
            for job in running:
                job.interrupt(why)
            return running

    def drain(self) -> list[Job]:
        """Remove and return all waiting jobs, and start nothing more."""
        with self._lock:
            self._held = True
            self._exclusive.clear()
            return self._queue.drain()

    def lend(self) -> None:
        """Free the slot of a body that is about to wait."""
        with self._lock:
            self._lent += 1
            self._returned.notify()

    def reclaim(self, *, wait: bool = True) -> None:
        """Take a slot again; bodies that reclaim one come before jobs that have not started.

        A body that must not block, because it is on an event loop, takes a slot even if none is free: fewer jobs start until
        one is.
        """
        with self._lock:
            if not wait:
                self._lent -= 1
                return
            self._reclaiming += 1
            self._returned.wait_for(lambda: self._free > 0)
            self._reclaiming -= 1
            self._lent -= 1
