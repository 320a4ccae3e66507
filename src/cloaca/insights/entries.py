"""The history records of an execution as a whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from cloaca.model.states import EventKind, Status

if TYPE_CHECKING:
    from cloaca.store.rows import ExecutionRow
    from cloaca.store.steering import EventRow


class HistoryKind(StrEnum):
    """The kind of a history record; compares equal to its name."""

    STARTED = "Started"
    FORKED = "Forked"
    KEPT = "Kept"
    CLAIMED = "Claimed"
    HANDED_OVER = "HandedOver"
    TAKEN_OVER = "TakenOver"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    CANCELLED = "Cancelled"
    RETRIED = "Retried"
    ATTEMPT_STARTED = "AttemptStarted"
    ATTEMPT_COMPLETED = "AttemptCompleted"
    ATTEMPT_FAILED = "AttemptFailed"
    ATTEMPT_CANCELLED = "AttemptCancelled"
    SUSPECTED = "Suspected"
    SKIPPED = "Skipped"
    CONFLICT = "Conflict"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """One thing that happened to an execution.

    ``number`` counts from 1 without gaps. ``at`` is UTC, by the clock of the writer: if clocks differ, it may decrease from
    one record to the next. ``task`` and ``attempt`` are ``None`` if it concerns the execution as a whole.
    ``text`` is a sentence, ``details`` are JSON values.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling"):
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     ended = runner.execute("doubling", {"n": 21})
        ...     for record in runner.get_history(ended.execution_id):
        ...         print(record.number, record.kind, record.text)
        1 Started a runner started an execution of workflow 'doubling'
        2 Claimed a runner claimed it
        3 AttemptCompleted task 'double', attempt 1, completed
        4 Ended it ended as Completed
    """

    number: int
    at: datetime
    kind: HistoryKind
    task: str | None
    attempt: int | None
    text: str
    details: dict[str, Any]


class Entry(NamedTuple):
    """A record that has no number yet."""

    at: float
    kind: HistoryKind
    text: str
    details: dict[str, Any]
    task: str | None = None
    attempt: int | None = None


def started(row: ExecutionRow, events: Sequence[EventRow]) -> list[Entry]:
    """How it was created."""
    details: dict[str, Any] = {"workflow": row.workflow, "version": row.version}
    what = f"execution of workflow {row.workflow!r}"
    if row.forked_from is not None:
        text = f"it was forked from execution {row.forked_from} at task {row.forked_at!r}"
        forked = {"from": row.forked_from, "task": row.forked_at}
        return [
            Entry(row.created_at, HistoryKind.STARTED, f"an {what} was created", details),
            Entry(row.created_at, HistoryKind.FORKED, text, forked),
        ]
    if _is_claimed_silently(row, events) and row.started_at == row.created_at:
        details["runner"] = runner = _first_owner(row, events)
        text = f"{_named(runner)} started an {what}"
    else:
        text = f"an {what} was created for any runner to claim"
    return [Entry(row.created_at, HistoryKind.STARTED, text, details)]


def first_claim(row: ExecutionRow, events: Sequence[EventRow]) -> Entry | None:
    """The first claim, which is not an event unless the execution was steered before it; ``None`` if there was none."""
    if row.started_at is None or not _is_claimed_silently(row, events):
        return None
    return _claimed(row.started_at, _first_owner(row, events))


def _is_claimed_silently(row: ExecutionRow, events: Sequence[EventRow]) -> bool:
    is_steered_first = bool(events) and events[0].fence == 1
    return row.started_at is not None and row.forked_from is None and not is_steered_first


def _first_owner(row: ExecutionRow, events: Sequence[EventRow]) -> str | None:
    """Who claimed it first, if that is still known: whoever released it, or its owner."""
    for event in events:
        if event.kind in (EventKind.HANDED_OVER, EventKind.TAKEN_OVER, EventKind.CLAIMED):
            return None if event.kind == EventKind.CLAIMED else json.loads(event.details).get("runner")
    return row.owner


def told(event: EventRow, round: int) -> list[Entry]:
    """The record of an event; a new round is preceded by the end of the previous one."""
    details: dict[str, Any] = json.loads(event.details)
    kind = HistoryKind(event.kind)
    runner = details.get("runner")
    match kind:
        case HistoryKind.CLAIMED:
            return [_claimed(event.at, runner)]
        case HistoryKind.HANDED_OVER:
            text = f"{_named(runner)}handed it over"
        case HistoryKind.TAKEN_OVER:
            text = f"it was taken over from {_named(runner)}, which was considered dead"
        case HistoryKind.RETRIED:
            before = details["ended"]
            again = Entry(event.at, kind, f"it was retried: round {round} began", details)
            return [ended(before["finished_at"], before["status"], before["error"]), again]
        case _:
            text = f"it was {kind.value.lower()}"
    return [Entry(event.at, kind, text, details)]


def ended(at: float, status: str, error: str | None) -> Entry:
    """The end of a round."""
    text = f"it ended as {status}" + (f": {error}" if error and status == Status.FAILED else "")
    return Entry(at, HistoryKind.ENDED, text, {"status": status, "error": error})


def _claimed(at: float, runner: str | None) -> Entry:
    return Entry(at, HistoryKind.CLAIMED, f"{_named(runner)} claimed it", {"runner": runner})


def _named(runner: str | None) -> str:
    return "a runner" if runner is None else f"runner {runner}"
