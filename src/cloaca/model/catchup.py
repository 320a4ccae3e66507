"""What becomes of the instants of a schedule that have passed: those fired now, and when it is due next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from cloaca.model.cron import SECOND, Cron

MICROSECOND = timedelta(microseconds=1)
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

    Those that are late fire. Of those that were missed no more than ``most`` do, the latest, and what this costs does not
    grow with the time that has passed: a clock that was moved by years causes no storm.
    """
    start, end = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(now, UTC)
    following = cron.after(start)
    if now - since <= LATE_SECONDS and (following is None or following > end):
        # The instant that was waited for, and no other: what happens to most schedules most of the time.
        return Due([since], _seconds(following), is_cut=False)
    on_time = max(start, datetime.fromtimestamp(now - LATE_SECONDS, UTC))
    late = list(cron.between(on_time, end))
    missed: list[datetime] = []
    is_cut = False
    if policy is CatchUp.ALL:
        missed, is_cut = cron.last(start, on_time - MICROSECOND, most=most)
    elif policy is CatchUp.LATEST and not late:
        missed, _ = cron.last(start, on_time - MICROSECOND, most=min(1, most))
    fired = [instant.timestamp() for instant in missed + late]
    return Due(fired, _seconds(cron.after(end)), is_cut)


def first_from(cron: Cron, now: float) -> float | None:
    """The first instant from now on."""
    return _seconds(cron.after(datetime.fromtimestamp(now, UTC) - SECOND))


def first_after(cron: Cron, now: float) -> float | None:
    """The first instant that is still to come."""
    return _seconds(cron.after(datetime.fromtimestamp(now, UTC)))


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()
