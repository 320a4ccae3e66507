"""A clock that is moved by hand."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from cloaca.errors import ConfigurationError
from cloaca.executors.current import current_attempt, in_callback
from cloaca.model.shown import shown

DAY_ONE = datetime(2024, 1, 1, tzinfo=UTC)
"""A Monday, at midnight."""

FIRST_MOMENT = 1000.0
"""The start of the monotonic clock; 0 would look like no time at all."""


class Driven(Protocol):
    """A runner that uses the clock."""

    def look_around(self) -> None:
        """See what a ``Client`` has started or steered."""

    def settle(self) -> float:
        """Return once nothing more happens at the current time; returns when something is due next."""


class _Sleeper:
    """A waiter for the clock, on behalf of ``bodies`` task bodies."""

    __slots__ = ("bodies", "due", "is_up", "thread", "wake", "was_woken")

    def __init__(
        self, due: float, *, wake: Callable[[], object], is_up: Callable[[], bool], bodies: int
    ) -> None:
        self.due = due
        self.wake = wake
        self.is_up = is_up
        self.bodies = bodies
        self.thread = threading.current_thread()
        self.was_woken = False

    @property
    def is_up_now(self) -> bool:
        return self.was_woken or self.is_up()


class Clock:
    """A clock that stands still until it is moved.

    Args:
        start: The initial time, with a time zone; by default midnight of Monday, 1 January 2024, UTC.

    Raises:
        ConfigurationError: ``start`` is not a ``datetime``, or has no time zone.

    Example:
        >>> clock = Clock()
        >>> clock.move(3600)
        >>> clock.time
        datetime.datetime(2024, 1, 1, 1, 0, tzinfo=datetime.timezone.utc)
    """

    def __init__(self, start: datetime = DAY_ONE) -> None:
        if not isinstance(start, datetime) or start.tzinfo is None:
            raise ConfigurationError(
                f"start={shown(start)} must be a datetime with a time zone: write datetime(2024, 1, 1, tzinfo=UTC)"
            )
        self._start = start.timestamp()
        self._moment = FIRST_MOMENT
        self._lock = threading.Lock()
        self._sleepers: list[_Sleeper] = []
        self._awake: set[threading.Thread] = set()
        """Threads, other than bodies, that the clock has woken and that are not waiting for it again yet."""
        self._driven: list[Driven] = []

    def now(self) -> float:
        """Wall-clock time in seconds since 1970, UTC."""
        return self._start + (self._moment - FIRST_MOMENT)

    @property
    def time(self) -> datetime:
        """Wall-clock time, UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def monotonic(self) -> float:
        """Monotonic seconds."""
        return self._moment

    def move(self, seconds: float) -> None:
        """Move the clock forward.

        Runners that use this clock do everything that falls due on the way, at its time and in order: retries, timeouts,
        schedules, polls and what follows from them, including what a ``Client`` has started or steered before. Whatever runs has
        ended, or waits for the clock itself, before the clock moves and before this returns.

        If this is called in a body, the body takes that much time, and may time out.

        Raises:
            ConfigurationError: It is not a number of seconds from 0.
            RunnerError: A body has not ended within 30 seconds of real time.
        """
        target = self._moment + _checked(seconds)
        if current_attempt.get() is not None or in_callback.get() is not None:
            self._set(target)
            return
        for driven in list(self._driven):
            driven.look_around()
        while (due := self._settled()) <= target:
            self._set(due)
        self._set(target)
        self._settled()

    def _settled(self) -> float:
        """Wait until no runner has anything to do at the current time; returns when something is due next."""
        due = math.inf
        for driven in list(self._driven):
            due = min(due, driven.settle())
        with self._lock:
            return min([due, *(sleeper.due for sleeper in self._sleepers)])

    def _set(self, moment: float) -> None:
        with self._lock:
            self._moment = max(self._moment, moment)
            for sleeper in self._sleepers:
                if sleeper.due <= self._moment and not sleeper.was_woken:
                    sleeper.was_woken = True
                    sleeper.wake()

    def wait(self, event: threading.Event, seconds: float, /) -> object:
        """Return once the event is set, or the clock was moved by this many seconds."""
        is_body = current_attempt.get() is not None
        with self.sleeper(seconds, wake=event.set, is_up=event.is_set, bodies=int(is_body)) as sleeper:
            event.wait()
        if sleeper.was_woken:
            event.clear()
        return None

    # -- for the runners that use it -------------------------------------------------------------------------------

    def drive(self, driven: Driven) -> Callable[[], None]:
        """Make a runner use this clock, until the returned function is called."""
        self._driven.append(driven)
        return lambda: self._driven.remove(driven)

    @contextmanager
    def sleeper(
        self, seconds: float, *, wake: Callable[[], object], is_up: Callable[[], bool], bodies: int
    ) -> Iterator[_Sleeper]:
        """The block waits until it is woken by the clock, or by something else, as ``is_up`` tells."""
        with self._lock:
            sleeper = _Sleeper(self._moment + seconds, wake=wake, is_up=is_up, bodies=bodies)
            self._awake.discard(sleeper.thread)
            self._sleepers.append(sleeper)
        try:
            yield sleeper
        finally:
            with self._lock:
                self._sleepers.remove(sleeper)
                if not bodies:
                    self._awake.add(sleeper.thread)

    def is_asleep(self, thread: threading.Thread) -> bool:
        """Whether a thread waits for the clock and is not about to continue."""
        with self._lock:
            return any(sleeper.thread is thread and not sleeper.is_up_now for sleeper in self._sleepers)

    def asleep(self) -> int | None:
        """How many bodies wait for the clock; ``None`` while another thread that it has woken is not waiting again yet."""
        with self._lock:
            up = [sleeper for sleeper in self._sleepers if sleeper.is_up_now]
            if any(not sleeper.bodies for sleeper in up) or any(thread.is_alive() for thread in self._awake):
                return None
            return sum(sleeper.bodies for sleeper in self._sleepers if sleeper not in up)


def _checked(seconds: Any) -> float:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds < math.inf:
        raise ConfigurationError(f"seconds={shown(seconds)} must be a number from 0: time does not go back")
    return float(seconds)
