"""When a cron expression fires in a time zone; pure.

``cronsim`` finds the local times that match an expression. Which instants these are, around clock changes, is decided
here by the rule of Debian's cron (``man 8 cron``, "DAYLIGHT SAVING TIME"):

- If the minute or the hour field starts with ``*``, the schedule follows elapsed time. It fires at each instant whose
  local time matches: twice if a local hour occurs twice, and not at all in an hour that is skipped.
- Any other schedule fires once for each matching local time: at the end of the gap if a clock change skips it, and at
  its first occurrence if it occurs twice. Times in the same gap fire together, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from cloaca.errors import ScheduleError
from cloaca.model.shown import shown

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LONGEST_EXPRESSION = 255

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
"""No zone has changed its offset twice within a day since 1970, so checking once a day finds every change."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a local time of any zone
_FIELDS = "minute hour day-of-month month day-of-week, with seconds first where there are six"
_RANGES = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, or L for the last day, in a month that has it",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT, 0 and 7 are Sunday",
}


class Cron:
    """A cron expression in a time zone.

    Args:
        expression: Five fields, or six with seconds first; names such as ``MON-FRI`` and ``JAN``; aliases such as
            ``@daily``. Sunday is 0 and 7.
        timezone: A name in the IANA database, such as ``Europe/Berlin``.

    Raises:
        ScheduleError: The expression is not valid or never matches, or there is no such time zone.

    Example:
        >>> Cron("30 2 * * *", "Europe/Berlin").after(datetime(2026, 3, 29, tzinfo=UTC)).isoformat()
        '2026-03-29T01:00:00+00:00'
    """

    __slots__ = ("_fields", "_follows_elapsed_time", "expression", "timezone", "zone")

    def __init__(self, expression: str, timezone: str) -> None:
        self.expression, self.timezone = expression, timezone
        self.zone = zone_of(timezone)
        self._fields = fields_of(expression)
        minute, hour = self._fields.split()[-5:-3]
        self._follows_elapsed_time = minute.startswith("*") or hour.startswith("*")

    def after(self, instant: datetime) -> datetime | None:
        """The first time after this instant, UTC; ``None`` if there is none before the calendar ends."""
        try:
            return self._elapsed(instant) if self._follows_elapsed_time else self._nominal(instant)
        except OverflowError:
            return None

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """All times from the start to the end, both inclusive."""
        found = self.after(start - SECOND)
        while found is not None and found <= end:
            if found >= start:
                yield found
            found = self.after(found)

    def last(self, start: datetime, end: datetime, *, most: int) -> tuple[list[datetime], bool]:
        """The last ``most`` times from the start to the end, and whether there are more before them.

        The cost grows with the number requested, not with the length of the period.
        """
        span = timedelta(minutes=1)
        while True:
            since = max(start, end - span) if end - start > span else start
            found = list(self.between(since, end))
            if since == start or len(found) > most:
                return (found[-most:] if most else []), len(found) > most
            span *= 4

    def changes(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, timedelta]]:
        """Clock changes of the zone after the start, up to the end: when, and by how much."""
        while (change := self._change(start, end)) is not None:
            yield change, self._offset(change) - self._offset(change - SECOND)
            start = change

    def local(self, instant: datetime) -> datetime:
        """The local time of an instant."""
        return instant.astimezone(self.zone)

    def matches(self, local: datetime) -> bool:
        """Whether the expression matches this local time."""
        naive = local.replace(tzinfo=None, fold=0)
        return next(self._matching(naive - SECOND), None) == naive

    # -- the rule --------------------------------------------------------------------------------------------------

    def _elapsed(self, instant: datetime) -> datetime | None:
        start = instant.replace(microsecond=0) + SECOND
        while True:
            offset = self._offset(start)
            matching = next(self._matching(_naive(start) + offset - SECOND), None)
            if matching is None:
                return None
            found = (matching - offset).replace(tzinfo=UTC)
            change = self._change(start, found)
            if change is None:
                return found
            start = change

    def _nominal(self, instant: datetime) -> datetime | None:
        local = self.local(instant).replace(tzinfo=None, microsecond=0)
        return next((f for f in map(self._first, self._matching(local)) if f > instant), None)

    def _first(self, local: datetime) -> datetime:
        """The first instant with this local time, or the end of the gap that contains it."""
        found = local.replace(tzinfo=self.zone).astimezone(UTC)
        if self.local(found).replace(tzinfo=None) == local:
            return found
        before = local.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        return self._change(before, found) or found

    def _matching(self, local: datetime) -> Iterator[datetime]:
        """Local times after this one that match the expression."""
        from cronsim import CronSim  # noqa: PLC0415 - needed only with schedules

        return CronSim(self._fields, local)

    def _offset(self, instant: datetime) -> timedelta:
        return self.local(instant).utcoffset() or timedelta(0)

    def _change(self, start: datetime, end: datetime) -> datetime | None:
        """The first instant after the start, up to the end, at which the offset changes."""
        offset, low = self._offset(start), start
        while low < end:
            high = min(low + DAY, end)
            if self._offset(high) != offset:
                return self._halved(low, high, offset)
            low = high
        return None

    def _halved(self, low: datetime, high: datetime, offset: timedelta) -> datetime:
        while high - low > SECOND:
            middle = low + (high - low) // 2
            middle = middle.replace(microsecond=0)
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high


