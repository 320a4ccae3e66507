"""What must hold of a history, whatever crashed when: the invariants that one database and one runner at a time have.

Everything is checked against the audit of the tables and what bodies and starters wrote down outside the database.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.crash.journal import Event
from tests.crash.tables import Change, Tables, saw

DECIDED = {"Completed", "Failed", "Skipped"}
FENCE_OF_FORKS = 2
FINAL = {"Completed", "Failed", "Cancelled"}
WITHOUT_BODY = {"TaskTimeoutError", "WorkflowTimeoutError", "CrashLimitError", "DatabaseError"}
"""Failures that the engine decides on without a body's word."""


@dataclass(frozen=True)
class Expected:
    """What a workflow comes to. ``attempts`` are those that its tasks settle if nothing crashes; 0 is skipped."""

    status: str
    context: Mapping[str, Any]
    attempts: Mapping[str, int]
    statuses: Mapping[str, str]


@dataclass(frozen=True)
class History:
    """All that is known of a past.

    Attributes:
        interruptions: How many processes were killed, or left while bodies ran.
        expected: By workflow.
        is_over: Whether all faults have ceased and everything has had its time to finish.
        verbs: By execution, how often people have steered it at most: each may have a task run once more. A fork counts
            as steered once, for the attempts it keeps are another's.
    """

    tables: Tables
    events: list[Event]
    interruptions: int
    expected: Mapping[str, Expected]
    is_over: bool = True
    verbs: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def starts(self) -> list[Event]:
        return [event for event in self.events if event.kind == "start"]

    @cached_property
    def ends(self) -> list[Event]:
        return [event for event in self.events if event.kind == "end"]

    @cached_property
    def workflows(self) -> dict[str, str]:
        return {execution.id: execution.workflow for execution in self.tables.executions}

    @cached_property
    def dependencies(self) -> dict[str, dict[str, list[str]]]:
        return {e.id: self.tables.dependencies[e.structure] for e in self.tables.executions}

    @cached_property
    def forks(self) -> set[str]:
        """Executions that began as forks: with the second fence, and nobody's."""
        return {
            c.execution
            for c in self.tables.changes
            if c.subject == "execution" and c.before is None and c.fence == FENCE_OF_FORKS
        }

    @cached_property
    def settles(self) -> list[Change]:
        return [
            c for c in self.tables.changes if c.subject == "attempt" and c.after in DECIDED | {"Retrying"}
        ]

    @cached_property
    def decided(self) -> dict[tuple[str, str], list[Change]]:
        """The changes that decided each task."""
        found: dict[tuple[str, str], list[Change]] = defaultdict(list)
        for change in self.settles:
            if change.after in DECIDED:
                found[change.execution, change.task].append(change)
        return found


def violations(history: History) -> list[str]:
    """Every breach of an invariant, each beginning with its number."""
    return [
        f"{check.__name__[:3].strip('_').upper()} {found}" for check in CHECKS for found in check(history)
    ]


def i1_acknowledged_starts_exist(history: History) -> Iterator[str]:
    """A start that was acknowledged exists; one key gives one execution."""
    acknowledged = [event for event in history.events if event.kind == "acknowledged"]
    for event in acknowledged:
        if event.execution not in history.workflows:
            yield f"execution {event.execution} was acknowledged and does not exist"
    keys = {(e.workflow, e.key, e.execution) for e in acknowledged if e.key}
    keys |= {(e.workflow, e.key, e.id) for e in history.tables.executions if e.key}
    for (workflow, key), times in Counter(key[:2] for key in keys).items():
        if times > 1:
            yield f"key {key!r} of {workflow!r} stands for {times} executions"


def i2_one_live_owner(history: History) -> Iterator[str]:
    """An execution is taken only when it is free, under a fence that was never used; only its owner writes it."""
    dead: set[str | None] = set()
    for change in history.tables.changes:
        if change.subject in ("dead", "left"):
            dead.add(change.owner)
        elif change.subject == "execution":
            yield from _ownership(change, dead)
        elif change.subject == "attempt" and change.after not in ("Suspect", change.before):
            yield from _writing(change, dead, history.forks)


