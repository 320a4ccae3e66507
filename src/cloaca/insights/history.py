"""What happened to an execution, in order, according to what is stored.

Each change of its fence after the first claim has left an event, and each attempt is stored with the fence under which it
was settled. The events thus divide its life into eras, one per fence, and times decide the order only within an era.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cloaca.insights.attempts import entries_of_attempts
from cloaca.insights.entries import Entry, HistoryRecord, ended, first_claim, started, told
from cloaca.insights.reading import Stored, conflicts_of, view_so_far
from cloaca.insights.records import moment_of
from cloaca.model.states import EventKind

if TYPE_CHECKING:
    from cloaca.store.steering import EventRow


def history_of(stored: Stored, events: Iterable[EventRow]) -> list[HistoryRecord]:
    """The history of an execution, numbered without gaps."""
    # Events are read after the row, and may be newer.
    known = [event for event in events if event.fence <= stored.row.fence]
    entries = [entry for era in _eras(_with_fences(stored), known) for entry in era]
    if stored.row.finished_at is not None:
        entries.append(ended(stored.row.finished_at, stored.row.status, stored.row.error))
    return [
        HistoryRecord(number, moment_of(entry.at), entry.kind, entry.task, entry.attempt, entry.text, entry.details)
        for number, entry in enumerate(entries, 1)
    ]  # fmt: skip


def _with_fences(stored: Stored) -> Stored:
    """Attempts that were stored without fences come after the first claim; a fork has none except those it kept."""
    if stored.row.forked_from is not None or not stored.row.fence:
        return stored
    return stored._replace(
        attempts=[attempt._replace(fence=attempt.fence or 1) for attempt in stored.attempts]
    )


def _eras(stored: Stored, events: Sequence[EventRow]) -> list[list[Entry]]:
    row = stored.row
    eras: list[list[Entry]] = [[] for _ in range(row.fence + 1)]
    eras[0] = started(row, events)
    if row.fence and (claim := first_claim(row, events)):
        eras[1].append(claim)
    round = 1
    for event in events:
        round += event.kind == EventKind.RETRIED
        if event.kind != EventKind.FORKED:
            eras[event.fence] += told(event, round)
    view = view_so_far(stored.graph, row.input, stored.attempts)
    conflicts = conflicts_of(stored.graph, view)
    for era, entries in zip(eras, entries_of_attempts(stored, events, conflicts), strict=True):
        era.extend(entries)
    return eras
