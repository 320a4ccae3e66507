"""What to do about the scheduled times of a schedule that have passed: which fire now, and which is due next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from cloaca.model.cron import SECOND, Cron

MICROSECOND = timedelta(microseconds=1)
LATE_SECONDS = 60.0
"""A time that fires within a minute is late. After that it counts as missed, and the policy decides."""


class CatchUp(StrEnum):
    """What to do about scheduled times that were missed because no runner was running.

    ``SKIP`` skips them, ``LATEST`` fires the latest one, ``ALL`` fires all of them up to a limit.
    """

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class Due(NamedTuple):
    """The times to fire, in order, and the next one due. ``is_cut``: the limit has left some out."""

    instants: list[float]
    next: float | None
    is_cut: bool


def due(cron: Cron, *, since: float, now: float, policy: CatchUp, most: int) -> Due:
    """Decide about the scheduled times from ``since``, which is one of them, to ``now``; both inclusive, in seconds.

    Late times fire. Of the missed ones at most ``most`` fire, the latest. The cost does not grow with the time that has
    passed, so a clock that is moved by years does not cause a storm.
    """
    start, end = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(now, UTC)
    following = cron.after(start)
    if now - since <= LATE_SECONDS and (following is None or following > end):
        # Only the time that was waited for has passed: the usual case.
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
    """The first scheduled time at or after now."""
    return _seconds(cron.after(datetime.fromtimestamp(now, UTC) - SECOND))


def first_after(cron: Cron, now: float) -> float | None:
    """The first scheduled time after now."""
    return _seconds(cron.after(datetime.fromtimestamp(now, UTC)))


def _seconds(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()
