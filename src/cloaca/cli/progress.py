"""The progress of an execution: what has changed between two records; no I/O."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from cloaca.cli.formatting import counted, duration_text, shortened
from cloaca.insights import AttemptRecord, TaskRecord
from cloaca.model.states import TaskStatus

Tasks = Mapping[str, TaskRecord]


class Change(NamedTuple):
    """A change in the state of a task: when, if that is known, and how to describe it."""

    moment: datetime | None
    text: str


def changes(before: Tasks, after: Tasks) -> list[Change]:
    """What has happened between two records of the same execution, in time order.

    Every attempt that has ended is reported, even if there were several of one task; a start is reported only if the task is
    still running. A skip has no time of its own, and follows the change that caused it.
    """
    found = [change for task in after.values() for change in _of_task(before.get(task.id), task)]
    return sorted(found, key=lambda change: change.moment.timestamp() if change.moment else math.inf)


def _of_task(before: TaskRecord | None, task: TaskRecord) -> Iterator[Change]:
    known = {_key(attempt) for attempt in before.attempts} if before else set()
    for attempt in task.attempts:
        if _key(attempt) in known:
            continue
        if attempt.status is TaskStatus.RUNNING:
            yield Change(attempt.started_at, f"task {task.id} started{_which(attempt)}")
        else:
            yield Change(attempt.finished_at, f"task {task.id} {_ended(task, attempt)}")
    if task.status is TaskStatus.SKIPPED and (before is None or before.status is not task.status):
        yield Change(task.finished_at, f"task {task.id} skipped: {task.reason}")


def _key(attempt: AttemptRecord) -> tuple[int, TaskStatus, datetime | None]:
    return attempt.attempt, attempt.status, attempt.started_at


def _which(attempt: AttemptRecord) -> str:
    return f" (attempt {attempt.attempt})" if attempt.attempt > 1 else ""


def _ended(task: TaskRecord, attempt: AttemptRecord) -> str:
    text = f"{attempt.status.lower()}{_which(attempt)}"
    if (took := duration(attempt)) is not None:
        text += f" in {duration_text(took)}"
    if attempt.error is not None:
        text += f": {shortened(str(attempt.error), most=200)}"
    if task.status is TaskStatus.PENDING and task.reason and attempt is task.attempts[-1]:
        text += f" ({task.reason})"
    return text


def duration(attempt: AttemptRecord, now: datetime | None = None) -> timedelta | None:
    """How long an attempt took, or has taken so far."""
    end = attempt.finished_at or now
    return end - attempt.started_at if end is not None and attempt.started_at is not None else None


_TOLD = (TaskStatus.RUNNING, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED)
_RANKS = {
    TaskStatus.RUNNING: 0,
    TaskStatus.FAILED: 1,
    TaskStatus.READY: 2,
    TaskStatus.COMPLETED: 3,
    TaskStatus.PENDING: 4,
    TaskStatus.SKIPPED: 5,
    TaskStatus.CANCELLED: 6,
}


def foremost(tasks: Tasks, most: int) -> list[TaskRecord]:
    """All tasks in declared order; if there are too many, the most interesting ones.

    Running ones come first, then failed, ready, and the last completed.
    """
    if len(tasks) <= most:
        return list(tasks.values())
    return sorted(tasks.values(), key=_rank)[: max(0, most)]


def _rank(task: TaskRecord) -> tuple[int, float]:
    newest_first = -task.finished_at.timestamp() if task.finished_at else 0.0
    # A task that waits for a retry is more interesting than one that has not started.
    return (1 if task.status is TaskStatus.PENDING and task.attempts else _RANKS[task.status]), newest_first


def summary(tasks: Tasks) -> str:
    """How many tasks are in which state.

    >>> summary({})
    '0 of 0 tasks completed'
    """
    counts = Counter(task.status for task in tasks.values())
    rest = {status.lower(): counts[status] for status in _TOLD}
    rest["waiting"] = counts[TaskStatus.PENDING] + counts[TaskStatus.READY]
    told = [f"{number:,} {name}" for name, number in rest.items() if number]
    return ", ".join([f"{counts[TaskStatus.COMPLETED]:,} of {counted(len(tasks), 'task')} completed", *told])


def completed_before(tasks: Iterable[TaskRecord], moment: datetime) -> int:
    """How many tasks had completed before a time."""
    return sum(
        task.status is TaskStatus.COMPLETED and task.finished_at is not None and task.finished_at < moment
        for task in tasks
    )
