"""How an execution ended: for people as tables, for programs as one JSON object."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TextIO

from cloaca.cli.wording import duration_text, printable
from cloaca.insights import AttemptRecord, ConflictRecord, ExecutionRecord, TaskRecord
from cloaca.model.execution import Failure
from cloaca.model.states import Status

_MOST_CONFLICTS = 5


def print_outcome(record: ExecutionRecord, stream: TextIO, *, next_commands: list[tuple[str, str]]) -> None:
    """Print the status, the context, and where it failed the failures and what can be typed next."""
    from cloaca.cli.tables import console_on, context_table, failure_table  # noqa: PLC0415 - rich, where it is used

    console = console_on(stream)
    stream.write(f"\n{_headline(record)}\n")
    if record.status is Status.FAILED:
        console.print(failure_table(record.tasks))
    if data := record.context.data:
        stream.write("\n")
        console.print(context_table(data))
    stream.writelines(_conflict_line(conflict) for conflict in record.conflicts[:_MOST_CONFLICTS])
    if record.status is not Status.COMPLETED:
        stream.write("\n")
        stream.writelines(f"{why}:\n  {command}\n" for why, command in next_commands)
    stream.flush()


def _conflict_line(conflict: ConflictRecord) -> str:
    path = printable(".".join(conflict.path))
    return f"{path}: {conflict.kept} overwrote what {conflict.lost} wrote beside it\n"


def _headline(record: ExecutionRecord) -> str:
    if record.finished_at is None:
        return record.status
    return (
        f"{record.status} in {duration_text(record.finished_at - (record.started_at or record.created_at))}"
    )


def as_json(record: ExecutionRecord) -> str:
    """The record as one line of JSON; times are ISO 8601, UTC."""
    return json.dumps(_execution(record))


def _execution(record: ExecutionRecord) -> dict[str, Any]:
    return {
        "execution_id": record.execution_id,
        "workflow": record.workflow_name,
        "workflow_version": record.workflow_version,
        "status": record.status,
        "error": record.error_message,
        "created_at": _time(record.created_at),
        "started_at": _time(record.started_at),
        "finished_at": _time(record.finished_at),
        "context": record.context.data,
        "conflicts": [
            {"path": list(conflict.path), "kept": conflict.kept, "lost": conflict.lost}
            for conflict in record.conflicts
        ],
        "tasks": {task.id: _task(task) for task in record.tasks.values()},
    }


def _task(task: TaskRecord) -> dict[str, Any]:
    return {
        "status": task.status,
        "reason": task.reason,
        "started_at": _time(task.started_at),
        "finished_at": _time(task.finished_at),
        "error": _error(task.error),
        "attempts": [_attempt(attempt) for attempt in task.attempts],
    }


def _attempt(attempt: AttemptRecord) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "status": attempt.status,
        "started_at": _time(attempt.started_at),
        "finished_at": _time(attempt.finished_at),
        "error": _error(attempt.error),
    }


def _error(error: Failure | None) -> dict[str, str] | None:
    return None if error is None else error._asdict()


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
