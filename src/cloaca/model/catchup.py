"""What becomes of the instants of a schedule that have passed: those fired now, and when it is due next."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from cloaca.model.cron import SECOND, Cron

LATE_SECONDS = 60.0
"""An instant that is fired within a minute is late; after that it was missed, and the policy decides."""


class CatchUp(StrEnum):
    """What becomes of instants that were missed because nobody was there to fire them.

    ``SKIP`` leaves them out, ``LATEST`` fires the latest of them, ``ALL`` fires all of them up to a bound.
    """

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class Due(NamedTuple):
    """The instants to fire, in order, and the one that is due next; ``is_cut`` if the bound has left some out."""

    instants: list[float]
    next: float | None
    is_cut: bool


def due(cron: Cron, *, since: float, now: float, policy: CatchUp, most: int) -> Due:
    """Decide on the instants from ``since``, which is one, to ``now``, both included and in seconds.

    Whatever the policy, no more than ``most`` are fired at once, the latest, and what this costs does not grow with the
    time that has passed: a clock that was moved by years causes no storm.
    """
    start, end = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(now, UTC)
    following = cron.after(start)
    if following is None or following > end:
        # The instant that was waited for, and no other: what happens to most schedules most of the time.
        is_fired = most > 0 and (policy is not CatchUp.SKIP or now - since <= LATE_SECONDS)
        return Due([since] if is_fired else [], _seconds(following), is_cut=False)
    begun = start if policy is CatchUp.ALL else datetime.fromtimestamp(max(since, now - LATE_SECONDS), UTC)
    fired, is_cut = cron.last(begun, end, most=most)
    if not fired and policy is CatchUp.LATEST:
        fired, _ = cron.last(start, end, most=min(1, most))
    return Due([instant.timestamp() for instant in fired], _seconds(cron.after(end)), is_cut)


def first_from(cron: Cron, now: float) -> float | None:
    """The first instant from now on."""
    return _seconds(cron.after(datetime.fromtimestamp(now, UTC) - SECOND))


def first_after(cron: Cron, now: float) -> float | None:
    """The first instant that is still to come."""
    return _seconds(cron.after(datetime.fromtimestamp(now, UTC)))


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()
