"""What must hold of the history of many runner processes, beyond the invariants, and its figures."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import cloaca
from tests.chaos.place import Place
from tests.chaos.report import Report
from tests.chaos.steering import times_steered
from tests.chaos.workload import MENDED, SHAPES
from tests.crash.history import History, violations
from tests.crash.journal import Event
from tests.crash.shapes import expected_of
from tests.crash.tables import Change
from tests.crash.told import untold

EXPECTED = {shape.name: expected_of(shape) for shape in (*SHAPES.values(), MENDED)}
"""What is mended on the way comes last, and counts."""


def check(report: Report, place: Place) -> History:
    """Add every breach of an invariant to the report; results are read as a client reads them."""
    note_results(place)
    tables, events = place.tables(), place.events()
    deaths = len({change.owner for change in tables.changes if change.subject == "dead"})
    removed = {change.execution for change in tables.changes if change.subject == "removed"}
    known = [event for event in events if event.kind != "acknowledged" or event.execution not in removed]
    history = History(tables, known, deaths, EXPECTED, verbs=times_steered(tables, events))
    report.violations += [*violations(history), *late_writes(history), *untold(place.url)]
    return history


def note_results(place: Place) -> None:
    """Write down status and context of each execution."""
    with cloaca.Client(place.url) as client:
        for found in client.list_executions(limit=100_000):
            record = client.get_execution(found.execution_id)
            place.journal.write(
                "result", record.execution_id, workflow=record.workflow_name, status=str(record.status),
                context=record.context.to_dict(),
            )  # fmt: skip


def late_writes(history: History) -> Iterator[str]:
    """Changes in a turn of a runner that had been declared dead."""
    dead = set()
    for change in history.tables.changes:
        if change.writer in dead:
            yield f"{change.writer} wrote after it was declared dead: {change}"
        if change.subject == "dead":
            dead.add(change.owner)


def charges(history: History) -> list[Change]:
    """Every moment at which a crash was charged to an attempt."""
    found: list[Change] = []
    known: dict[tuple[str, str, int], int] = {}
    for change in history.tables.changes:
        if change.subject == "attempt":
            key = change.execution, change.task, change.attempt
            if change.charges > known.get(key, 0):
                found.append(change)
            known[key] = change.charges
    return found


def charge_violations(history: History) -> Iterator[str]:
    """Charges for a crash that was none, and those of a body that did not run alone: innocents are not charged."""
    met = {event.key: bodies for event, bodies in met_by(history, "killed")}
    for change in charges(history):
        where = f"attempt {change.attempt} of task {change.task} of {change.execution}"
        if change.owner not in met:
            yield f"{where} was charged for the end of {change.owner}, which nobody had killed"
        else:
            own = change.execution, change.task
            beside = [event for event in met[change.owner] if (event.execution, event.task) != own]
            if beside:
                names = ", ".join(f"{event.task} of {event.execution}" for event in beside)
                yield f"{where} was charged although there ran beside it: {names}"


def in_flight(events: Iterable[Event], process: str) -> list[Event]:
    """The bodies that have begun and not ended in a process."""
    begun: dict[tuple[str, str, int, int], Event] = {}
    for event in events:
        if str(event.pid) == process and event.kind in ("start", "end"):
            key = event.execution, event.task, event.attempt, event.fence
            if event.kind == "start":
                begun[key] = event
            else:
                begun.pop(key, None)
    return list(begun.values())


def met_by(history: History, kind: str) -> Iterator[tuple[Event, list[Event]]]:
    """Each fault of a kind, and the bodies that it met in its process."""
    for number, event in enumerate(history.events):
        if event.kind == kind:
            yield event, in_flight(history.events[:number], event.workflow)


def dead_of(history: History) -> set[str | None]:
    """The runners that were declared dead; several others may have done it at once."""
    return {change.owner for change in history.tables.changes if change.subject == "dead"}


def figures_of(history: History) -> dict[str, object]:
    """Counts, and the slowest of what has to be fast."""
    first_runs = {(e.execution, e.task, e.attempt) for e in history.starts}
    return {
        "executions": len(history.tables.executions),
        "bodies": len(history.starts),
        "of them again": len(history.starts) - len(first_runs),
        "takeovers": len(dead_of(history)),
        "charges": len(charges(history)),
        "slowest takeover after a kill": _slowest_takeover(history),
        "longest gap between ends of bodies": _longest_gap([*history.starts, *history.ends]),
    }


def _slowest_takeover(history: History) -> float:
    killed = {event.key: event.at for event in history.events if event.kind == "killed"}
    dead = {change.owner: change.at for change in history.tables.changes if change.subject == "dead"}
    return max((dead[runner] - at for runner, at in killed.items() if runner in dead), default=0.0)


def _longest_gap(events: list[Event]) -> str:
    """The longest time in which no body ended, and when it began, from the first start of a body."""
    began = min((event.at for event in events), default=0.0)
    ends = sorted(event.at for event in events if event.kind == "end")
    gaps = ((later - sooner, sooner - began) for sooner, later in itertools.pairwise(ends))
    seconds, at = max(gaps, default=(0.0, 0.0))
    return f"{seconds:.2f} s (at {at:.1f} s)"
