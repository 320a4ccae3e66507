"""Schedules, triggers and what they fired with ``--json``: in the words of the other commands' documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloaca.cli.documents import time_text


def schedule_document(one: dict[str, Any]) -> dict[str, Any]:
    """A schedule that fires by the clock."""
    return {
        "schedule_id": one["id"],
        "workflow": one["workflow_name"],
        "instance": one["instance_name"],
        "expression": one["cron_expression"],
        "timezone": one["timezone"],
        "enabled": one["enabled"],
        "catch_up": one["catchup_policy"],
        "max_missed_runs": one["max_missed_runs"],
        "context": one["params"],
        **_times(one, "next_run_at", "last_run_at", "created_at", "updated_at"),
    }


def schedule_fire_document(fire: dict[str, Any]) -> dict[str, Any]:
    """An instant at which a schedule fired."""
    return {
        "execution_id": fire["workflow_execution_id"],
        "due_at": _time(fire["scheduled_time"]),
        "fired_at": _time(fire["claimed_at"]),
    }


def trigger_document(one: dict[str, Any]) -> dict[str, Any]:
    """A trigger."""
    return {
        "trigger": one["trigger_name"],
        "workflow": one["workflow_name"],
        "poll_interval_ms": one["poll_interval_ms"],
        "expression": one["cron_expression"],
        "timezone": one["timezone"],
        "allow_concurrent": one["allow_concurrent"],
        "enabled": one["enabled"],
        **_times(one, "last_poll_at", "created_at", "updated_at"),
    }


def trigger_fire_document(fire: dict[str, Any]) -> dict[str, Any]:
    """A time at which a trigger fired, with the beginning and the end of its execution."""
    return {
        "execution_id": fire["workflow_execution_id"],
        "context_hash": fire["context_hash"],
        "fired_at": _time(fire["created_at"]),
        "started_at": _time(fire["started_at"]),
        "finished_at": _time(fire["completed_at"]),
    }


def _times(one: dict[str, Any], *names: str) -> dict[str, str | None]:
    return {name: _time(one[name]) for name in names}


def _time(text: str | None) -> str | None:
    return None if text is None else time_text(datetime.fromisoformat(text))
