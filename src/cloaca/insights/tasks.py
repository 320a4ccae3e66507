"""The state of each task of an execution, from the rows of its attempts."""

from __future__ import annotations

from collections.abc import Iterable

from cloaca.insights.records import AttemptRecord, TaskRecord, moment, time_text
from cloaca.model.events import Failure
from cloaca.model.graph import Graph
from cloaca.model.rounds import decides, nearest_open, reopened
from cloaca.model.rows import AttemptRow, StoredAttempt
from cloaca.model.states import TaskStatus

Row = AttemptRow | StoredAttempt
SETTLED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED)
WAS_CANCELLED = "the execution was cancelled"
RUNS_ALONE = "it may have crashed its process: it runs alone next"


def task_records(
    graph: Graph, rows: Iterable[Row], *, round_fence: int = 0, is_cancelled: bool = False
) -> dict[str, TaskRecord]:
    """The tasks of an execution, in declared order, from the rows of its attempts in time order.

    Args:
        round_fence: Where its current round began, if it is not the first.
        is_cancelled: Whether it ended by being cancelled.
    """
    by_task: dict[str, list[Row]] = {task: [] for task in graph.ids}
    for row in rows:
        by_task[row.task].append(row)
    again = _again(graph, by_task, round_fence)
    latest = {
        node: by_task[task][-1] for node, task in enumerate(graph.ids) if by_task[task] and node not in again
    }
    decided = {node for node, last in latest.items() if decides(last)}
    waiting = nearest_open(graph, set(graph.order) - decided)
    records: dict[str, TaskRecord] = {}
    for node, task in enumerate(graph.ids):
        last = latest.get(node)
        status, reason = _task_status(last, is_waiting=node in waiting)
        if is_cancelled and status not in SETTLED:
            status, reason = TaskStatus.CANCELLED, WAS_CANCELLED
        records[task] = _task_record(task, by_task[task], last, status, reason)
    return records


def _again(graph: Graph, by_task: dict[str, list[Row]], round_fence: int) -> set[int]:
    """The nodes that an earlier round decided, and that are open in this one."""
    if not round_fence:
        return set()
    attempts = {
        graph.index[task]: [row for row in rows if isinstance(row, StoredAttempt)]
        for task, rows in by_task.items()
    }
    return reopened(graph, attempts, round_fence)


def _task_record(
    task: str, rows: list[Row], last: Row | None, status: TaskStatus, reason: str | None
) -> TaskRecord:
    attempts = [
        AttemptRecord(
            row.attempt, TaskStatus(row.status), moment(row.started_at), moment(row.finished_at),
            Failure.from_text(row.error) if row.error else None,
        )
        for row in rows if row.attempt and row.status not in ("Suspect", "Skipped")
    ]  # fmt: skip
    ended = last is not None and (status in SETTLED or last.status == TaskStatus.CANCELLED)
    return TaskRecord(
        task, status, reason, attempts, attempts[0].started_at if attempts else None,
        moment(last.finished_at) if last and ended else None, attempts[-1].error if attempts else None,
        _sub_status(last) if status is TaskStatus.RUNNING else None,
    )  # fmt: skip


def _sub_status(last: Row | None) -> str:
    return "Deferred" if isinstance(last, StoredAttempt) and last.deferred else "Active"


def _task_status(last: Row | None, *, is_waiting: bool) -> tuple[TaskStatus, str | None]:
    """A cancelled task is open, unless its execution has ended."""
    if last is None or last.status == TaskStatus.CANCELLED:
        return (TaskStatus.PENDING if is_waiting else TaskStatus.READY), None
    if last.status == "Suspect":
        return TaskStatus.READY, RUNS_ALONE
    if last.status == "Failed" and last.retry_at is not None:
        return TaskStatus.PENDING, f"retry due at {time_text(last.retry_at)}"
    return TaskStatus(last.status), last.reason
