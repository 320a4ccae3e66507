"""Event loops with another clock: a sleep of an hour takes no time if nothing else happens."""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context as ContextVariables
from typing import Any, TypeVar, TypeVarTuple

from cloaca.testing.clock import Clock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BUSY_ROUNDS = 100
"""How many rounds a loop may run without a rest before others get their turn."""


class _Selector(selectors.DefaultSelector):
    """A selector that, instead of waiting, asks its loop what to do.

    Args:
        rest: Called with the seconds for which the loop would wait.
        busy: Called in every other round.
    """

    def __init__(self, rest: Callable[[float], object], *, busy: Callable[[], object]) -> None:
        super().__init__()
        self._rest = rest
        self._busy = busy

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            self._busy()
            return events
        self._rest(math.inf if timeout is None else timeout)
        return super().select(0)

    def wait(self, seconds: float) -> None:
        super().select(None if seconds == math.inf else seconds)


class _OtherTime(asyncio.SelectorEventLoop):
    """A loop that knows whether what it waits for uses its clock."""

    def __init__(self, moment: Callable[[], float], waits: _Selector) -> None:
        self._moment = moment
        self._calls_outside = 0
        self._waits = waits
        super().__init__(waits)

    def time(self) -> float:
        """The loop's time, according to its clock."""
        return self._moment()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As usual, but time is real until the function has returned."""
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        self._calls_outside += 1
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _: object) -> None:
        self._calls_outside -= 1

    @property
    def waits_outside(self) -> bool:
        """Whether it waits for a thread, a process or a socket, which use real time."""
        wakes_itself = 1
        return self._calls_outside > 0 or len(self._waits.get_map()) > wakes_itself


class VirtualLoop(_OtherTime):
    """A loop that ``run_forever`` runs until it would wait.

    Args:
        moment: Returns the seconds of its clock.
    """

    def __init__(self, moment: Callable[[], float]) -> None:
        self.seconds_of_rest: float | None = None
        """How long it would wait now; ``None`` if it was stopped while it had something to do."""
        self._rounds = 0
        super().__init__(moment, _Selector(self._rest, busy=self._go_on))

    def run_forever(self) -> None:
        """Run until there is nothing to do at the current time, or for a hundred rounds."""
        self.seconds_of_rest, self._rounds = None, 0
        super().run_forever()

    def _rest(self, seconds: float) -> None:
        self.seconds_of_rest = seconds
        self.stop()

    def _go_on(self) -> None:
        self._rounds += 1
        if self._rounds >= BUSY_ROUNDS:
            self.stop()

    @contextmanager
    def by_real_time(self) -> Iterator[None]:
        """Time is real inside the block, which waits for work of a runner that does not use this clock."""
        self._calls_outside += 1
        try:
            yield
        finally:
            self._calls_outside -= 1

    def wait_outside(self, seconds: float) -> float:
        """Wait at most this long for something external; returns the seconds that it took."""
        began = time.monotonic()
        self._waits.wait(seconds)
        return time.monotonic() - began


class ClockedLoop(_OtherTime):
    """A loop on its own thread that waits for a clock, and sleeps on that clock meanwhile.

    Args:
        bodies: Returns how many bodies it runs.
    """

    def __init__(self, clock: Clock, bodies: Callable[[], int]) -> None:
        self._clock = clock
        self._bodies = bodies
        self._counting = threading.Lock()
        self._coming = 0
        """The number of calls from other threads that have not arrived yet."""
        super().__init__(clock.monotonic, _Selector(self._rest, busy=_nothing))

    def _rest(self, seconds: float) -> None:
        bodies = 0 if self.waits_outside else self._bodies()
        with self._clock.sleeper(seconds, wake=self._wake, is_up=lambda: self._coming > 0, bodies=bodies):
            self._waits.wait(math.inf)

    def _wake(self) -> None:
        self.call_soon_threadsafe(_nothing)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: ContextVariables | None = None
    ) -> asyncio.Handle:
        """As usual, but the loop does not count as asleep until the function is called."""
        with self._counting:
            self._coming += 1
        return super().call_soon_threadsafe(self._arrive, callback, args, context=context)

    def _arrive(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        with self._counting:
            self._coming -= 1
        callback(*args)


def _nothing() -> None:
    """Does nothing: the loop only has to wake up."""
