"""What a deploy of new code means for unfinished executions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cloaca.authoring.workflow import Workflow
from cloaca.insights.tasks import SETTLED, task_records
from cloaca.model.graph import Graph
from cloaca.model.states import Status

if TYPE_CHECKING:
    from cloaca.model.rows import StoredAttempt
    from cloaca.store.steering import LiveRow
    from cloaca.store.store import Store

PAGE = 500
LIVE = (Status.PENDING, Status.RUNNING, Status.PAUSED)


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """What happens to one task, in how many of the unfinished executions.

    ``keeps``: it has ended there, and its result stays. ``runs_new``: it has not ended and will run the new code.
    ``runs_same``: it has not ended, and the execution was started with this same code. ``waits``: it has not ended,
    and its execution would wait.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling") as builder:
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.Client("sqlite:///app.db") as client:
        ...     started = client.start("doubling", {"n": 21})
        ...     plan = client.plan({"doubling": builder.build()})
        >>> plan.workflows[0].tasks
        [TaskPlan(task='double', keeps=0, runs_new=1, runs_same=0, waits=0)]
    """

    task: str
    keeps: int
    runs_new: int
    runs_same: int
    waits: int


@dataclass(frozen=True, slots=True)
class WorkflowPlan:
    """What happens to the unfinished executions of one workflow.

    ``live`` is their number. ``unchanged`` of these were started with this same code; ``waits`` would wait, for the reasons
    in ``why``. ``tasks`` lists the tasks of the new code, followed by those that only executions have.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling") as builder:
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.Client("sqlite:///plan.db") as client:
        ...     started = client.start("doubling", {"n": 21})
        ...     plan = client.plan({"doubling": builder.build()})
        >>> plan.workflows[0].live, plan.workflows[0].waits, plan.workflows[0].why
        (1, 0, [])
    """

    workflow: str
    live: int
    unchanged: int
    waits: int
    why: list[str]
    tasks: list[TaskPlan]


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What a deploy means, by workflow: those given, then others with unfinished executions, in alphabetical order each.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling") as builder:
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.Client("sqlite:///deploy.db") as client:
        ...     started = client.start("doubling", {"n": 21})
        ...     plan = client.plan({"doubling": builder.build()})
        >>> plan.waits, plan.workflows[0].live, plan.workflows[0].tasks[0].runs_new
        (False, 1, 1)
    """

    workflows: list[WorkflowPlan]

    @property
    def waits(self) -> bool:
        """Whether any execution would wait."""
        return any(workflow.waits for workflow in self.workflows)


class Live(NamedTuple):
    """An unfinished execution; ``graph`` is ``None`` if its first claim has yet to choose one."""

    workflow: str
    version: str
    graph: Graph | None
    round_fence: int
    attempts: list[StoredAttempt]


def plan_of(
    workflows: Mapping[str, Workflow], live: Iterable[Live], *, same_version: bool = False
) -> UpgradePlan:
    """What it means for unfinished executions if these workflows, by registered name, run from now on.

    Args:
        same_version: Whether an execution runs only under the version it was started with.
    """
    counts = {name: _Counts(_named(name, workflow)) for name, workflow in sorted(workflows.items())}
    others: dict[str, _Counts] = {}
    for one in live:
        found = counts.get(one.workflow) or others.setdefault(one.workflow, _Counts(None))
        found.add(one, same_version=same_version)
    return UpgradePlan([counts.plan(name) for name, counts in [*counts.items(), *sorted(others.items())]])


def _named(name: str, workflow: Workflow) -> Workflow:
    """The workflow under its registered name, which is part of its structure."""
    return workflow if workflow.name == name else Workflow(name, tasks=workflow.bound)


class _Counts:
    """The counts for one workflow; ``None`` stands for one that is not part of the new code."""

    def __init__(self, workflow: Workflow | None) -> None:
        self._workflow = workflow
        self._live = self._unchanged = self._waits = 0
        self._why: dict[str, int] = {}
        ids = workflow.graph.ids if workflow else ()
        self._tasks: dict[str, dict[str, int]] = {task: _zero() for task in ids}

    def add(self, one: Live, *, same_version: bool) -> None:
        """Count an execution."""
        why = _why_it_waits(self._workflow, one, same_version=same_version)
        is_same = self._workflow is not None and one.version == self._workflow.version
        self._live += 1
        self._unchanged += is_same and why is None
        if why is not None:
            self._waits += 1
            self._why[why] = self._why.get(why, 0) + 1
        verb = "waits" if why is not None else "runs_same" if is_same else "runs_new"
        for task, is_decided in _decided(self._workflow, one):
            self._tasks.setdefault(task, _zero())["keeps" if is_decided else verb] += 1

    def plan(self, name: str) -> WorkflowPlan:
        """The result of counting."""
        tasks = [TaskPlan(task, **numbers) for task, numbers in self._tasks.items()]
        why = [f"{number} of {self._live}: {text}" for text, number in self._why.items()]
        return WorkflowPlan(name, self._live, self._unchanged, self._waits, why, tasks)


def _zero() -> dict[str, int]:
    return dict.fromkeys(("keeps", "runs_new", "runs_same", "waits"), 0)


def _why_it_waits(workflow: Workflow | None, one: Live, *, same_version: bool) -> str | None:
    if workflow is None:
        return "this code does not register the workflow"
    if one.graph is not None and one.graph.structure != workflow.graph.structure:
        return "they were started with different tasks, dependencies or rules"
    if same_version and one.version not in ("", workflow.version):
        return (
            f"they were started with a version other than {workflow.version}, and on_version_change is 'wait'"
        )
    return None


def _decided(workflow: Workflow | None, one: Live) -> Iterator[tuple[str, bool]]:
    """The tasks of an execution, each with whether it has ended for good."""
    graph = one.graph or (workflow.graph if workflow else None)
    if graph is not None:
        for task in task_records(graph, one.attempts, round_fence=one.round_fence).values():
            yield task.id, task.status in SETTLED


# -- reading -----------------------------------------------------------------------------------------------------------


def live_executions(store: Store) -> Iterator[Live]:
    """All unfinished executions, read page by page, each page as it is at that time."""
    graphs: dict[str, Graph] = {}
    table = store.steering
    for workflow in table.workflows():
        for status in LIVE:
            after = 0
            while page := table.of_workflow(workflow, status.value, after=after, limit=PAGE):
                after = page[-1].seq
                _learn(store, graphs, page)
                outcomes = table.outcomes([row.id for row in page])
                for row in page:
                    yield Live(
                        workflow, row.version, graphs.get(row.structure), row.round_fence, outcomes[row.id]
                    )


def _learn(store: Store, graphs: dict[str, Graph], page: Iterable[LiveRow]) -> None:
    """Read those graphs of a page that are not known yet."""
    unknown = {row.structure for row in page} - graphs.keys() - {""}
    if unknown:
        graphs.update({name: Graph.from_json(text) for name, text in store.read_structures(unknown).items()})
