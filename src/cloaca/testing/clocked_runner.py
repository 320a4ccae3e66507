"""A runner whose clock is moved by hand."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import sys
import time
from collections.abc import Callable
from typing import cast

from cloaca.clock import Clock as AnyClock
from cloaca.engine.events import AfterTurn
from cloaca.errors import RunnerError
from cloaca.executors.loop import LoopExecutor
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.runner.runner import DefaultRunner
from cloaca.runner.waiting import Signal
from cloaca.testing.clock import Clock
from cloaca.testing.event_loop import ClockedLoop

LONGEST_REAL_SECONDS = 30.0
"""How long the clock waits, in real time, for running bodies to end."""

LOOK_SECONDS = 0.0002


class ClockedBodies(LoopExecutor):
    """Async bodies whose sleeps and timeouts use the clock."""

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        assert isinstance(self._clock, Clock)  # noqa: S101 - ClockedRunner passes one
        return ClockedLoop(self._clock, lambda: len(self._tasks))


class ClockedRunner(DefaultRunner):
    """A ``DefaultRunner`` whose retries, timeouts and polls fall due when its clock is moved.

    Bodies run on threads as usual, and start without waiting for the clock. It cannot share its database with other
    runners, which would declare a runner dead whose clock stands still.
    """

    def __init__(self, database_url: str, config: DefaultRunnerConfig | None = None, *, clock: Clock) -> None:
        self._clock = clock
        settings = copy.copy(config or DefaultRunnerConfig())
        # No other process changes the schedules.
        settings.cron_poll_interval_seconds = sys.float_info.max
        super().__init__(database_url, settings)
        self._leave_clock = clock.drive(self)

    def _make_clock(self) -> AnyClock:
        return self._clock

    def _now(self) -> float:
        return self._clock.now()

    def _spawn_poll(self, poll: Callable[[], None], name: str) -> None:  # noqa: ARG002 - there is no thread to name
        """Poll at once, on this thread: otherwise the poll might still run when nothing seems to."""
        poll()

    def _loop_executor(self) -> type[LoopExecutor]:
        return ClockedBodies

    def _end(self, timeout: float) -> None:
        self._leave_clock()
        # The engine would wait for the clock, which nobody moves any more. Bodies that run longer are abandoned.
        with contextlib.suppress(RunnerError):
            self.settle(timeout)
        super()._end(0.0)

    def look_around(self) -> None:
        """See what a ``Client`` has started or steered; moving the clock skips the regular patrols."""
        looks = Signal()

        def look_in_the_next_turn() -> None:
            self._engine.ownership.due = self._clock.monotonic()
            looks.set(True)

        self._inbox.put(AfterTurn(look_in_the_next_turn))
        while not looks.wait(0.05) and self._engine.ended is None:
            pass

    def settle(self, seconds: float = LONGEST_REAL_SECONDS) -> float:
        """Return once nothing more happens at the current time; returns when something is due next.

        Args:
            seconds: The longest time to wait, in real time.

        Raises:
            RunnerError: A body has not ended by then, or the runner has stopped.
        """
        give_up = time.monotonic() + seconds
        while (due := self._looked(give_up)) is None:
            if time.monotonic() >= give_up:
                raise RunnerError(self._who_runs(seconds))
            time.sleep(LOOK_SECONDS)
        return due

    def _looked(self, give_up: float) -> float | None:
        """When something is due; ``None`` if something happens now, or if it cannot be determined in time."""
        answered = Signal()
        self._inbox.put(AfterTurn(lambda: answered.set(self._due())))
        while (due := cast("float | None", answered.wait(0.05))) is None and time.monotonic() < give_up:
            if self._engine.ended is not None:
                raise RunnerError(f"the runner has stopped: {self._engine.ended}") from self._engine.ended
        return due if due is not None and due > self._clock.monotonic() else None

    def _due(self) -> float:
        """Between two turns: when there is something to do, which is now if something is happening."""
        core, engine = self._engine.core, self._engine
        if self._is_busy():
            return self._clock.monotonic()
        # Without patrols and heartbeats: there are no other runners.
        return min(core.timers.next_due, engine.watchdog.due, engine.suspects.due)

    def _is_busy(self) -> bool:
        """Whether something is happening although the clock stands still."""
        core = self._engine.core
        # In the order in which a body progresses: it waits, runs, and has an outcome, which is then in the inbox.
        return (
            self._is_scheduling()
            or core.executors.waiting
            or self._somebody_runs()
            or not core.executors.delivered
            or not core.callbacks.idle
            or bool(core.set_aside)
            or not core.inbox.empty()
        )

    def _is_scheduling(self) -> bool:
        thread = self._scheduling.thread
        return thread is not None and not self._clock.is_asleep(thread)

    def _somebody_runs(self) -> bool:
        core, asleep = self._engine.core, self._clock.asleep()
        bodies = core.executors.running()
        # A caller that waits for an execution started by a body wakes up once that has ended.
        nested = min(sum(job.waits for job in bodies), core.completions.waiting)
        return asleep is None or len(bodies) > asleep + nested

    def _who_runs(self, seconds: float) -> str:
        names = ", ".join(sorted({repr(job.task.id) for job in self._engine.core.executors.running()}))
        return (
            f"the clock cannot move: after {seconds:g} s of real time {names or 'something'} still runs. "
            "Let a body wait by handle.defer_until(...), which goes by the clock, or move the clock inside the body"
        )
