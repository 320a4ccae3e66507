"""The part of a schedule store that is the same in every dialect: named statements with the same parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from cloaca.store.schedules import FiredRow, ScheduleRow


class ScheduleTable(ABC):
    """Part of a ``ScheduleStore``; see there for what each method promises."""

    def add(self, row: ScheduleRow) -> bool:
        return self._changed("add_schedule", row)

    def declare(self, row: ScheduleRow) -> None:
        self._changed("declare_schedule", row)

    def find(self, schedule: str) -> ScheduleRow | None:
        return next(iter(self._schedules("find_schedule", (schedule,))), None)

    def find_declared(self, name: str) -> ScheduleRow | None:
        return next(iter(self._schedules("find_declared", (name,))), None)

    def list_cron(self, *, enabled_only: bool, limit: int, offset: int) -> list[ScheduleRow]:
        return self._schedules("list_cron_schedules", (enabled_only, limit, offset))

    def list_triggers(self, *, enabled_only: bool, limit: int, offset: int) -> list[ScheduleRow]:
        return self._schedules("list_triggers", (enabled_only, limit, offset))

    def remove(self, schedule: str) -> bool:
        return self._changed("remove_schedule", (schedule,))

    def fires(self, schedule: str, *, limit: int, offset: int) -> list[FiredRow]:
        return [FiredRow(*row) for row in self._fetch("list_fires", (schedule, limit, offset))]

    def count_fires(self, since: float) -> tuple[int, int, int]:
        every, completed, lost = self._fetch("count_fires", (since,))[0]
        return every, completed, lost

    def any(self) -> bool:
        return bool(self._fetch("any_schedule"))

    def any_ahead(self, until: float) -> bool:
        return bool(self._fetch("any_ahead", (until,))[0][0])

    def release_triggers(self, runner: str) -> None:
        self._changed("release_triggers", (runner,))

    def _schedules(self, name: str, parameters: Sequence[Any]) -> list[ScheduleRow]:
        return list(map(self._schedule, self._fetch(name, parameters)))

    @staticmethod
    def _schedule(row: Sequence[Any]) -> ScheduleRow:
        """A schedule, given its row."""
        return ScheduleRow(*row)

    @abstractmethod
    def _fetch(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The rows of a statement."""

    @abstractmethod
    def _changed(self, name: str, parameters: Sequence[Any]) -> bool:
        """Execute a statement in its own transaction; whether it has changed a row."""