def _ownership(change: Change, dead: set[str | None]) -> Iterator[str]:
    before, owner, where = (
        change.owner_before,
        change.owner,
        f"execution {change.execution}, change {change.seq}",
    )
    if before and owner and before != owner:
        yield f"{where}: {owner} took it from {before}, who owned it"
    if owner and owner != before and change.before in FINAL | {"Paused"}:
        yield f"{where}: {owner} claimed it while it was {change.before}"
    if owner and owner != before and change.before and change.fence <= change.fence_before:
        yield f"{where}: claimed under fence {change.fence} after {change.fence_before}"
    if change.fence < (change.fence_before or 0):
        yield f"{where}: its fence fell from {change.fence_before} to {change.fence}"
    if (
        before
        and not owner
        and change.writer != before
        and before not in dead
        and change.after != "Cancelled"
    ):
        yield f"{where}: {change.writer} took it away from {before}, who lives"
    if owner and owner != before and change.writer != owner:
        yield f"{where}: {change.writer} gave it to {owner}"


def _writing(change: Change, dead: set[str | None], forks: set[str]) -> Iterator[str]:
    where = f"task {change.task} of {change.execution}, change {change.seq}"
    if change.owner is None:
        is_kept = change.execution in forks and change.fence == FENCE_OF_FORKS and change.after == "Completed"
        if change.after != "Cancelled" and not is_kept:
            yield f"{where}: it became {change.after} while nobody owned it"
        return
    if change.writer != change.owner:
        yield f"{where}: {change.writer} wrote it while {change.owner} owned it"
    if change.owner in dead or change.owner_epoch != 0:
        yield f"{where}: {change.owner} wrote it after it was declared dead"


def i3_one_terminal_commit(history: History) -> Iterator[str]:
    """A task is decided once, by a body that ran under the fence of that moment."""
    for (execution, task), changes in history.decided.items():
        # A retry decides again what has failed, and what was skipped.
        is_steered = history.verbs.get(execution)
        if len(changes) > 1 and (not is_steered or any(c.after == "Completed" for c in changes[:-1])):
            yield f"task {task} of {execution} was decided {len(changes)} times"
    ended = defaultdict(list)
    for end in history.ends:
        ended[end.execution, end.task, end.attempt, end.fence].append(end.seen)
    for change in history.settles:
        if change.after == "Skipped" or change.error in WITHOUT_BODY or change.owner is None:
            continue
        seen = ended[change.execution, change.task, change.attempt, change.fence]
        if history.verbs.get(change.execution):
            # A body runs under the claim, and is settled under what people have made of its fence since.
            seen = [
                moment
                for fence in range(change.fence + 1)
                for moment in ended[change.execution, change.task, change.attempt, fence]
            ]
        if all(saw(moment, change) for moment in seen):
            yield (
                f"attempt {change.attempt} of task {change.task} of {change.execution} was settled under fence "
                f"{change.fence}, under which no body had ended"
            )


def i4_bodies_start_after_their_dependencies(history: History) -> Iterator[str]:
    """A body starts where it is to run, and everybody can see then that its dependencies have ended as they are to."""
    for start in history.starts:
        expected = history.expected.get(history.workflows.get(start.execution, ""))
        statuses = expected.statuses if expected else {}
        if start.task is not None and statuses.get(start.task) == "Skipped":
            yield f"task {start.task} of {start.execution} started and was to be skipped"
        for dependency in history.dependencies.get(start.execution, {}).get(start.task, ()):
            commits = history.decided[start.execution, dependency]
            wanted = statuses.get(dependency, "Completed")
            if not any(saw(start.seen, c) and c.after == wanted for c in commits):
                yield f"task {start.task} of {start.execution} started before the commit of {dependency}"


def i5_final_states_stay(history: History) -> Iterator[str]:
    """What is final never changes."""
    for change in history.tables.changes:
        is_retried = change.before in ("Failed", "Cancelled") and change.fence > change.fence_before
        is_steered = history.verbs.get(change.execution)
        if change.subject == "execution" and change.before in FINAL and not (is_steered and is_retried):
            yield f"execution {change.execution} was {change.before} and became {change.after}"
        if change.subject == "attempt" and change.before in DECIDED | {"Retrying", "Cancelled"}:
            yield f"task {change.task} of {change.execution} was {change.before} and became {change.after}"


def i6_everything_finishes(history: History) -> Iterator[str]:
    """Nothing is in a state that no recovery selects; and once faults have ceased, all is finished."""
    for execution in history.tables.executions:
        if execution.owner and execution.owner not in history.tables.runners and not execution.is_finished:
            yield f"execution {execution.id} belongs to {execution.owner}, a runner nobody knows of"
        if execution.is_finished != (execution.status in FINAL):
            yield f"execution {execution.id} is {execution.status}, finished: {execution.is_finished}"
        if execution.is_finished and execution.owner:
            yield f"execution {execution.id} is finished and owned by {execution.owner}"
        if history.is_over and not execution.is_finished:
            yield f"execution {execution.id} of {execution.workflow} never finished: {execution.status}"
    if history.is_over and history.tables.runners:
        yield f"runners are left behind: {sorted(history.tables.runners)}"


