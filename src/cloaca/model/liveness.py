"""Whether another runner lives, judged by what a watcher has seen of it; pure.

A runner proves that it lives by its turn, which grows, and by a lock that its process holds. No wall clock is compared:
the watcher measures on its own monotonic clock for how long it has seen nothing move, and does not count time in which
it could not write itself, for then perhaps nobody could.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

SECONDS_BETWEEN_PROOFS = 1.5
"""More than lies between two looks of a runner: one that has lost its connection has taken its lock again by then."""


class Seen(NamedTuple):
    """A runner at one look. ``holds_lock`` is ``None`` where its lock would prove nothing."""

    runner: str
    turn: int
    holds_lock: bool | None


class Verdict(Enum):
    """What a watcher makes of a runner."""

    ALIVE = "alive"
    CRASHED = "crashed"
    """Its process has ended, and is proven to have."""
    SILENT = "silent"
    """It has not moved for its lease: it may be stopped, or cut off, and may come back."""


class _Watched:
    __slots__ = ("free_looks", "last_free", "silent_seconds", "turn")

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.silent_seconds = 0.0
        self.free_looks = 0
        self.last_free = 0.0


class Liveness:
    """What one watcher knows of the others.

    Args:
        lease_seconds: For how long a runner may not move.
        looks: How many looks, ``SECONDS_BETWEEN_PROOFS`` apart, must find its lock free and its turn unmoved to prove its death.
        longest_step: The most seconds that one look may add: a watcher that was stopped itself has seen nothing.
    """

    def __init__(self, *, lease_seconds: float, looks: int, longest_step: float) -> None:
        self._lease_seconds = lease_seconds
        self._looks = looks
        self._longest_step = longest_step
        self._watched: dict[str, _Watched] = {}
        self._last_look: float | None = None

    def look(self, seen: Iterable[Seen], *, now: float, could_write: bool) -> dict[str, Verdict]:
        """Judge every runner that is there.

        Args:
            now: Monotonic seconds.
            could_write: Whether the watcher has committed something lately.
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
        """Whether one more look would prove a death."""
        return any(watched.free_looks for watched in self._watched.values())
