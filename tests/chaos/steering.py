"""What must hold of a history in which people have steered, beyond the invariants."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from tests.crash.history import FINAL, History
from tests.crash.journal import Event
from tests.crash.tables import Change, Tables

KINDS = {"cancel": "Cancelled", "pause": "Paused", "resume": "Resumed", "retry": "Retried"}
"""The event that each verb leaves."""

IN_EFFECT = {"cancel": {"Cancelled"}, "pause": {"Paused"}, "resume": {"Pending", "Running"}, "retry": set()}
"""The states in which a verb has nothing to change."""

SECONDS_TO_HEAR = 5.0
"""After a verb, for a runner that is not stopped and a server that answers, on a machine that is busy."""

CLOCK = 0.005
"""Seconds by which the clocks of journal and audit differ."""


def times_steered(tables: Tables, events: list[Event]) -> Counter[str]:
    """By execution, how often it was steered at most."""
    forks = History(tables, events, 0, {}).forks
    return Counter(event.execution for event in events if event.kind == "asks") + Counter(forks)


class Asked(NamedTuple):
    """A verb, and what whoever asked for it was told, if they lived; ``moment`` is stored of it."""

    verb: str
    execution: str
    moment: float
    told: str
    told_at: float


class Span(NamedTuple):
    """A time during which an execution had one status, under this fence at first."""

    begin: float
    status: str | None
    fence: int


class Steered:
    """The history of what people have steered."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.there = {execution.id for execution in history.tables.executions}
        self.removed = {
            change.execution: change for change in history.tables.changes if change.subject == "removed"
        }

    @cached_property
    def asked(self) -> list[Asked]:
        told = {(e.pid, e.execution, e.began): e for e in self.history.events if e.kind == "told"}
        found = []
        for event in self.history.events:
            if event.kind == "asks":
                answer = told.get((event.pid, event.execution, event.began))
                found.append(
                    Asked(
                        event.key or "", event.execution, event.began,
                        answer.status if answer else "", answer.at if answer else float("inf"),
                    )
                )  # fmt: skip
        return found

    @cached_property
    def stored(self) -> set[tuple[str, str, float]]:
        return {(h.execution, h.kind, h.at) for h in self.history.tables.happenings}

    @cached_property
    def spans(self) -> dict[str, list[Span]]:
        """What status each execution had from when on."""
        found: dict[str, list[Span]] = defaultdict(list)
        for change in self.history.tables.changes:
            if change.subject in ("execution", "removed"):
                spans = found[change.execution]
                if not spans or spans[-1].status != change.after:
                    spans.append(Span(change.at, change.after, change.fence or 0))
        return found

    def statuses(self, execution: str, begin: float, end: float) -> set[str | None]:
        """All that an execution may have been in a time; ``None`` where it was not there."""
        spans = self.spans.get(execution, [])
        first = bisect.bisect_right(spans, begin - CLOCK, key=lambda span: span.begin)
        before = spans[first - 1].status if first else None
        return {before, *(span.status for span in spans[first:] if span.begin <= end + CLOCK)}

    def was_done(self, asked: Asked) -> bool:
        return (asked.execution, KINDS[asked.verb], asked.moment) in self.stored


def steering_violations(history: History) -> list[str]:
    """Every breach of what verbs promise."""
    steered = Steered(history)
    return [line for check in CHECKS for line in check(steered)]


def answers_are_true(steered: Steered) -> Iterator[str]:
    """What was acknowledged is stored or was so already; what was refused is not, and was in a state to refuse it."""
    for asked in steered.asked:
        if asked.verb not in KINDS or asked.execution in steered.removed:
            continue
        where = f"{asked.verb} of {asked.execution}, asked at {asked.moment}"
        statuses = steered.statuses(asked.execution, asked.moment, asked.told_at)
        if asked.told == "done":
            if not steered.was_done(asked) and not statuses & IN_EFFECT[asked.verb]:
                yield f"{where}, was acknowledged and left no event; it was {statuses}"
        elif asked.told and steered.was_done(asked):
            yield f"{where}, was done, and whoever asked was told: {asked.told}"
        elif asked.told == "gone":
            yield f"{where}, was told that there is none, and it is there"
        elif asked.told.startswith("refused") and asked.told.removeprefix("refused: ") not in statuses:
            yield f"{where}, was {asked.told}; it was {statuses}"


