"""Whether another runner is alive, judged by what a watcher has seen of it; pure.

A runner shows that it is alive by its turn, which grows, and by a lock that its process holds. Wall clocks are not
compared: the watcher measures with its own monotonic clock how long nothing has moved. It does not count times in which
it could not write itself, because then perhaps nobody could.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

SECONDS_BETWEEN_PROOFS = 1.5
"""Longer than the time between two patrols of a runner: one that has lost its connection has its lock again by then."""


class Seen(NamedTuple):
    """What was seen of a runner at one time. ``holds_lock`` is ``None`` if its lock would prove nothing."""

    runner: str
    turn: int
    holds_lock: bool | None


class Verdict(Enum):
    """The judgement on a runner."""

    ALIVE = "alive"
    CRASHED = "crashed"
    """Its process is proven to have ended."""
    SILENT = "silent"
    """It has not moved for the length of its lease. It may be stopped or cut off, and may come back."""


class _Watched:
    __slots__ = ("free_looks", "last_free", "silent_seconds", "turn")

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.silent_seconds = 0.0
        self.free_looks = 0
        self.last_free = 0.0


class Liveness:
    """What one watcher knows about the other runners.

    Args:
        lease_seconds: How long a runner may stand still.
        looks: How many times in a row, ``SECONDS_BETWEEN_PROOFS`` apart, its lock must be free and its turn unchanged to
        prove it dead.
        longest_step: The most seconds that one look may count: a watcher that was itself stopped has seen nothing.
    """

    def __init__(self, *, lease_seconds: float, looks: int, longest_step: float) -> None:
        self._lease_seconds = lease_seconds
        self._looks = looks
        self._longest_step = longest_step
        self._watched: dict[str, _Watched] = {}
        self._last_look: float | None = None

    def look(self, seen: Iterable[Seen], *, now: float, could_write: bool) -> dict[str, Verdict]:
        """Judge every runner that is registered.

        Args:
            now: Monotonic seconds.
            could_write: Whether the watcher has committed something recently.
        """
        step = 0.0 if self._last_look is None else min(now - self._last_look, self._longest_step)
        self._last_look = now
        before, self._watched = self._watched, {}
        verdicts = {}
        for one in seen:
            watched = before.get(one.runner)
            if watched is None or watched.turn != one.turn:
                watched = _Watched(one.turn)
            else:
                watched.silent_seconds += step if could_write else 0.0
            self._watched[one.runner] = watched
            verdicts[one.runner] = self._verdict(one, watched, now)
        return verdicts

    def _verdict(self, one: Seen, watched: _Watched, now: float) -> Verdict:
        if one.holds_lock is not False:
            watched.free_looks = 0
        elif not watched.free_looks or now - watched.last_free >= SECONDS_BETWEEN_PROOFS:
            watched.free_looks, watched.last_free = watched.free_looks + 1, now
        if watched.free_looks >= self._looks:
            return Verdict.CRASHED
        return Verdict.SILENT if watched.silent_seconds >= self._lease_seconds else Verdict.ALIVE

    @property
    def is_suspicious(self) -> bool:
        """Whether one more look would prove a runner dead."""
        return any(watched.free_looks for watched in self._watched.values())
