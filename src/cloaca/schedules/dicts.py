"""Schedules and fires as the dicts that callers get; times are ISO 8601 strings, UTC."""

from __future__ import annotations

import json
from typing import Any

from cloaca.schedules.starts import moment_text
from cloaca.store.schedules import FiredRow, ScheduleRow


def _text(seconds: float | None) -> str | None:
    return None if seconds is None else moment_text(seconds)


def cron_schedule(row: ScheduleRow) -> dict[str, Any]:
    """A cron schedule."""
    return {
        "id": row.id,
        "workflow_name": row.workflow,
        "instance_name": row.name,
        "cron_expression": row.expression,
        "timezone": row.timezone,
        "enabled": row.enabled,
        "catchup_policy": row.catch_up,
        "max_missed_runs": row.most,
        "params": json.loads(row.input),
        "next_run_at": _text(row.next_run_at),
        "last_run_at": _text(row.last_run_at),
        "created_at": _text(row.created_at),
        "updated_at": _text(row.updated_at),
    }


def cron_fire(row: FiredRow) -> dict[str, Any]:
    """A fire of a cron schedule. It is written once, together with its execution, so all its times are the same."""
    fired_at = _text(row.fired_at)
    return {
        "id": row.id,
        "schedule_id": row.schedule_id,
        "scheduled_time": _text(row.scheduled_at),
        "claimed_at": fired_at,
        "pipeline_execution_id": row.execution_id,
        "workflow_execution_id": row.execution_id,
        "created_at": fired_at,
        "updated_at": fired_at,
    }


def trigger(row: ScheduleRow) -> dict[str, Any]:
    """A trigger; ``poll_interval_ms`` is ``None`` if it fires on a cron schedule."""
    return {
        "id": row.id,
        "trigger_name": row.name,
        "workflow_name": row.workflow,
        "poll_interval_ms": row.poll_interval_ms,
        "cron_expression": row.expression,
        "timezone": row.timezone,
        "allow_concurrent": row.allow_concurrent,
        "enabled": row.enabled,
        "last_poll_at": _text(row.last_poll_at),
        "created_at": _text(row.created_at),
        "updated_at": _text(row.updated_at),
    }


def trigger_fire(row: FiredRow) -> dict[str, Any]:
    """A fire of a trigger, with the start and end of its execution."""
    return {
        "id": row.id,
        "schedule_id": row.schedule_id,
        "context_hash": row.context_hash,
        "pipeline_execution_id": row.execution_id,
        "workflow_execution_id": row.execution_id,
        "started_at": _text(row.started_at),
        "completed_at": _text(row.finished_at),
        "created_at": _text(row.fired_at),
    }
