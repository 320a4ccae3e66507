"""People steer what a process runs, and the process is killed at any commit, those of the verbs included."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import cloaca
from cloaca.errors import ExecutionStateError
from cloaca.runner import config
from tests.crash import postgres_kills
from tests.crash.audits import count_runners, read_tables
from tests.crash.history import Expected, History, violations
from tests.crash.kills import Fuse, Installed, at_all_commits, in_process
from tests.crash.points import KILLED, MOST_POINTS, SHORT_BACKOFF, Figures, prepared, site_of
from tests.crash.processes import PATIENCE_SECONDS, Scenario, Site, note_result, runner_on, until
from tests.crash.shapes import CHAIN, START, Shape, Step, expected_of
from tests.crash.told import untold

STEERED = Shape(
    "steered",
    (Step("a"), Step("slow", ("a",), seconds=0.04), Step("bad", ("slow",), fails=1), Step("last", ("bad",))),
)
"""Its first round fails, unless an attempt of ``bad`` was cancelled before."""
MENDED = Shape(STEERED.name, tuple(Step(step.id, step.after) for step in STEERED.steps))
"""What all rounds together come to."""
SCENARIO = Scenario("steered", (STEERED, CHAIN))
VERBS = 30
"""More than are done to one execution."""
PATROL_SECONDS = 0.05
"""How soon a runner sees what was steered from outside, on a database that cannot tell it."""


@dataclass(frozen=True)
class SteeredSeries:
    """One script of verbs, killed at the first, the second, the third ... commit.

    Attributes:
        by_client: Steer through a connection of another process's kind, of which the runner is not told.
    """

    after: bool
    by_client: bool
    kind: str = "sqlite"

    @property
    def label(self) -> str:
        by = "a client" if self.by_client else "the owner"
        return f"steered by {by}, {'after' if self.after else 'before'} a commit"


def run_steered(series: SteeredSeries) -> Figures:
    """Run all points of a series, in a process that has no thread and no connection."""
    figures = Figures()
    for number in range(1, MOST_POINTS):
        if not _run_point(series, number, figures):
            return figures
    figures.violations.append(f"{series.label}: never completed without being killed")
    return figures


def _run_point(series: SteeredSeries, number: int, figures: Figures) -> bool:
    counted: Installed = postgres_kills.at_commits if series.kind == "postgres" else at_all_commits
    with site_of(f"{series.label} {number}", figures, series.kind) as (site, found):
        script = partial(_quick, partial(steer_all, site, by_client=series.by_client))
        fuse = partial(Fuse, number, after=series.after)
        processes: list[Callable[[], None]] = [
            partial(prepared, script, counted, fuse, SHORT_BACKOFF),
            partial(prepared, partial(_quick, partial(bring_to_an_end, site)), backoff=SHORT_BACKOFF),
        ]
        exits = [in_process(process, site.log) for process in processes]
        was_killed = exits[0] == KILLED
        figures.points += 1
        figures.kills += was_killed
        if exits[1] or (exits[0] and not was_killed):
            found.append(f"processes ended with {exits}")
        found.extend(check_steered(site, interruptions=was_killed))
    return was_killed


def _quick(work: Callable[[], None]) -> None:
    """Work in a process whose runners look again soon."""
    config.__dict__["PATROL_SECONDS"] = PATROL_SECONDS
    work()


def check_steered(site: Site, *, interruptions: int) -> list[str]:
    """What is wrong with what has come of a script."""
    expected: dict[str, Expected] = {shape.name: expected_of(shape) for shape in (MENDED, CHAIN)}
    tables, events = read_tables(site.url), site.journal.read()
    deleted = {event.execution for event in events if event.kind == "deleting"}
    known = [event for event in events if event.execution not in deleted or event.kind in ("start", "end")]
    there = {execution.id for execution in tables.executions}
    verbs = dict.fromkeys((change.execution for change in tables.changes), VERBS)
    found = violations(History(tables, known, interruptions, expected, verbs=verbs)) + untold(site.url)
    for event in events:
        if event.kind == "deleted" and event.execution in there:
            found.append(f"I5 execution {event.execution} was deleted and is there")
        if event.kind == "forked" and event.execution not in there:
            found.append(f"I1 fork {event.execution} was acknowledged and is not there")
    if len([execution for execution in tables.executions if execution.workflow == STEERED.name]) < 2:
        found.append("I6 there is no fork")
    return found


# -- the processes -----------------------------------------------------------------------------------------------------


def steer_all(site: Site, *, by_client: bool) -> None:
    """Start two executions, and do everything to them that can be done."""
    with _steerer(site, by_client=by_client) as (runner, steerer):
        handles = [runner.start(shape.name, START, idempotency_key=shape.name) for shape in (STEERED, CHAIN)]
        for handle in handles:
            site.journal.write(
                "acknowledged", handle.execution_id, workflow=handle.workflow_name, key=handle.workflow_name
            )
        first, second = (handle.execution_id for handle in handles)
        for verb in (steerer.pause, steerer.resume):
            _attempt(verb, first)
        until(lambda: any(event.task == "slow" for event in site.journal.read()))
        for verb in (steerer.cancel, steerer.retry, steerer.pause, steerer.resume):
            _attempt(verb, first)
        _finish(runner, steerer, first)
        _fork(site, steerer, first)
        handles[1].result(PATIENCE_SECONDS)
        _delete(site, steerer, second)
        _finish_all(runner, steerer)


def bring_to_an_end(site: Site) -> None:
    """Resume and retry what others have left, until all of it has completed."""
    with runner_on(site, SCENARIO, register_first=True) as runner:
        start = runner.start(STEERED.name, START, idempotency_key=STEERED.name)
        _finish_all(runner, runner)
        if not any(event.kind == "forked" for event in site.journal.read()):
            _fork(site, runner, start.execution_id)
            _finish_all(runner, runner)
        for found in runner.list_executions(limit=1000):
            note_result(site, runner.get_handle(found.execution_id), runner)
        until(lambda: count_runners(site.url) == 1)


@contextlib.contextmanager
def _steerer(site: Site, *, by_client: bool) -> Iterator[tuple[cloaca.DefaultRunner, Any]]:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(cloaca.Client(site.url)) if by_client else None
        if client is not None:
            # Its first use makes the tables, and the audit that no turn may be in the way of.
            client.list_executions(limit=1)
        runner = stack.enter_context(runner_on(site, SCENARIO, register_first=True))
        yield runner, client or runner


def _attempt(verb: Callable[[str], None], execution: str) -> None:
    """Do it, if it is not too late."""
    with contextlib.suppress(ExecutionStateError):
        verb(execution)


def _fork(site: Site, steerer: Any, source: str) -> None:
    fork = steerer.fork(source, "bad")
    site.journal.write("forked", fork.execution_id)


def _delete(site: Site, steerer: Any, execution: str) -> None:
    site.journal.write("deleting", execution)
    steerer.delete(execution)
    site.journal.write("deleted", execution)


def _finish_all(runner: cloaca.DefaultRunner, steerer: Any) -> None:
    for found in runner.list_executions(limit=1000):
        _finish(runner, steerer, found.execution_id)


def _finish(runner: cloaca.DefaultRunner, steerer: Any, execution: str) -> None:
    """Resume it and retry it until it has completed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := str(runner.get_execution(execution).status)) != "Completed":
        if time.monotonic() > deadline:
            raise TimeoutError(f"execution {execution} is {status} after {PATIENCE_SECONDS:g} s")
        if status == "Paused":
            _attempt(steerer.resume, execution)
        elif status in ("Failed", "Cancelled"):
            _attempt(steerer.retry, execution)
        else:
            time.sleep(0.005)
