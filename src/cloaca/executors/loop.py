"""Async bodies on one event loop, whose thread is started for the first of them."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cloaca.clock import Clock
from cloaca.executors.body import Encoders, call_body, delta_of
from cloaca.executors.current import CurrentAttempt, current_attempt
from cloaca.executors.forked import leave_if_forked
from cloaca.executors.job import Interruption, Job, Outcome, failure_of
from cloaca.executors.slots import Slots
from cloaca.model.context import Context

if TYPE_CHECKING:
    from cloaca.telemetry.observer import Observer

logger = logging.getLogger("cloaca.executors")


class LoopExecutor:
    """Runs jobs as asyncio tasks, as many at a time as there are slots.

    Args:
        deliver: Called with each outcome, on the loop's thread.
    """

    def __init__(
        self,
        *,
        slots: int,
        clock: Clock,
        deliver: Callable[[Outcome], None],
        encoders: Encoders | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.slots = Slots(slots, clock)
        self._clock = clock
        self._deliver = deliver
        self._encoders = encoders
        self._observer = observer
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ended = False
        self._process = os.getpid()
        self._begin()

    _failure_of = staticmethod(failure_of)

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()

    def _begin(self) -> None:
        self._loop = self._make_loop()
        self._thread = threading.Thread(target=self._run_loop, name="cloaca-async-bodies", daemon=True)
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run these as slots become free."""
        self.slots.add(jobs)
        self.wake()

    def submit_exclusively(self, job: Job) -> None:
        """Run this job although the others are on hold."""
        self.slots.run_exclusively(job)
        self._loop.call_soon_threadsafe(self._launch)

    def wake(self) -> None:
        """Start waiting jobs if slots are free."""
        if self.slots.available:
            self._loop.call_soon_threadsafe(self._launch)

    def drop(self, execution_id: str, why: Interruption) -> None:
        """Forget waiting jobs of an execution that this runner has lost, and cancel its running ones."""
        for job in self.slots.drop(execution_id, why):
            self._loop.call_soon_threadsafe(self._cancel, job)

    def abandon(self, job: Job, why: Interruption) -> None:
        """Cancel a job whose body does not end, and free its slot."""
        job.interrupt(why)
        self.slots.finish(job)
        self._loop.call_soon_threadsafe(self._cancel, job)
        self.wake()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return self.slots.idle

    @property
    def delivered(self) -> bool:
        """Always true: outcomes are delivered before their slots are freed."""
        return True

    def close(self) -> None:
        """Cancel what runs and stop the loop."""
        self.slots.drain()
        self._loop.call_soon_threadsafe(self._stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._run_to_the_end()

    def _run_to_the_end(self) -> None:
        while not self._ended:
            self._run_until_stopped()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _run_until_stopped(self) -> None:
        # A body may stop the loop, and asyncio propagates a SystemExit raised in a task that a body has created.
        try:
            self._loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            logger.warning(
                "an asyncio task created by an async body ended with %r: other bodies continue", error
            )

    def _stop(self) -> None:
        pending = list(self._tasks.values())
        for task in pending:
            task.cancel()

        async def finish() -> None:
            if pending:
                await asyncio.wait(pending, timeout=1)
            self._ended = True
            self._loop.stop()

        self._finisher = self._loop.create_task(finish())

    def _cancel(self, job: Job) -> None:
        if task := self._tasks.get(id(job)):
            task.cancel()

    def _launch(self) -> None:
        while (job := self.slots.take()) is not None:
            self._tasks[id(job)] = self._loop.create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        attempt = CurrentAttempt(job, self.slots, self.wake, self._clock)
        current_attempt.set(attempt)
        if self._observer is not None:
            self._observer.attempt_started(job)
        delta = failure = None
        try:
            context = Context.over(job.view, self._encoders)
            delta = delta_of(job, context, await call_body(job, context))
            leave_if_forked(self._process, None)
        except BaseException as error:
            leave_if_forked(self._process, error)
            failure = self._failure_of(error)
        finally:
            self._tasks.pop(id(job), None)
            attempt.ended = True
        if self._observer is not None:
            self._observer.attempt_ended(job, failure and str(failure))
        finished_at = job.started_at + self._clock.monotonic() - job.started
        # Delivered before the slot is freed: an executor that looks idle has delivered everything.
        self._deliver(Outcome(job, delta, failure, finished_at))
        self.slots.finish(job)
        self._launch()
