"""The history records of attempts, grouped by the era in which each was settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cloaca.insights.entries import Entry, HistoryKind
from cloaca.insights.ordering import in_order
from cloaca.insights.reading import Stored
from cloaca.insights.records import ConflictRecord, moment, time_text
from cloaca.model.events import Failure
from cloaca.model.graph import Graph
from cloaca.model.rows import StoredAttempt
from cloaca.model.shown import times_text
from cloaca.model.states import EventKind, TaskStatus

if TYPE_CHECKING:
    from cloaca.store.steering import EventRow

_KINDS = {
    "Running": HistoryKind.ATTEMPT_STARTED,
    "Suspect": HistoryKind.SUSPECTED,
    "Completed": HistoryKind.ATTEMPT_COMPLETED,
    "Failed": HistoryKind.ATTEMPT_FAILED,
    "Cancelled": HistoryKind.ATTEMPT_CANCELLED,
    "Skipped": HistoryKind.SKIPPED,
}


def entries_of_attempts(
    stored: Stored, events: Sequence[EventRow], conflicts: Sequence[ConflictRecord]
) -> list[list[Entry]]:
    """For each fence, starting with 0, what was settled under it; a conflict follows the later of its two attempts."""
    eras: list[list[StoredAttempt]] = [[] for _ in range(stored.row.fence + 1)]
    for attempt in stored.attempts:
        # A suspicion is recorded under no fence, and belongs to the present.
        fence = stored.row.fence if attempt.status == "Suspect" else attempt.fence
        if fence <= stored.row.fence:
            eras[fence].append(attempt)
    times = _times(stored, events)
    clashes = _clashes(stored, conflicts)
    return [_era(stored, attempts, times, clashes[fence]) for fence, attempts in enumerate(eras)]


def _clashes(stored: Stored, conflicts: Sequence[ConflictRecord]) -> list[list[ConflictRecord]]:
    settled = {
        attempt.task: attempt.fence for attempt in stored.attempts if attempt.status == TaskStatus.COMPLETED
    }
    eras: list[list[ConflictRecord]] = [[] for _ in range(stored.row.fence + 1)]
    for conflict in conflicts:
        fence = max(settled[conflict.kept], settled[conflict.lost])
        if fence <= stored.row.fence:
            eras[fence].append(conflict)
    return eras


def _times(stored: Stored, events: Sequence[EventRow]) -> dict[tuple[str, int], float]:
    """When each attempt reached its state. A skip has the time of what it follows from, a suspicion that of the takeover."""
    graph, suspected = stored.graph, _last_takeover(stored, events)
    by_task: dict[str, list[StoredAttempt]] = {task: [] for task in graph.ids}
    for attempt in stored.attempts:
        by_task[attempt.task].append(attempt)
    times: dict[tuple[str, int], float] = {}
    for node in graph.order:
        for attempt in by_task[graph.ids[node]]:
            if attempt.status == "Suspect":
                at: float | None = suspected
            else:
                at = attempt.finished_at or attempt.started_at
            if at is None:
                before = [
                    times[other.task, other.attempt]
                    for dependency in graph.dependencies[node] for other in by_task[graph.ids[dependency]]
                    if other.fence <= attempt.fence
                ]  # fmt: skip
                at = max(before, default=stored.row.started_at or stored.row.created_at)
            times[attempt.task, attempt.attempt] = at
    return times


def _last_takeover(stored: Stored, events: Sequence[EventRow]) -> float:
    return max(
        (event.at for event in events if event.kind == EventKind.TAKEN_OVER), default=stored.row.created_at
    )


def _era(
    stored: Stored,
    attempts: Sequence[StoredAttempt],
    times: dict[tuple[str, int], float],
    conflicts: Sequence[ConflictRecord],
) -> list[Entry]:
    entries = [_entry(stored, attempt, times[attempt.task, attempt.attempt]) for attempt in attempts]
    by_task: dict[str | None, list[int]] = {}
    for position, entry in enumerate(entries):
        by_task.setdefault(entry.task, []).append(position)
    ordered = in_order([entry.at for entry in entries], _before(stored.graph, entries, by_task))
    rank = {position: number for number, position in enumerate(ordered)}
    behind: dict[int, list[ConflictRecord]] = {}
    for conflict in conflicts:
        both = [*by_task.get(conflict.kept, ()), *by_task.get(conflict.lost, ())]
        behind.setdefault(max(both, key=rank.__getitem__), []).append(conflict)
    return [
        entry
        for position in ordered
        for entry in (
            entries[position],
            *(_clash(one, entries[position].at) for one in behind.get(position, ())),
        )
    ]


def _before(
    graph: Graph, entries: Sequence[Entry], by_task: dict[str | None, list[int]]
) -> dict[int, list[int]]:
    """What must come before what: the dependencies of a task before it, and its attempts in the order of their numbers.

    A dependency without an entry here passes on its own dependencies.
    """
    last: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    for node in graph.order:
        reached = [position for dep in graph.dependencies[node] for position in last[dep]]
        for position in sorted(
            by_task.get(graph.ids[node], ()), key=lambda position: entries[position].attempt or 0
        ):
            before[position] = reached
            reached = [position]
        last[node] = list(dict.fromkeys(reached))
    return before


def _clash(conflict: ConflictRecord, at: float) -> Entry:
    path = ".".join(conflict.path)
    details = {"path": list(conflict.path), "kept": conflict.kept, "lost": conflict.lost}
    text = f"task {conflict.kept!r} overwrote what {conflict.lost!r} wrote to {path!r} in parallel"
    return Entry(at, HistoryKind.CONFLICT, text, details, conflict.kept)


def _entry(stored: Stored, attempt: StoredAttempt, at: float) -> Entry:
    kind = _KINDS[attempt.status]
    is_kept = stored.row.forked_from is not None and attempt.fence == 0 and attempt.status == "Completed"
    if is_kept:
        kind = HistoryKind.KEPT
    number = attempt.attempt if kind is not HistoryKind.SKIPPED else None
    what = f"task {attempt.task!r}" + (f", attempt {number}," if number else "")
    return Entry(
        at, kind, f"{what} {_outcome(stored, kind, attempt)}", _details(attempt), attempt.task, number
    )


def _outcome(stored: Stored, kind: HistoryKind, attempt: StoredAttempt) -> str:
    match kind:
        case HistoryKind.KEPT:
            text = f"was kept from execution {stored.row.forked_from}"
        case HistoryKind.ATTEMPT_STARTED:
            text = "started" + (", and waits for its condition without a slot" if attempt.deferred else "")
        case HistoryKind.SUSPECTED:
            text = f"may have crashed its process {times_text(attempt.crashes)}: it runs alone next"
        case HistoryKind.SKIPPED:
            text = f"was skipped: {attempt.reason}"
        case HistoryKind.ATTEMPT_FAILED:
            due = f"; retry due at {time_text(attempt.retry_at)}" if attempt.retry_at is not None else ""
            text = f"failed: {_failure(attempt)}{due}"
        case HistoryKind.ATTEMPT_CANCELLED:
            text = "was cancelled"
        case _:
            text = "completed"
    return text


def _failure(attempt: StoredAttempt) -> str:
    return str(Failure.from_text(attempt.error)) if attempt.error else "unknown error"


def _details(attempt: StoredAttempt) -> dict[str, Any]:
    """What is known of an attempt, as JSON values; times are ISO 8601, UTC."""
    failure = Failure.from_text(attempt.error) if attempt.error else None
    found = {
        "started_at": _iso(attempt.started_at),
        "retry_at": _iso(attempt.retry_at),
        "reason": attempt.reason,
        "error": failure and {"type": failure.type, "message": failure.message},
    }
    return {name: value for name, value in found.items() if value is not None}


def _iso(seconds: float | None) -> str | None:
    at = moment(seconds)
    return None if at is None else at.isoformat()
