"""The executions that fires start: rows without an owner, with the context keys that a fire adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cloaca.model.states import Status
from cloaca.model.values import joined, quoted
from cloaca.store.rows import StartRow
from cloaca.store.schedules import FireRow, ScheduleRow

RESERVED = ("scheduled_time", "schedule_id", "schedule_timezone", "schedule_expression")
"""The context keys that a cron schedule sets."""

MakeId = Callable[[], str]


def moment_text(seconds: float) -> str:
    """A time as an ISO 8601 string, UTC.

    >>> moment_text(0.0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def clock_fire(row: ScheduleRow, instant: float, *, now: float, make_id: MakeId) -> tuple[FireRow, StartRow]:
    """The fire of a schedule at a scheduled time, and the execution that it starts."""
    told = {
        "scheduled_time": moment_text(instant),
        "schedule_id": row.id,
        "schedule_timezone": row.timezone or "",
        "schedule_expression": row.expression or "",
    }
    start = _start(row.workflow, _with(row.input, told), now, make_id)
    return FireRow(make_id(), row.id, instant, now, None, start.id), start


def poll_fire(
    row: ScheduleRow, texts: Mapping[str, str], context_hash: str, *, now: float, make_id: MakeId
) -> tuple[FireRow, StartRow]:
    """The fire of a trigger, and the execution that it starts with this context."""
    told = {"trigger_name": quoted(row.name or ""), "triggered_at": quoted(moment_text(now))}
    start = _start(row.workflow, joined({**texts, **told}), now, make_id)
    return FireRow(make_id(), row.id, None, now, context_hash, start.id), start


def _with(input: str, told: Mapping[str, str]) -> str:
    """The input with these keys added; an input that has them was refused at registration."""
    more = joined({key: quoted(text) for key, text in told.items()})
    return more if input == "{}" else f"{input[:-1]},{more[1:]}"


def _start(workflow: str, input: str, now: float, make_id: MakeId) -> StartRow:
    """An execution without an owner; its first claim chooses its structure."""
    return StartRow(make_id(), workflow, "", "", Status.PENDING.value, None, 0, input, None, now, None)
