"""The executors of one engine: threads for sync bodies, an event loop that is made at the first async one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from cloaca.executors.job import Interruption, Job, lease_lost, workflow_timed_out
from cloaca.executors.slots import Slots


class Executor(Protocol):
    """Runs jobs when slots are free, and delivers an outcome for each."""

    slots: Slots

    @property
    def idle(self) -> bool:
        """Whether nothing waits, nothing runs, and every outcome is delivered."""

    @property
    def told(self) -> bool:
        """Whether the outcome of every body that has ended is delivered."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run these when slots are free."""

    def submit_exclusively(self, job: Job) -> None:
        """Run this one although the others are held."""

    def drop(self, execution_id: str, why: Interruption) -> None:
        """Forget what waits of an execution that is not this runner's any more, and tell what runs of it."""

    def abandon(self, job: Job, why: Interruption) -> None:
        """Take the slot of a job whose body does not end."""

    def wake(self) -> None:
        """Start what slots are free for."""

    def close(self) -> None:
        """Start nothing more."""


class Executors:
    """Sends each job where its body can run."""

    def __init__(self, sync: Executor, make_async: Callable[[], Executor]) -> None:
        self._sync = sync
        self._make_async = make_async
        self._async: Executor | None = None
        self._held = False
        self._vouched_until = math.inf

    @property
    def _all(self) -> list[Executor]:
        return [self._sync] if self._async is None else [self._sync, self._async]

    def _for(self, job: Job) -> Executor:
        if not job.task.is_async:
            return self._sync
        if self._async is None:
            self._async = self._make_async()
            self._async.slots.vouch(self._vouched_until)
            if self._held:
                self._async.slots.hold()
        return self._async

    def submit(self, jobs: list[Job]) -> None:
        """Run these when slots are free."""
        plain = [job for job in jobs if not job.task.is_async]
        if plain:
            self._sync.submit(plain)
        if len(plain) < len(jobs):
            others = [job for job in jobs if job.task.is_async]
            self._for(others[0]).submit(others)

    def submit_exclusively(self, job: Job) -> None:
        """Run this one although the others are held."""
        self._for(job).submit_exclusively(job)

    def abandon(self, job: Job, why: Interruption) -> None:
        """Take the slot of a job whose body does not end, and have it raise why."""
        self._for(job).abandon(job, why)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, nothing runs, and every outcome is delivered."""
        return all(executor.idle for executor in self._all)

    @property
    def told(self) -> bool:
        """Whether the outcome of every body that has ended is delivered."""
        return all(executor.told for executor in self._all)

    @property
    def waiting(self) -> bool:
        """Whether a job waits for a slot."""
        return any(executor.slots.waiting for executor in self._all)

    @property
    def capacity(self) -> int:
        """How many sync bodies run at once."""
        return self._sync.slots.capacity

    @property
    def load(self) -> int:
        """How much of that is taken or waited for; all of it where async bodies wait for slots of their own."""
        is_full = self._async is not None and self._async.slots.waiting
        return self._sync.slots.load + (2 * self.capacity if is_full else 0)

    def slots(self) -> dict[str, Slots]:
        """By kind of body; those of async ones once there was one."""
        return {kind: executor.slots for kind, executor in zip(("sync", "async"), self._all, strict=False)}

    def running(self) -> list[Job]:
        """The jobs that hold a slot."""
        return [job for executor in self._all for job in executor.slots.running()]

    def hold(self) -> list[Job]:
        """Start nothing more until ``resume``; what runs, or was let past and is about to, is returned."""
        self._held = True
        return [job for executor in self._all for job in executor.slots.hold()]

    def resume(self) -> None:
        """Go on starting jobs."""
        self._held = False
        for executor in self._all:
            executor.slots.resume()
            executor.wake()

    def vouch(self, until: float) -> None:
        """Let bodies start until then, by the monotonic clock, and not later without another word."""
        self._vouched_until = until
        for executor in self._all:
            if executor.slots.vouch(until):
                executor.wake()

    def give_up(self, execution_id: str) -> None:
        """Forget an execution that has run for too long, and take the slots of what still runs of it."""
        for job in self.running():
            if job.execution_id == execution_id:
                self.abandon(job, workflow_timed_out)
        self.drop(execution_id)

    def drop(self, execution_id: str, why: Interruption = lease_lost) -> None:
        """Forget what waits of an execution, and tell what runs of it why."""
        for executor in self._all:
            executor.drop(execution_id, why)

    def take_back(self, execution_id: str) -> list[Job]:
        """Take out what waits of an execution; what runs goes on."""
        return [job for executor in self._all for job in executor.slots.take_back(execution_id)]

    def drain(self) -> None:
        """Forget what waits, and start nothing more."""
        self._held = True
        for executor in self._all:
            executor.slots.drain()

    def close(self) -> None:
        """Start nothing more and let idle threads end."""
        for executor in self._all:
            executor.close()