def i7_runs_are_bounded(history: History) -> Iterator[str]:
    """A body runs for each attempt once, and once more for each interruption at most."""
    runs = Counter((start.execution, start.task) for start in history.starts)
    for (execution, task), times in runs.items():
        expected = history.expected.get(history.workflows.get(execution, ""))
        verbs = history.verbs.get(execution, 0)
        if expected and times > expected.attempts[task] + history.interruptions + verbs:
            yield (
                f"task {task} of {execution} ran {times} times with {history.interruptions} interruptions and {verbs} verbs"
            )


def i8_bodies_run_once(history: History) -> Iterator[str]:
    """A body runs once under each claim, never after its commit, and exactly once where nothing was interrupted."""
    runs = Counter((start.execution, start.task, start.attempt, start.fence) for start in history.starts)
    for (execution, task, attempt, fence), times in runs.items():
        if times > 1:
            yield f"attempt {attempt} of task {task} of {execution} ran {times} times under fence {fence}"
    settled = {(c.execution, c.task, c.attempt): c for c in reversed(history.settles)}
    for start in history.starts:
        commit = settled.get((start.execution, start.task, start.attempt))
        # A body that was stopped between its start and its look at the database sees what came later.
        if commit is not None and saw(start.seen, commit) and commit.at < start.began:
            yield f"attempt {start.attempt} of task {start.task} of {start.execution} ran after its commit"
    yield from _never_after_it_completed(history)
    if not history.interruptions and not history.verbs and history.is_over:
        yield from _exactly_once(history)


def _never_after_it_completed(history: History) -> Iterator[str]:
    """Whatever the round and the number of the attempt."""
    for start in history.starts:
        commits = history.decided[start.execution, start.task]
        if any(c.after == "Completed" and saw(start.seen, c) and c.at < start.began for c in commits):
            yield f"task {start.task} of {start.execution} ran after it had completed"


def _exactly_once(history: History) -> Iterator[str]:
    runs = Counter((start.execution, start.task) for start in history.starts)
    for execution in history.tables.executions:
        expected = history.expected.get(execution.workflow)
        for task, attempts in expected.attempts.items() if expected else ():
            if runs[execution.id, task] != attempts:
                yield f"task {task} of {execution.id} ran {runs[execution.id, task]} times, not {attempts}"


def i9_results_are_right(history: History) -> Iterator[str]:
    """Status and final context are those of the reference, whatever finished first."""
    for event in history.events:
        expected = history.expected.get(event.workflow)
        if event.kind != "result" or expected is None:
            continue
        if event.status != expected.status:
            yield f"execution {event.execution} of {event.workflow} is {event.status}, not {expected.status}"
        context = expected.context
        if history.verbs.get(event.execution):
            # In which attempt a task completes depends on where it was cancelled.
            context = {**context, **{task: (event.context or {}).get(task) for task in expected.attempts}}
        if event.context != context:
            yield f"{event.workflow} {event.execution} left {event.context}, not {dict(expected.context)}"


def i11_rows_tell_the_status(history: History) -> Iterator[str]:
    """The attempts are gapless and give the status that each task and its execution have."""
    attempts = defaultdict(list)
    for row in history.tables.attempts:
        attempts[row.execution, row.task].append(row)
    for execution in history.tables.executions:
        expected = history.expected.get(execution.workflow)
        if expected is None or not execution.is_finished:
            continue
        for task, status in expected.statuses.items():
            rows = attempts[execution.id, task]
            if history.verbs.get(execution.id):
                if not rows or rows[-1].status != status:
                    yield f"task {task} of {execution.id} has attempts {[row[2:4] for row in rows]}"
                continue
            numbers, wanted = [row.attempt for row in rows], expected.attempts[task]
            if numbers != (list(range(1, wanted + 1)) or [0]) or rows[-1].status != status:
                yield f"task {task} of {execution.id} has attempts {[row[2:4] for row in rows]}"


def i14_the_file_is_sound(history: History) -> Iterator[str]:
    """The database passes its own check."""
    if history.tables.integrity != "ok":
        yield f"the integrity check says {history.tables.integrity}"


CHECKS = (
    i1_acknowledged_starts_exist,
    i2_one_live_owner,
    i3_one_terminal_commit,
    i4_bodies_start_after_their_dependencies,
    i5_final_states_stay,
    i6_everything_finishes,
    i7_runs_are_bounded,
    i8_bodies_run_once,
    i9_results_are_right,
    i11_rows_tell_the_status,
    i14_the_file_is_sound,
)
