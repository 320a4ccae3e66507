"""Sync bodies on a bounded pool of daemon threads."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextvars import Context as ContextVariables
from typing import TYPE_CHECKING

from cloaca.clock import Clock
from cloaca.executors.body import Encoders, call_body, delta_of
from cloaca.executors.current import CurrentAttempt, current_attempt
from cloaca.executors.forked import leave_if_forked
from cloaca.executors.job import Interruption, Job, Outcome, failure_of, ids_of
from cloaca.executors.slots import Slots
from cloaca.model.context import Context

if TYPE_CHECKING:
    from cloaca.telemetry.observer import Observer

logger = logging.getLogger("cloaca.executors")

_numbers = itertools.count(1)


class ThreadExecutor:
    """Runs jobs on threads, as many at a time as there are slots.

    A thread takes its next job by itself, without involving the engine, so ready jobs start as fast as slots become free.
    Threads are daemons. One whose body has lost its slot is replaced.

    Args:
        deliver: Called with each outcome, on the body's thread.
        settle: Called instead if no job waits for the thread. It may take time, and may make the next job ready.
    """

    def __init__(
        self,
        *,
        slots: int,
        clock: Clock,
        deliver: Callable[[Outcome], None],
        settle: Callable[[Outcome], None] | None = None,
        encoders: Encoders | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.slots = Slots(slots, clock)
        self._clock = clock
        self._deliver = deliver
        self._settle = settle or deliver
        self._encoders = encoders
        self._observer = observer
        self._idle: list[threading.Lock] = []
        self._undelivered: set[Outcome] = set()
        """Outcomes that are not delivered yet, but whose slots are already free."""
        self._closed = False
        self._process = os.getpid()

    _failure_of = staticmethod(failure_of)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run these as slots become free."""
        self.slots.add(jobs)
        self.wake()

    def submit_exclusively(self, job: Job) -> None:
        """Run this job although the others are on hold."""
        self.slots.run_exclusively(job)
        self._rouse()

    def wake(self) -> None:
        """Make sure that a thread looks for work if there is any."""
        if self.slots.available:
            self._rouse()

    def _rouse(self) -> None:
        try:
            self._idle.pop().release()
        except IndexError:
            self._start_thread()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"cloaca-body-{next(_numbers)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # The interpreter is exiting: what waits is handed over, and no task fails.
            logger.info("no thread could be started for another body: %s", error)

    def drop(self, execution_id: str, why: Interruption) -> None:
        """Forget waiting jobs of an execution that this runner has lost, and interrupt its running ones."""
        self.slots.drop(execution_id, why)

    def abandon(self, job: Job, why: Interruption) -> None:
        """Free the slot of a job whose body does not end, and abandon its thread."""
        job.interrupt(why)
        if self.slots.finish(job):
            logger.warning(
                "task %r of execution %s is stuck: its thread still runs after %.2f s and cannot be stopped",
                job.task.id, job.execution_id, self._clock.monotonic() - job.started, extra=ids_of(job),
            )  # fmt: skip
            self.wake()

    def close(self) -> None:
        """Let idle threads end; running bodies are not waited for."""
        self._closed = True
        self.slots.drain()
        while self._idle:
            self._idle.pop().release()

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs, and every outcome is delivered."""
        return self.slots.idle and self.delivered

    @property
    def delivered(self) -> bool:
        """Whether the outcome of every body that has ended is delivered."""
        return not self._undelivered

    def _work(self) -> None:
        gate = threading.Lock()
        gate.acquire()
        outcome = None
        keeps_slot = True
        while keeps_slot and not self._closed:
            job = self.slots.take()
            if job is None:
                # From here on, whoever adds work finds this thread.
                self._idle.append(gate)
                self._tell(outcome, self._settle)
                outcome = None
                self._park(gate)
            else:
                self._tell(outcome, self._deliver)
                self.wake()
                # Each body gets its own context variables, as if the thread were new.
                outcome = ContextVariables().run(self._outcome, job)
                self._undelivered.add(outcome)
                # A thread whose slot was taken away meanwhile has been replaced by another.
                keeps_slot = self.slots.finish(job)
        self._tell(outcome, self._deliver)

    def _park(self, gate: threading.Lock) -> None:
        # ``close`` either finds the gate in the list, or is noticed here.
        if not self._closed:
            gate.acquire()

    def _tell(self, outcome: Outcome | None, deliver: Callable[[Outcome], None]) -> None:
        if outcome is not None:
            deliver(outcome)
            self._undelivered.discard(outcome)

    def _outcome(self, job: Job) -> Outcome:
        attempt = CurrentAttempt(job, self.slots, self.wake, self._clock)
        current_attempt.set(attempt)
        if self._observer is not None:
            self._observer.attempt_started(job)
        delta = failure = None
        try:
            context = Context.over(job.view, self._encoders)
            delta = delta_of(job, context, call_body(job, context))
            leave_if_forked(self._process, None)
        except BaseException as error:
            leave_if_forked(self._process, error)
            failure = self._failure_of(error)
        attempt.ended = True
        if self._observer is not None:
            self._observer.attempt_ended(job, failure and str(failure))
        elapsed = self._clock.monotonic() - job.started
        return Outcome(job, delta, failure, job.started_at + elapsed)
