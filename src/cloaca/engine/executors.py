"""The executors of one engine: threads for sync bodies, and an event loop that is created for the first async body."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from cloaca.executors.job import Interruption, Job, lease_lost, workflow_timed_out
from cloaca.executors.slots import Slots


class Executor(Protocol):
    """Runs jobs as slots become free, and delivers an outcome for each."""

    slots: Slots

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs, and every outcome is delivered."""

    @property
    def delivered(self) -> bool:
        """Whether the outcome of every body that has ended is delivered."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run these as slots become free."""

    def submit_exclusively(self, job: Job) -> None:
        """Run this job although the others are on hold."""

    def drop(self, execution_id: str, why: Interruption) -> None:
        """Forget waiting jobs of an execution that this runner has lost, and interrupt its running ones."""

    def abandon(self, job: Job, why: Interruption) -> None:
        """Free the slot of a job whose body does not end."""

    def wake(self) -> None:
        """Start waiting jobs if slots are free."""

    def close(self) -> None:
        """Start nothing more."""


class Executors:
    """Sends each job to the executor that can run its body."""

    def __init__(self, sync: Executor, make_async: Callable[[], Executor]) -> None:
        self._sync = sync
        self._make_async = make_async
        self._async: Executor | None = None
        self._held = False
        self._lease_ends = math.inf

    @property
    def _all(self) -> list[Executor]:
        return [self._sync] if self._async is None else [self._sync, self._async]

    def _for(self, job: Job) -> Executor:
        if not job.task.is_async:
            return self._sync
        if self._async is None:
            self._async = self._make_async()
            self._async.slots.extend_lease(self._lease_ends)
            if self._held:
                self._async.slots.hold()
        return self._async

    def submit(self, jobs: list[Job]) -> None:
        """Run these as slots become free."""
        plain = [job for job in jobs if not job.task.is_async]
        if plain:
            self._sync.submit(plain)
        if len(plain) < len(jobs):
            others = [job for job in jobs if job.task.is_async]
            self._for(others[0]).submit(others)

    def submit_exclusively(self, job: Job) -> None:
        """Run this job although the others are on hold."""
        self._for(job).submit_exclusively(job)

    def abandon(self, job: Job, why: Interruption) -> None:
        """Free the slot of a job whose body does not end, and interrupt the body."""
        self._for(job).abandon(job, why)

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs, and every outcome is delivered."""
        return all(executor.idle for executor in self._all)

    @property
    def delivered(self) -> bool:
        """Whether the outcome of every body that has ended is delivered."""
        return all(executor.delivered for executor in self._all)

    @property
    def waiting(self) -> bool:
        """Whether a job waits for a slot."""
        return any(executor.slots.waiting for executor in self._all)

    @property
    def capacity(self) -> int:
        """How many sync bodies can run at once."""
        return self._sync.slots.capacity

    @property
    def load(self) -> int:
        """How much of the capacity is used or waited for; over all of it while async bodies wait for slots of their own."""
        is_full = self._async is not None and self._async.slots.waiting
        return self._sync.slots.load + (2 * self.capacity if is_full else 0)

    def slots(self) -> dict[str, Slots]:
        """Slots by kind of body; ``async`` is present once there has been an async body."""
        return {kind: executor.slots for kind, executor in zip(("sync", "async"), self._all, strict=False)}

    def running(self) -> list[Job]:
        """The jobs that hold a slot."""
        return [job for executor in self._all for job in executor.slots.running()]

    def hold(self) -> list[Job]:
        """Start nothing more until ``resume``; returns the jobs that run or are exempt and about to start."""
        self._held = True
        return [job for executor in self._all for job in executor.slots.hold()]

    def resume(self) -> None:
        """Start jobs again."""
        self._held = False
        for executor in self._all:
            executor.slots.resume()
            executor.wake()

    def extend_lease(self, until: float) -> None:
        """Let bodies start until this monotonic time, and not later unless the lease is extended again."""
        self._lease_ends = until
        for executor in self._all:
            if executor.slots.extend_lease(until):
                executor.wake()

    def give_up(self, execution_id: str) -> None:
        """Forget an execution that has exceeded its timeout, and free the slots of its running bodies."""
        for job in self.running():
            if job.execution_id == execution_id:
                self.abandon(job, workflow_timed_out)
        self.drop(execution_id)

    def drop(self, execution_id: str, why: Interruption = lease_lost) -> None:
        """Forget the waiting jobs of an execution, and interrupt its running ones."""
        for executor in self._all:
            executor.drop(execution_id, why)

    def take_back(self, execution_id: str) -> list[Job]:
        """Remove and return the waiting jobs of an execution; running ones continue."""
        return [job for executor in self._all for job in executor.slots.take_back(execution_id)]

    def take_surplus(self, keep_per_slot: int, *, limit: int) -> dict[str, list[Job]]:
        """Remove and return the waiting jobs of executions beyond those that are kept; ``limit`` for each kind of body."""
        surplus: dict[str, list[Job]] = {}
        for executor in self._all:
            for execution, jobs in executor.slots.take_surplus(keep_per_slot, limit=limit).items():
                surplus.setdefault(execution, []).extend(jobs)
        return surplus

    def drain(self) -> None:
        """Forget all waiting jobs, and start nothing more."""
        self._held = True
        for executor in self._all:
            executor.slots.drain()

    def close(self) -> None:
        """Start nothing more, and let idle threads end."""
        for executor in self._all:
            executor.close()
