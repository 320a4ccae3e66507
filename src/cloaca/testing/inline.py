"""The executors and callbacks of an inline run, which do one thing each time they are told to, and nothing otherwise."""

from __future__ import annotations

import queue
import sys
import time
from contextvars import Context as ContextVariables
from typing import Any

from cloaca.engine.callbacks import Call, Callbacks
from cloaca.executors.job import Job, Outcome, failure_of
from cloaca.executors.loop import LoopExecutor
from cloaca.executors.threads import ThreadExecutor
from cloaca.model.events import Failure
from cloaca.testing.cooperative import CooperativeThread, InlineClock
from cloaca.testing.event_loop import VirtualLoop
from cloaca.testing.failing import Failures


class Escape:
    """An exception in a body that is meant for the test and not for the task: Ctrl-C, or ``pytest.fail`` in a stub."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def note(self, error: BaseException) -> None:
        """Keep the first one."""
        if self.error is None and isinstance(error, _meant_for_the_test()):
            self.error = error


def _meant_for_the_test() -> tuple[type[BaseException], ...]:
    pytest: Any = sys.modules.get("pytest")
    if pytest is None:
        return (KeyboardInterrupt,)
    return (KeyboardInterrupt, pytest.fail.Exception, pytest.skip.Exception, pytest.exit.Exception)


class InlineBodies(ThreadExecutor):
    """Sync bodies on the thread that calls ``step``; those that may wait for the clock run on threads of their own."""

    def __init__(self, *, failures: Failures, escape: Escape, clock: InlineClock, **options: Any) -> None:
        super().__init__(clock=clock, **options)
        self._failures = failures
        self._escape = escape
        self._inline_clock = clock

    def _rouse(self) -> None:
        """Does nothing: there is no thread to wake."""

    def step(self) -> bool:
        """Continue a body that has waited, or run the next one; false if there is none."""
        if self._inline_clock.go_on():
            return True
        job = self.slots.take()
        if job is None:
            return False
        if job.task.takes_handle:
            CooperativeThread(lambda: self._run(job)).go()
        else:
            self._run(job)
        return True

    def _run(self, job: Job) -> None:
        self._deliver(ContextVariables().run(self._outcome, job))
        self.slots.finish(job)

    def _outcome(self, job: Job) -> Outcome:
        error = self._failures.of(job)
        return super()._outcome(job) if error is None else _failed(job, error, self._clock.now())

    def _failure_of(self, error: BaseException) -> Failure:
        self._escape.note(error)
        return failure_of(error)


class InlineLoop(LoopExecutor):
    """Async bodies on a loop that uses the run's clock and runs only during ``step``."""

    def __init__(self, *, failures: Failures, escape: Escape, **options: Any) -> None:
        self._failures = failures
        self._escape = escape
        self._began = self._took = 0.0
        super().__init__(**options)

    def _begin(self) -> None:
        self._loop = self._virtual = VirtualLoop(self._clock.monotonic)

    def step(self) -> None:
        """Let bodies continue as far as they can at the current time."""
        self._began = self._clock.monotonic()
        began = time.monotonic()
        self._run_until_stopped()
        self._took = time.monotonic() - began

    @property
    def next_due(self) -> float:
        """When the next body continues by itself; for bodies that never rest, after the time they have used."""
        rest = self._virtual.seconds_of_rest
        return self._began + (self._took if rest is None else rest)

    @property
    def waits_outside(self) -> bool:
        """Whether a body waits for something that does not use the clock."""
        return self._virtual.seconds_of_rest is not None and self._virtual.waits_outside

    def wait_outside(self, seconds: float) -> float:
        """Wait for that, at most this long; returns the seconds that it took."""
        return self._virtual.wait_outside(seconds)

    def close(self) -> None:
        self.slots.drain()
        self._loop.call_soon(self._stop)
        self._run_to_the_end()

    async def _run(self, job: Job) -> None:
        error = self._failures.of(job)
        if error is None:
            await super()._run(job)
        else:
            self._tasks.pop(id(job), None)
            self._deliver(_failed(job, error, self._clock.now()))
            self.slots.finish(job)
            self._launch()

    def _failure_of(self, error: BaseException) -> Failure:
        self._escape.note(error)
        return failure_of(error)


class InlineCallbacks(Callbacks):
    """Callbacks on the thread that calls ``step``."""

    def __init__(self, *arguments: Any, escape: Escape) -> None:
        super().__init__(*arguments)
        self._escape = escape

    def _rouse(self) -> None:
        """Does nothing: there is no thread to wake."""

    def step(self) -> bool:
        """Make the next call; false if none is due."""
        try:
            call = self._calls.get_nowait()
        except queue.Empty:
            return False
        if call is not None:
            ContextVariables().run(self._make, call)
        return True

    def _call(self, call: Call) -> None:
        try:
            super()._call(call)
        except BaseException as error:
            self._escape.note(error)
            raise


def _failed(job: Job, error: BaseException, now: float) -> Outcome:
    return Outcome(job, None, failure_of(error), now)
