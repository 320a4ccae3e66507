"""The output of commands with ``--json``: one document on one line; times are ISO 8601, UTC."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TextIO

from cloaca.insights import AttemptRecord, ExecutionRecord, ExecutionSummary, TaskRecord
from cloaca.model.events import Failure


def print_document(stream: TextIO, document: Any) -> None:
    """Write a document and flush it, so that it arrives at the other end of a pipe."""
    stream.write(f"{json.dumps(document)}\n")
    stream.flush()


def summary_document(summary: ExecutionSummary) -> dict[str, Any]:
    """An execution without its tasks and context."""
    return {
        "execution_id": summary.execution_id,
        "workflow": summary.workflow_name,
        "workflow_version": summary.workflow_version,
        "status": summary.status,
        "error": summary.error_message,
        "created_at": time_text(summary.created_at),
        "started_at": time_text(summary.started_at),
        "finished_at": time_text(summary.finished_at),
        "round": summary.round,
        "forked_from": summary.forked_from,
        "forked_at": summary.forked_at,
    }


def execution_document(record: ExecutionRecord) -> dict[str, Any]:
    """Everything that is stored about an execution."""
    return summary_document(record) | {
        "waiting_for": record.waiting_for,
        "context": record.context.data,
        "written_by": record.written_by,
        "conflicts": [
            {"path": list(conflict.path), "kept": conflict.kept, "lost": conflict.lost}
            for conflict in record.conflicts
        ],
        "tasks": {task.id: _task(task) for task in record.tasks.values()},
    }


def _task(task: TaskRecord) -> dict[str, Any]:
    return {
        "status": task.status,
        "sub_status": task.sub_status,
        "reason": task.reason,
        "started_at": time_text(task.started_at),
        "finished_at": time_text(task.finished_at),
        "error": _error(task.error),
        "attempts": [_attempt(attempt) for attempt in task.attempts],
    }


def _attempt(attempt: AttemptRecord) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "status": attempt.status,
        "started_at": time_text(attempt.started_at),
        "finished_at": time_text(attempt.finished_at),
        "error": _error(attempt.error),
    }


def _error(error: Failure | None) -> dict[str, str] | None:
    return None if error is None else error._asdict()


def time_text(moment: datetime | None) -> str | None:
    """A time in ISO 8601, always with microseconds, so that sorting the texts sorts the times."""
    return None if moment is None else moment.isoformat(timespec="microseconds")