@lru_cache(maxsize=256)
def fields_of(expression: str) -> str:
    """The fields of an expression, with aliases replaced.

    Raises:
        ScheduleError: It is not valid, or no day ever matches it.
    """
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - needed only with schedules

    if not issubclass(type(expression), str):
        raise ScheduleError(f"{_invalid(expression)} it must be a str, such as '0 9 * * MON-FRI'")
    if len(expression) > LONGEST_EXPRESSION or not expression.isascii():
        raise ScheduleError(
            f"{_invalid(expression)} it has at most {LONGEST_EXPRESSION} characters, of ASCII: {_FIELDS}"
        )
    fields = ALIASES.get(expression.strip().lower(), expression)
    if len(fields.split()) not in (5, 6):
        raise ScheduleError(f"{_invalid(expression)} {_why_not_fields(fields)}")
    try:
        next(CronSim(fields, _EPOCH))
    except (CronSimError, ValueError) as error:
        raise ScheduleError(f"{_invalid(expression)} {_reason(error, fields.split())}") from error
    except (StopIteration, OverflowError):
        raise ScheduleError(
            f"{_invalid(expression)} no day ever matches it: choose a date that exists"
        ) from None
    return fields


def _invalid(expression: object) -> str:
    return f"Invalid cron expression {shown(expression)}:"


def _why_not_fields(fields: str) -> str:
    if fields.strip().startswith("@"):
        return f"there are {', '.join(ALIASES)}"
    return f"it has {len(fields.split())} fields, but needs 5 or 6: {_FIELDS}"


def _reason(error: Exception, fields: list[str]) -> str:
    name = str(error).removeprefix("Bad ")
    if name not in _RANGES:
        return f"it is invalid: {_FIELDS}"
    field = fields[list(_RANGES).index(name) - (len(_RANGES) - len(fields))]
    return f"its {name} field {shown(field)} is invalid: it takes {_RANGES[name]}; ranges must ascend, and steps must be at least 1"


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The time zone with this name.

    Raises:
        ScheduleError: There is none.
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - needed only with schedules

    if not issubclass(type(name), str):
        raise ScheduleError(
            f"Invalid timezone {shown(name)}: it must be a str, such as 'Europe/Berlin' or 'UTC'"
        )
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ScheduleError(f"Invalid timezone {shown(name)}: {_nearest_zone(name)}") from error


def _nearest_zone(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - needed only for an error
    from zoneinfo import available_timezones  # noqa: PLC0415 - as above

    zones = {zone.lower(): zone for zone in available_timezones()}
    close = get_close_matches(name[:255].lower(), list(zones), n=1)
    return f"did you mean {zones[close[0]]!r}?" if close else "give a name such as 'Europe/Berlin' or 'UTC'"


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
