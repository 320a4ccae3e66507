"""That a history tells what is stored, and in an order in which it can have happened."""

from __future__ import annotations

from collections.abc import Iterable

from cloaca.insights.entries import HistoryKind, HistoryRecord
from cloaca.insights.history import history_of
from cloaca.insights.reading import Stored, read_stored, tasks_of
from cloaca.insights.tasks import SETTLED
from cloaca.model.states import Status
from cloaca.store.rows import ExecutionRow
from cloaca.store.steering import EventRow
from cloaca.store.store import Store

DECIDING = {HistoryKind.KEPT, HistoryKind.ATTEMPT_COMPLETED, HistoryKind.ATTEMPT_FAILED, HistoryKind.SKIPPED}
STATUSES = {
    HistoryKind.KEPT: "Completed", HistoryKind.ATTEMPT_COMPLETED: "Completed", HistoryKind.ATTEMPT_FAILED: "Failed",
    HistoryKind.SKIPPED: "Skipped",
}  # fmt: skip


def check_history(store: Store, execution: str) -> None:
    """See that the history of an execution is whole, possible, and implies what is shown."""
    stored = read_stored(store, execution)
    events = store.steering.events(execution)
    assert not gaps(stored.row, events), (execution, gaps(stored.row, events))
    history = history_of(stored, events)
    assert [record.number for record in history] == list(range(1, len(history) + 1))
    assert implied_status(history) == stored.row.status, (execution, stored.row, history)
    _check_order(stored, history)
    _check_tasks(stored, history)


def _check_order(stored: Stored, history: list[HistoryRecord]) -> None:
    """No task comes before what it depends on has been decided, and its attempts come in their order."""
    graph = stored.graph
    decided: set[str] = set()
    last: dict[str, int] = {}
    for record in history:
        if record.task is None or record.kind is HistoryKind.CONFLICT:
            continue
        dependencies = {graph.ids[dep] for dep in graph.dependencies[graph.index[record.task]]}
        # A fork keeps what completed, also behind a failure that it does not keep.
        assert dependencies <= decided or record.kind is HistoryKind.KEPT, (record, history)
        if record.attempt is not None:
            assert record.attempt > last.get(record.task, 0), (record, history)
            last[record.task] = record.attempt
        if record.kind in DECIDING and "retry_at" not in record.details:
            decided.add(record.task)


def _check_tasks(stored: Stored, history: list[HistoryRecord]) -> None:
    told = {record.task: record for record in history if record.task and record.kind in STATUSES}
    for task in tasks_of(*stored).values():
        if task.status in SETTLED:
            assert STATUSES[told[task.id].kind] == task.status, (task, history)


def gaps(row: ExecutionRow, events: Iterable[EventRow]) -> list[int]:
    """The fences for which an event is missing: none, unless something was lost.

    Executions that were steered or changed owners before the database recorded events have such gaps.
    """
    # The first claim has no event of its own and nothing else precedes it; a fork starts with its second fence.
    first = 1 if row.started_at is None and row.forked_from is None else 2
    found = {event.fence for event in events}
    return [fence for fence in range(first, row.fence + 1) if fence not in found]


def implied_status(history: Iterable[HistoryRecord]) -> Status:
    """The status that follows from what has happened to an execution."""
    status, is_begun = Status.PENDING, False
    for record in history:
        match record.kind:
            case HistoryKind.CLAIMED:
                status, is_begun = Status.RUNNING, True
            case HistoryKind.PAUSED:
                status = Status.PAUSED
            case HistoryKind.RESUMED | HistoryKind.RETRIED:
                status = Status.RUNNING if is_begun else Status.PENDING
            case HistoryKind.CANCELLED:
                status = Status.CANCELLED
            case HistoryKind.ENDED:
                status = Status(record.details["status"])
            case _:
                pass
    return status