def events_were_asked_for(steered: Steered) -> Iterator[str]:
    """Nobody but people steers, and what they ask for happens once."""
    asked = Counter(
        (one.execution, KINDS[one.verb], one.moment) for one in steered.asked if one.verb in KINDS
    )
    found = Counter(
        (h.execution, h.kind, h.at) for h in steered.history.tables.happenings if h.kind in KINDS.values()
    )
    for event, times in found.items():
        if times > asked[event]:
            yield f"there are {times} events {event}, and {asked[event]} were asked for"


def removals_were_asked_for(steered: Steered) -> Iterator[str]:
    """What is removed had ended, was meant, and leaves nothing; what was acknowledged as deleted is gone."""
    deletes = defaultdict(list)
    for asked in steered.asked:
        if asked.verb in ("delete", "prune"):
            deletes[asked.execution].append(asked)
            if asked.verb == "delete" and asked.told == "done" and asked.execution in steered.there:
                yield f"execution {asked.execution} was deleted and is there"
    for execution, change in steered.removed.items():
        if change.before not in FINAL:
            yield f"execution {execution} was removed while it was {change.before}"
        if not any(asked.moment <= change.at + CLOCK for asked in (*deletes[execution], *deletes[""])):
            yield f"execution {execution} was removed, and nobody had asked for it"
    tables = steered.history.tables
    left = {row.execution for row in tables.attempts} | {row.execution for row in tables.happenings}
    left -= steered.there
    if left:
        yield f"there are attempts or events of executions that are not there: {sorted(left)}"


def forks_are_there(steered: Steered) -> Iterator[str]:
    """A fork that was acknowledged exists, and no other does unless whoever asked for it was killed."""
    made = {event.execution for event in steered.history.events if event.kind == "forked"}
    for execution in made - steered.history.forks:
        yield f"fork {execution} was acknowledged and never was there"
    forks = [asked for asked in steered.asked if asked.verb == "fork"]
    # A command does not say which fork it has made.
    most = sum(asked.told in ("done", "") for asked in forks)
    if len(steered.history.forks) > most:
        yield f"there were {len(steered.history.forks)} forks, and {most} were asked for"


def nothing_starts_late(steered: Steered) -> Iterator[str]:
    """No body begins once its runner has had time to hear that its execution was cancelled or paused."""
    for verb, seconds, start in delays(steered):
        if seconds > SECONDS_TO_HEAR:
            yield f"task {start.task} of {start.execution} started {seconds:.2f} s after it was {verb}"


CHECKS = (
    answers_are_true,
    events_were_asked_for,
    removals_were_asked_for,
    forks_are_there,
    nothing_starts_late,
)


def delays(steered: Steered) -> Iterator[tuple[str, float, Event]]:
    """Each body that began after its execution was cancelled or paused, and how long its process could have known."""
    cancels: dict[str, list[Change]] = defaultdict(list)
    for change in steered.history.tables.changes:
        if change.subject == "execution" and change.after == "Cancelled" != change.before:
            cancels[change.execution].append(change)
    for start in steered.history.starts:
        over = [c.at for c in cancels[start.execution] if c.fence > start.fence and c.at < start.began]
        if over:
            yield "cancelled", _awake(steered.history, start.pid, over[0], start.began), start
        spans = steered.spans[start.execution]
        before = bisect.bisect_right(spans, start.began, key=lambda span: span.begin)
        if before and spans[before - 1].status == "Paused":
            yield "paused", _awake(steered.history, start.pid, spans[before - 1].begin, start.began), start


def _awake(history: History, pid: int, begin: float, end: float) -> float:
    """Seconds in which a process was not stopped and the server was there."""
    seconds = end - begin
    gone_from: float | None = None
    for event in history.events:
        is_its = event.kind in ("restarted", "serves") or event.workflow == str(pid)
        if is_its and event.kind in ("paused", "restarted"):
            gone_from = event.at if gone_from is None else gone_from
        elif is_its and event.kind in ("continued", "serves") and gone_from is not None:
            seconds -= max(0.0, min(end, event.at) - max(begin, gone_from))
            gone_from = None
    return seconds


def steering_figures(history: History) -> dict[str, object]:
    """How much was steered, and how soon it was known."""
    steered = Steered(history)
    done = Counter(asked.verb for asked in steered.asked if asked.told == "done")
    latest = {"cancelled": 0.0, "paused": 0.0}
    for verb, seconds, _ in delays(steered):
        latest[verb] = max(latest[verb], seconds)
    return {
        "verbs": dict(sorted(done.items())),
        "refused": sum(asked.told.startswith("refused") for asked in steered.asked),
        "killed in a verb": sum(not asked.told for asked in steered.asked),
        "removed": len(steered.removed),
        "latest start after a cancel": latest["cancelled"],
        "after a pause": latest["paused"],
    }
