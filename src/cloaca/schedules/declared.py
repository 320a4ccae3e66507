"""Declarations in code: which schedules this process can handle, and the rows of its triggers."""

from __future__ import annotations

from collections.abc import Iterable

from cloaca.authoring.registry import AnyTrigger
from cloaca.model.catchup import CatchUp, first_after
from cloaca.model.cron import Cron
from cloaca.model.values import joined, quoted
from cloaca.schedules.starts import MakeId
from cloaca.store.schedules import DECLARED, TRIGGER, ScheduleRow


def needs_of_trigger(name: str) -> str:
    """What the row of a trigger requires: the trigger itself. A workflow's name contains no line end."""
    return f"trigger\n{name}"


def needs_here(workflows: Iterable[str], triggers: Iterable[AnyTrigger]) -> list[str]:
    """What is registered in this process: workflows, and triggers whose workflow is one of them."""
    known = dict.fromkeys(workflows)
    return [*known, *(needs_of_trigger(trigger.name) for trigger in triggers if trigger.workflow in known)]


def row_of(trigger: AnyTrigger, *, now: float, make_id: MakeId) -> ScheduleRow:
    """The row of a new trigger, which is due one interval from now, or at its first scheduled time."""
    if trigger.cron is None:
        next_at: float | None = now + (trigger.poll_interval_ms or 0) / 1000
    else:
        next_at = first_after(Cron(trigger.cron, trigger.timezone or "UTC"), now)
    return ScheduleRow(
        id=make_id(), kind=TRIGGER if trigger.cron is None else DECLARED, name=trigger.name, workflow=trigger.workflow,
        needs=needs_of_trigger(trigger.name), expression=trigger.cron, timezone=trigger.timezone,
        catch_up=CatchUp.SKIP.value, most=None, poll_interval_ms=trigger.poll_interval_ms,
        allow_concurrent=trigger.allow_concurrent,
        input="{}" if trigger.cron is None else joined({"trigger_name": quoted(trigger.name)}),
        enabled=True, next_run_at=next_at, reckoned_at=now, last_run_at=None, last_poll_at=None, owner=None,
        created_at=now, updated_at=now,
    )  # fmt: skip
