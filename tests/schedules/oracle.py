"""When cron expressions fire, found by walking every minute around every change of a zone's clocks.

Nothing here knows how the library finds it. ``python -m tests.schedules.oracle`` walks all zones.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from cloaca.model.cron import Cron

TELLING = (
    "America/New_York", "Europe/Berlin", "Europe/London", "Australia/Lord_Howe", "Africa/Casablanca",
    "America/Sao_Paulo", "Asia/Kolkata", "UTC",
)  # fmt: skip
EXPRESSIONS = (
    "*/5 * * * *", "0 * * * *", "30 2 * * *", "0,30 1,2 * * *", "15 0-3 * * *", "0 */2 * * *", "*/20 1 * * *",
    "0 0 * * *", "10 2 * * 0", "59 1 28-31 * *", "7 3 * 3,4,10,11 *", "1-59/7 2 * * *",
)  # fmt: skip
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


@dataclass(frozen=True)
class Minute:
    """A minute of a zone, and the local times that its clocks left out just before it."""

    instant: datetime
    local: datetime
    is_second: bool
    left_out: tuple[datetime, ...]


def windows(zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Four hours before and after each change, and the same around an instant of each year for zones without any."""
    changes = [hour for hour in _hours(zone) if hour.astimezone(zone).utcoffset() != _before(hour, zone)]
    for around in changes or [datetime(year, 6, 1, tzinfo=UTC) for year in range(2020, 2038)]:
        yield around - 4 * HOUR, around + 4 * HOUR


def _hours(zone: ZoneInfo) -> Iterator[datetime]:
    """Each hour after a change, found in steps of six hours."""
    instant, step = FIRST, 6 * HOUR
    while instant < LAST:
        if instant.astimezone(zone).utcoffset() != (instant + step).astimezone(zone).utcoffset():
            yield from (instant + number * HOUR for number in range(1, 7))
        instant += step


def _before(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    return (instant - HOUR).astimezone(zone).utcoffset()


def minutes(zone: ZoneInfo, start: datetime, end: datetime) -> list[Minute]:
    found, before = [], (start - MINUTE).astimezone(zone).replace(tzinfo=None)
    while start <= end:
        shown = start.astimezone(zone)
        local = shown.replace(tzinfo=None)
        skipped = int((local - before) / MINUTE) - 1
        left_out = tuple(before + number * MINUTE for number in range(1, skipped + 1))
        found.append(Minute(start, local.replace(fold=0), bool(shown.fold), left_out))
        start, before = start + MINUTE, local.replace(fold=0)
    return found


class Matcher:
    """What local times an expression means; of day and weekday one is always ``*`` here."""

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        self.follows_elapsed_time = fields[0].startswith("*") or fields[1].startswith("*")
        self._minutes, self._hours, self._days, self._months, self._weekdays = (
            _values(field, *limits) for field, limits in zip(fields, LIMITS, strict=True)
        )

    def matches(self, local: datetime) -> bool:
        return (
            local.minute in self._minutes and local.hour in self._hours and local.day in self._days
            and local.month in self._months and local.isoweekday() % 7 in self._weekdays
        )  # fmt: skip

    def fires(self, minute: Minute) -> bool:
        if self.follows_elapsed_time:
            return self.matches(minute.local)
        is_first = not minute.is_second and self.matches(minute.local)
        return is_first or any(map(self.matches, minute.left_out))


def _values(field: str, least: int, most: int) -> set[int]:
    values: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{least}-{most}" if span == "*" else span).partition("-")
        values.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return values


def disagreements(name: str) -> list[str]:
    """What the library finds otherwise than by walking, over all changes of a zone from 2020 to 2037."""
    zone, found = ZoneInfo(name), []
    crons = [(Cron(expression, name), Matcher(expression)) for expression in EXPRESSIONS]
    for start, end in windows(zone):
        walked = minutes(zone, start, end)
        for cron, matcher in crons:
            expected = [minute.instant for minute in walked if matcher.fires(minute)]
            fired = list(cron.between(start, end))
            if fired != expected:
                found.append(f"{name} {cron.expression} from {start}: {fired}, and not {expected}")
    return found


def main() -> int:
    """Walk all zones."""
    began, found, zones = time.monotonic(), 0, sorted(available_timezones())
    for name in zones:
        for line in disagreements(name):
            print(line)  # noqa: T201 - it is a command
            found += 1
    print(f"{len(zones)} zones, {found} disagreements, {time.monotonic() - began:.0f} s")  # noqa: T201 - as above
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
