"""What failed in an execution, and where in the user's code."""

from __future__ import annotations

from collections.abc import Iterator

from cloaca.cli.formatting import printable, shortened
from cloaca.cli.tracebacks import user_frame
from cloaca.insights import ExecutionRecord, TaskRecord
from cloaca.model.events import Failure
from cloaca.model.states import TaskStatus

_MOST = 10
_MOST_CHARACTERS = 2000
_MOST_LINES = 20


def failed_tasks(record: ExecutionRecord) -> list[TaskRecord]:
    """The tasks that failed, in declared order."""
    return [task for task in record.tasks.values() if task.status is TaskStatus.FAILED]


def failure_lines(record: ExecutionRecord) -> Iterator[str]:
    """For each failed task: the exception, its message with line breaks, and the line of code that raised it."""
    failed = failed_tasks(record)
    for task in failed[:_MOST]:
        yield ""
        if task.error is None:
            yield f"task {task.id} failed: {printable(task.reason or 'no error was stored')}"
        else:
            first, *others = _message_lines(task.error)
            yield f"task {task.id} failed in attempt {len(task.attempts)}: {first}"
            yield from (f"    {line}".rstrip() for line in others)
            yield from _place_lines(task.error)
    if len(failed) > _MOST:
        yield f"\nand {len(failed) - _MOST:,} more: --json prints all"


def _message_lines(error: Failure) -> list[str]:
    text = str(error).strip()
    lines = [printable(line.rstrip()) for line in text[:_MOST_CHARACTERS].split("\n")]
    is_cut = len(text) > _MOST_CHARACTERS or len(lines) > _MOST_LINES
    lines = lines[:_MOST_LINES]
    lines[-1] += "…" if is_cut else ""
    return lines


def _place_lines(error: Failure) -> Iterator[str]:
    frame = user_frame(error.traceback)
    if frame is not None:
        yield f"  {printable(frame.file)}:{frame.line} in {printable(frame.function)}"
        if frame.source:
            yield f"    {shortened(frame.source)}"
