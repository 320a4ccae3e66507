"""An execution as text: its status, tasks, context and failures, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

from cloaca.cli.database import command_for
from cloaca.cli.failures import failed_tasks, failure_lines
from cloaca.cli.formatting import counted, duration_text, moment_text, shortened, value_text
from cloaca.cli.outcome import conflict_lines
from cloaca.cli.output import is_live_terminal
from cloaca.cli.plain_tables import print_pairs, print_table
from cloaca.cli.progress import duration, foremost, summary
from cloaca.insights import ExecutionRecord, TaskRecord
from cloaca.model.states import Status, TaskStatus

_MOST_TASKS = 200
_INPUT = "input"


def print_execution(
    record: ExecutionRecord, stream: TextIO, *, url: str, with_values: bool, trouble: str | None
) -> None:
    """Print what a person wants to know about it first.

    Args:
        with_values: Whether to print the values of the context, or only its keys.
        trouble: Why nobody works on it although it has an owner.
    """
    print_pairs(stream, [*_about(record), *([("owner", trouble)] if trouble else [])])
    if record.tasks:
        _print_tasks(record, stream)
    if record.context.data:
        _print_context(record, stream, with_values=with_values)
    stream.writelines(f"{line}\n" for line in conflict_lines(record))
    stream.writelines(f"{line}\n" for line in failure_lines(record))
    commands = list(next_commands(record, url))
    if trouble:
        commands.insert(0, (command_for(url, "worker", "MODULE"), "take it over if no worker is running"))
    if commands:
        stream.write("\nnext\n")
        stream.writelines(f"  {command}  # {what}\n" for command, what in commands)


def _about(record: ExecutionRecord) -> Iterator[tuple[str, str]]:
    yield "execution", record.execution_id
    yield "workflow", record.workflow_name
    if record.workflow_version:
        yield "version", record.workflow_version
    yield "status", record.status
    if record.round > 1:
        yield "round", str(record.round)
    if record.forked_from:
        yield "forked", f"from {record.forked_from} at task {record.forked_at}"
    for name, moment in (
        ("created", record.created_at),
        ("started", record.started_at),
        ("finished", record.finished_at),
    ):
        if moment is not None:
            yield name, f"{moment_text(moment)} UTC"
    if record.started_at is not None:
        yield "took", duration_text((record.finished_at or datetime.now(UTC)) - record.started_at)
    if record.error_message:
        yield "error", record.error_message
    if record.waiting_for:
        yield "waits for", record.waiting_for
    yield "tasks", summary(record.tasks)


def _print_tasks(record: ExecutionRecord, stream: TextIO) -> None:
    tasks = foremost(record.tasks, _MOST_TASKS if is_live_terminal(stream) else len(record.tasks))
    stream.write("\n")
    print_table(
        stream, ("task", "status", "attempts", "started (UTC)", "took", "why"), list(map(_task_row, tasks))
    )
    if len(tasks) < len(record.tasks):
        stream.write(f"and {len(record.tasks) - len(tasks):,} more: --json prints all\n")


def _task_row(task: TaskRecord) -> tuple[str, ...]:
    last = task.attempts[-1] if task.attempts else None
    took = duration(last, datetime.now(UTC) if task.status is TaskStatus.RUNNING else None) if last else None
    why = str(task.error) if task.error and task.status is not TaskStatus.COMPLETED else task.reason
    return (
        task.id,
        task.sub_status if task.sub_status == "Deferred" else task.status,
        str(len(task.attempts)) if task.attempts else "",
        moment_text(last.started_at) if last else "",
        "" if took is None else duration_text(took),
        why or "",
    )


def _print_context(record: ExecutionRecord, stream: TextIO, *, with_values: bool) -> None:
    data = record.context.data
    stream.write("\n")
    if with_values:
        rows = [(key, record.written_by.get(key) or _INPUT, value_text(value)) for key, value in data.items()]
        print_table(stream, ("key", "written by", "value"), rows)
    else:
        keys = ", ".join(f"{key} ({record.written_by.get(key) or _INPUT})" for key in data)
        stream.write(f"context  {counted(len(data), 'key')}: {shortened(keys)}\n")


def next_commands(record: ExecutionRecord, url: str) -> Iterator[tuple[str, str]]:
    """Commands to type next, each with a description."""
    id = record.execution_id
    if record.status in (Status.FAILED, Status.CANCELLED):
        yield (
            command_for(url, "retry", id),
            "run the failed tasks again" if failed_tasks(record) else "continue it",
        )
    if failed := failed_tasks(record):
        yield (
            command_for(url, "fork", id, failed[0].id),
            "start a new execution from this task, with --set KEY=JSON",
        )
    if record.status is Status.PAUSED:
        yield command_for(url, "resume", id), "continue it"
    if record.status is Status.RUNNING:
        yield command_for(url, "watch", id), "follow it until it ends"
    if record.status is not Status.COMPLETED:
        yield command_for(url, "explain", id), "show why it has not completed"
