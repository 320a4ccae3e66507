"""Where two executions differ, according to what is stored; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cloaca.insights.reading import Stored, input_texts, tasks_of
from cloaca.insights.records import TaskRecord
from cloaca.model.delta import Delta
from cloaca.model.graph import Graph
from cloaca.model.rows import StoredAttempt
from cloaca.model.states import TaskStatus


class DifferenceKind(StrEnum):
    """The kind of difference at one place; compares equal to its name."""

    WORKFLOW = "Workflow"
    INPUT = "Input"
    STRUCTURE = "Structure"
    STATUS = "Status"
    ERROR = "Error"
    WRITTEN = "Written"


_WHERE = {
    DifferenceKind.WORKFLOW: "the workflow is",
    DifferenceKind.INPUT: "input {key!r} is",
    DifferenceKind.STRUCTURE: "task {task!r}",
    DifferenceKind.STATUS: "task {task!r} is",
    DifferenceKind.ERROR: "task {task!r} failed with",
    DifferenceKind.WRITTEN: "the change of {key!r} by task {task!r} is",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two executions differ.

    ``task`` is ``None`` if it is in their inputs or workflows; ``key`` is set if it is a context key. ``a`` and ``b`` are the
    two values: a status, the type of an error, dependencies, or the JSON text of a value or change; ``None`` if there is
    nothing.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling"):
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     a, b = (runner.execute("doubling", {"n": n}).execution_id for n in (1, 2))
        ...     found = runner.diff(a, b)
        >>> found.first.text
        "input 'n' is 1 in A and 2 in B"
    """

    kind: DifferenceKind
    task: str | None
    key: str | None
    a: str | None
    b: str | None

    @property
    def text(self) -> str:
        """The difference as a sentence."""
        if self.kind is DifferenceKind.STRUCTURE:
            a, b = ("is absent" if text is None else f"runs {text}" for text in (self.a, self.b))
        else:
            a, b = _shown(self.a), _shown(self.b)
        return f"{_WHERE[self.kind].format(task=self.task, key=self.key)} {a} in A and {b} in B"


@dataclass(frozen=True, slots=True)
class ExecutionDiff:
    """All places in which two executions differ, first difference first; false if there are none.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling"):
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     a, b = (runner.execute("doubling", {"n": n}).execution_id for n in (1, 2))
        ...     found = runner.diff(a, b)
        >>> [(one.task, one.key) for one in found.differences]
        [(None, 'n'), ('double', 'twice')]
    """

    a: str
    b: str
    differences: list[Difference]

    @property
    def first(self) -> Difference | None:
        """The first difference."""
        return self.differences[0] if self.differences else None

    def __bool__(self) -> bool:
        return bool(self.differences)


def difference_of(a: Stored, b: Stored) -> ExecutionDiff:
    """Where two executions differ: inputs first, then tasks in topological order."""
    return ExecutionDiff(a.row.id, b.row.id, list(_differences(a, b)))


def _differences(a: Stored, b: Stored) -> Iterator[Difference]:
    if a.row.workflow != b.row.workflow:
        yield Difference(DifferenceKind.WORKFLOW, None, None, a.row.workflow, b.row.workflow)
    yield from _keys(DifferenceKind.INPUT, None, input_texts(a.row.input), input_texts(b.row.input))
    of_a, of_b = _Side(a), _Side(b)
    for task in _order(a.graph, b.graph):
        place = of_a.place(task), of_b.place(task)
        if place[0] != place[1]:
            yield Difference(DifferenceKind.STRUCTURE, task, None, *place)
        if task in of_a.tasks and task in of_b.tasks:
            yield from _outcomes(task, of_a, of_b)


class _Side:
    """One of the two executions."""

    def __init__(self, stored: Stored) -> None:
        self._graph = stored.graph
        self.tasks: Mapping[str, TaskRecord] = tasks_of(*stored)
        self._left = {
            attempt.task: attempt for attempt in stored.attempts if attempt.status == TaskStatus.COMPLETED
        }

    def place(self, task: str) -> str | None:
        """Its dependencies and its rule."""
        node = self._graph.index.get(task)
        if node is None:
            return None
        after = ", ".join(self._graph.ids[dep] for dep in self._graph.dependencies[node]) or "nothing"
        rule = self._graph.rules.get(node)
        return f"after {after}" + (f", if {rule!r}" if rule is not None else "")

    def written(self, task: str) -> dict[str, str]:
        """Its change to each key, as JSON text."""
        attempt: StoredAttempt | None = self._left.get(task)
        operations = Delta.from_text(attempt.delta).operations if attempt and attempt.delta else {}
        return {key: Delta({key: operation}).text for key, operation in operations.items()}

    def failure(self, task: str) -> str | None:
        record = self.tasks[task]
        return record.error.type if record.error and record.status is TaskStatus.FAILED else None


def _outcomes(task: str, a: _Side, b: _Side) -> Iterator[Difference]:
    statuses = a.tasks[task].status.value, b.tasks[task].status.value
    if statuses[0] != statuses[1]:
        yield Difference(DifferenceKind.STATUS, task, None, *statuses)
    failures = a.failure(task), b.failure(task)
    if None not in failures and failures[0] != failures[1]:
        yield Difference(DifferenceKind.ERROR, task, None, *failures)
    yield from _keys(DifferenceKind.WRITTEN, task, a.written(task), b.written(task))


def _keys(
    kind: DifferenceKind, task: str | None, a: Mapping[str, str], b: Mapping[str, str]
) -> Iterator[Difference]:
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            yield Difference(kind, task, key, a.get(key), b.get(key))


def _order(a: Graph, b: Graph) -> list[str]:
    """The tasks of both by level, dependencies first; if the two contradict each other, as in the first."""
    levels = {a.ids[node]: level for level, nodes in enumerate(a.levels) for node in nodes}
    for node in b.order:
        above = [levels[b.ids[dependency]] for dependency in b.dependencies[node]]
        levels.setdefault(b.ids[node], max(above, default=-1) + 1)
    return sorted(levels, key=levels.__getitem__)


def _shown(text: str | None) -> str:
    return "absent" if text is None else text if len(text) <= 200 else f"{text[:200]}..."
