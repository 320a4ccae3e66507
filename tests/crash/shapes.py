"""The workflows that are killed, described as data, and what each comes to by an independent reading of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import cloaca
from cloaca.model.rules import Rule
from tests.crash.audits import latest_change
from tests.crash.history import Expected
from tests.crash.journal import Journal
from tests.crash.tables import Seen

START = {"path": ["start"]}
Witness = Callable[[], Seen]
"""Reads what is committed."""


class StepFailed(Exception):
    """What a step that is meant to fail raises."""


@dataclass(frozen=True)
class Step:
    """A task: it appends its id to a list and sets a key of its own.

    Attributes:
        fails: How many of its attempts raise.
        executes: A workflow that its body executes and waits for.
        runs_if: What it asks its first dependency to have become, if it has a rule at all.
        at_start: Called when the body has begun, to do it harm.
    """

    id: str
    after: tuple[str, ...] = ()
    retries: int = 0
    fails: int = 0
    seconds: float = 0.0
    is_async: bool = False
    executes: str = ""
    runs_if: str = ""
    at_start: Callable[[], None] | None = None
    error: str = ""
    """The type of the error that the engine fails it with."""

    @property
    def attempts(self) -> int:
        return min(self.fails, self.retries) + 1

    @property
    def succeeds(self) -> bool:
        return self.fails <= self.retries and not self.error


@dataclass(frozen=True)
class Shape:
    """A workflow."""

    name: str
    steps: tuple[Step, ...]


def expected_of(shape: Shape) -> Expected:
    """What the shape comes to: a task runs if its rule holds, or unless a failure is before it.

    The list holds every completed task once, leaves in declared order, what they depend on before them.
    """
    steps = {step.id: step for step in shape.steps}
    statuses: dict[str, str] = {}
    for step in shape.steps:
        if step.runs_if:
            is_reached = statuses[step.after[0]] == step.runs_if
        else:
            is_reached = all(
                statuses[task] == "Completed" or (statuses[task] == "Skipped" and steps[task].runs_if)
                for task in step.after
            )
        statuses[step.id] = "Skipped" if not is_reached else "Completed" if step.succeeds else "Failed"
    needed = {task for step in shape.steps for task in step.after}
    path: dict[str, None] = {}
    for step in shape.steps:
        if step.id not in needed:
            _walk(step, steps, path)
    done = [task for task in path if statuses[task] == "Completed"]
    context = {"path": [*START["path"], *done]} | {task: steps[task].attempts for task in done}
    attempts = {task: steps[task].attempts if status != "Skipped" else 0 for task, status in statuses.items()}
    handled = {
        step.after[0] for step in shape.steps if step.runs_if == "Failed" and statuses[step.id] == "Completed"
    }
    failed = {task for task, status in statuses.items() if status == "Failed"}
    status = "Failed" if failed - handled else "Completed"
    return Expected(status, context, attempts, statuses)


def _walk(step: Step, steps: dict[str, Step], path: dict[str, None]) -> None:
    for task in step.after:
        _walk(steps[task], steps, path)
    path[step.id] = None


def _rule_of(step: Step) -> Rule | None:
    asks = {"Completed": cloaca.task_success, "Failed": cloaca.task_failed, "Skipped": cloaca.task_skipped}
    return asks[step.runs_if](step.after[0]) if step.runs_if else None


class Recorder:
    """Makes bodies that write down when they start and end."""

    def __init__(self, journal: Journal, url: str, witness: Callable[[str], Seen] = latest_change) -> None:
        self.journal = journal
        self._witness: Witness = lambda: witness(url)
        self.runner: cloaca.DefaultRunner | None = None
        """Where steps execute other workflows."""

    def register(self, shape: Shape) -> None:
        """Register the shape's workflow in this process."""
        with cloaca.WorkflowBuilder(shape.name):
            for step in shape.steps:
                declare = cloaca.task(
                    id=step.id, dependencies=step.after, retry_attempts=step.retries or None,
                    retry_delay_ms=20 if step.retries else None, trigger_rules=_rule_of(step),
                )  # fmt: skip
                declare(self._async_body(step) if step.is_async else self._body(step))

    def write(self, kind: str, handle: cloaca.TaskHandle, step: Step) -> None:
        """Note that a body starts or ends, and what it can see to be committed."""
        self.journal.write(
            kind, handle.execution_id, task=step.id, attempt=handle.attempt, fence=handle._job.claim,
            seen=self._witness(), began=handle._job.started_at,
        )  # fmt: skip

    def _body(self, step: Step) -> Callable[[cloaca.Context, cloaca.TaskHandle], None]:
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            self._begin(step, handle)
            time.sleep(step.seconds)
            if step.executes and self.runner is not None:
                self.runner.execute(step.executes, START)
            self._end(step, context, handle)

        return body

    def _async_body(self, step: Step) -> Callable[[cloaca.Context, cloaca.TaskHandle], Awaitable[None]]:
        async def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            self._begin(step, handle)
            await asyncio.sleep(step.seconds)
            self._end(step, context, handle)

        return body

    def _begin(self, step: Step, handle: cloaca.TaskHandle) -> None:
        self.write("start", handle, step)
        if step.at_start:
            step.at_start()

    def _end(self, step: Step, context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        if handle.attempt > step.fails:
            context["path"].append(step.id)
            context[step.id] = handle.attempt
        self.write("end", handle, step)
        if handle.attempt <= step.fails:
            raise StepFailed(step.id)


CHAIN = Shape("chain", (Step("a"), Step("b", ("a",)), Step("c", ("b",))))
DIAMOND = Shape(
    "diamond", (Step("a"), Step("left", ("a",)), Step("right", ("a",)), Step("join", ("left", "right")))
)
WIDE = Shape(
    "wide",
    (
        Step("a"),
        *(Step(f"w{n}", ("a",)) for n in range(6)),
        Step("join", tuple(f"w{n}" for n in range(6))),
    ),
)
FAILING = Shape(
    "failing",
    (
        Step("a"),
        Step("bad", ("a",), fails=1),
        Step("after_bad", ("bad",)),
        Step("far_after_bad", ("after_bad",)),
        Step("good", ("a",)),
        Step("after_good", ("good",)),
        Step("join", ("after_good", "far_after_bad")),
    ),
)
RETRYING = Shape(
    "retrying", (Step("a", retries=2, fails=2), Step("b", ("a",), retries=1, fails=1), Step("c", ("b",)))
)
MIXED = Shape(
    "mixed",
    (
        Step("a", is_async=True),
        Step("thread", ("a",)),
        Step("loop", ("a",), is_async=True, seconds=0.01),
        Step("join", ("thread", "loop"), is_async=True),
        Step("last", ("join",)),
    ),
)
SLOW = Shape(
    "slow", (Step("a"), Step("long", ("a",), seconds=0.15), Step("b", ("a",)), Step("c", ("long", "b")))
)
GIVES_UP = Shape("gives_up", (Step("a", retries=1, fails=2), Step("b", ("a",)), Step("c")))
RULED = Shape(
    "ruled",
    (
        Step("a"),
        Step("bad", ("a",), retries=1, fails=2),
        Step("mend", ("bad",), runs_if="Failed"),
        Step("use", ("bad",), runs_if="Completed"),
        Step("told", ("use", "mend"), runs_if="Skipped"),
        Step("never", ("told",), runs_if="Failed"),
        Step("join", ("mend", "use", "never")),
    ),
)
PARENT = Shape("parent", (Step("a"), Step("calls", ("a",), executes="chain"), Step("b", ("calls",))))
