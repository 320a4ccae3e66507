"""Registering, listing, changing and deleting schedules, for runners and clients alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from cloaca.authoring.names import checked_name, is_str, shown
from cloaca.errors import ScheduleError
from cloaca.model.catchup import CatchUp, first_after
from cloaca.model.cron import Cron
from cloaca.model.values import joined
from cloaca.schedules import dicts
from cloaca.schedules.cron import checked_most, checked_policy
from cloaca.schedules.starts import RESERVED, MakeId
from cloaca.store.schedules import CRON, TRIGGER, ScheduleRow, ScheduleStore

LISTED = 100
_MOST = 2**31 - 1
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Registrations:
    """The schedules of one database.

    Args:
        now: Seconds since 1970.
    """

    def __init__(self, schedules: ScheduleStore, *, now: Callable[[], float], make_id: MakeId) -> None:
        self._schedules = schedules
        self._now = now
        self._make_id = make_id

    # -- by the clock ----------------------------------------------------------------------------------------------

    def add(
        self,
        workflow: str,
        expression: str,
        timezone: str,
        *,
        instance: str | None = None,
        texts: Mapping[str, str] | None = None,
        enabled: bool = True,
        catch_up: Any = CatchUp.SKIP,
        most: Any = None,
    ) -> str:
        """Store a schedule; returns its id.

        Raises:
            ScheduleError: The expression, zone, policy or a context key is not valid, or the instance's name is taken.
            WorkflowValidationError: It is not a valid workflow name.
        """
        now, cron = self._now(), Cron(expression, timezone)
        workflow = checked_name(workflow)
        row = ScheduleRow(
            id=self._make_id(), kind=CRON, name=instance, workflow=workflow, needs=workflow, expression=expression, timezone=timezone,
            catch_up=checked_policy(catch_up).value, most=checked_most(most), poll_interval_ms=None,
            allow_concurrent=True, input=joined(_unreserved(texts or {})), enabled=enabled,
            next_run_at=first_after(cron, now) if enabled else None, reckoned_at=now, last_run_at=None,
            last_poll_at=None, owner=None, created_at=now, updated_at=now,
        )  # fmt: skip
        if not self._schedules.add(row):
            raise ScheduleError(
                f"workflow {shown(workflow)} has an instance {shown(instance)} already: choose another name, or delete "
                "that one first"
            )
        return row.id

    def cron_schedules(self, enabled_only: Any, limit: Any, offset: Any) -> list[dict[str, Any]]:
        """The cron schedules, in the order of registration."""
        limit, offset = _page(limit, offset)
        rows = self._schedules.list_cron(enabled_only=bool(enabled_only), limit=limit, offset=offset)
        return list(map(dicts.cron_schedule, rows))

    def cron_schedule(self, schedule: Any) -> dict[str, Any]:
        """One cron schedule.

        Raises:
            ScheduleError: No schedule has this id.
        """
        return dicts.cron_schedule(self._found(schedule, "get cron schedule"))

    def update(
        self,
        schedule: Any,
        expression: str,
        timezone: str,
        *,
        catch_up: Any = None,
        what: str = "update cron schedule",
    ) -> None:
        """Change the expression and zone of a schedule; times missed under the old ones are skipped.

        Raises:
            ScheduleError: There is no such schedule, code declares it, or the expression or zone is not valid.
        """
        row, now = self._own(schedule, what), self._now()
        changed = row._replace(
            expression=expression, timezone=timezone, reckoned_at=now,
            next_run_at=first_after(Cron(expression, timezone), now),
            catch_up=row.catch_up if catch_up is None else checked_policy(catch_up).value,
        )  # fmt: skip
        if not self._schedules.change(changed):
            raise _missing(schedule, what)

    def enable(self, schedule: Any, enabled: Any) -> None:
        """Enable or disable a schedule; times missed while it is disabled are skipped.

        Raises:
            ScheduleError: There is no such schedule.
        """
        self._enable(self._found(schedule, "update cron schedule"), enabled)

    def _enable(self, row: ScheduleRow, enabled: Any) -> None:
        if type(enabled) is not bool:
            raise ScheduleError(f"enabled={shown(enabled)} must be True or False")
        if enabled == row.enabled:
            return
        now, next_at = self._now(), None
        if enabled and row.kind == TRIGGER:
            next_at = now + (row.poll_interval_ms or 0) / 1000
        elif enabled:
            next_at = first_after(Cron(row.expression or "", row.timezone or ""), now)
        if not self._schedules.enable(row.id, enabled=enabled, next_run_at=next_at, now=now):
            raise _missing(row.id, "update cron schedule")

    def remove(self, schedule: Any) -> None:
        """Delete a schedule but keep its history.

        Raises:
            ScheduleError: There is no such schedule, or code declares it.
        """
        row = self._own(schedule, "delete cron schedule")
        if not self._schedules.remove(row.id):
            raise _missing(schedule, "delete cron schedule")

    def cron_history(self, schedule: Any, limit: Any, offset: Any) -> list[dict[str, Any]]:
        """The fires of a schedule, latest first, even after it was deleted."""
        found, (limit, offset) = _checked_id(schedule, "get cron execution history"), _page(limit, offset)
        return list(map(dicts.cron_fire, self._schedules.fires(found, limit=limit, offset=offset)))

    def stats(self, since: Any) -> dict[str, Any]:
        """How the executions fired by cron schedules since then have ended.

        Raises:
            ScheduleError: It is not a valid time.
        """
        every, completed, lost = self._schedules.count_fires(_moment(since))
        return {
            "total_executions": every,
            "successful_executions": completed,
            "lost_executions": lost,
            "success_rate": completed / every if every else 0.0,
        }

    # -- triggers --------------------------------------------------------------------------------------------------

    def triggers(self, enabled_only: Any, limit: Any, offset: Any) -> list[dict[str, Any]]:
        """Triggers, in the order of registration."""
        limit, offset = _page(limit, offset)
        rows = self._schedules.list_triggers(enabled_only=bool(enabled_only), limit=limit, offset=offset)
        return list(map(dicts.trigger, rows))

    def trigger(self, name: Any) -> dict[str, Any] | None:
        """One trigger, by name."""
        row = self._declared(name)
        return None if row is None else dicts.trigger(row)

    def enable_trigger(self, name: Any, enabled: Any) -> None:
        """Enable or disable a trigger.

        Raises:
            ScheduleError: There is no such trigger.
        """
        row = self._declared(name)
        if row is None:
            raise ScheduleError(
                f"there is no trigger {shown(name)} here: import the module that declares it, and have a runner on "
                "this database"
            )
        self._enable(row, enabled)

    def trigger_history(self, name: Any, limit: Any, offset: Any) -> list[dict[str, Any]]:
        """The fires of a trigger, latest first; empty if there is no such trigger."""
        row, (limit, offset) = self._declared(name), _page(limit, offset)
        if row is None:
            return []
        return list(map(dicts.trigger_fire, self._schedules.fires(row.id, limit=limit, offset=offset)))

    # -- finding ---------------------------------------------------------------------------------------------------

    def _declared(self, name: Any) -> ScheduleRow | None:
        try:
            return self._schedules.find_declared(checked_name(name))
        except ValueError:
            return None  # nothing can have this name

    def _found(self, schedule: Any, what: str) -> ScheduleRow:
        row = self._schedules.find(_checked_id(schedule, what))
        if row is None or row.kind == TRIGGER:
            raise _missing(schedule, what)
        return row

    def _own(self, schedule: Any, what: str) -> ScheduleRow:
        """A schedule that was not declared by code."""
        row = self._found(schedule, what)
        if row.kind != CRON:
            raise ScheduleError(
                f"Failed to {what}: {row.id} is declared by trigger {shown(row.name)}, change it there; "
                "set_trigger_enabled switches it off"
            )
        return row


def _missing(schedule: Any, what: str) -> ScheduleError:
    return ScheduleError(
        f"Failed to {what}: there is none with id {shown(schedule)}, see list_cron_schedules()"
    )


def _checked_id(schedule: Any, what: str) -> str:
    text = str.__str__(schedule).lower() if is_str(schedule) else ""
    if not _UUID.fullmatch(text):
        raise ScheduleError(
            f"Failed to {what}: Invalid schedule ID {shown(schedule)}, it is a UUID as register_cron_workflow returns it"
        )
    return text


def _page(limit: Any, offset: Any) -> tuple[int, int]:
    page = (LISTED if limit is None else limit, 0 if offset is None else offset)
    for name, value in zip(("limit", "offset"), page, strict=True):
        if type(value) is not int or not 0 <= value <= _MOST:
            raise ScheduleError(f"{name}={shown(value)} must be a whole number from 0 to {_MOST}, or None")
    return page


def _moment(since: Any) -> float:
    try:
        moment = since if isinstance(since, datetime) else datetime.fromisoformat(since)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError) as error:
        raise ScheduleError(
            f"Invalid datetime format {shown(since)}: write ISO 8601, such as '2026-11-25T00:00:00+00:00'; without an "
            "offset it is taken as UTC"
        ) from error


def _unreserved(texts: Mapping[str, str]) -> Mapping[str, str]:
    if taken := [key for key in RESERVED if key in texts]:
        raise ScheduleError(
            f"the context holds {shown(taken[0])}, which every fire sets itself: name it otherwise"
        )
    return texts
