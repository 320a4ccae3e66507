"""A built workflow: tasks bound to functions in a validated graph, immutable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from cloaca.authoring.names import listed, nearest, shown
from cloaca.authoring.task import AnyTask, Task
from cloaca.authoring.validation import problems, refusal
from cloaca.authoring.version import version_of
from cloaca.errors import TaskNotFoundError, WorkflowValidationError
from cloaca.model.graph import Graph

if TYPE_CHECKING:
    from cloaca.authoring.workflow_param import Param
    from cloaca.drawing.figure import Figure


class Workflow:
    """The result of ``WorkflowBuilder.build``, which runners execute.

    A workflow is immutable, and everything it returns is a copy. It keeps the functions that its tasks had when it was
    built; declaring a task again later does not affect it.

    Example:
        >>> import cloaca
        >>> @cloaca.task
        ... def greet(context): ...
        >>> cloaca.WorkflowBuilder("greeting").add_task(greet).build().tasks
        ['greet']
    """

    __slots__ = ("__weakref__", "_bound", "_description", "_graph", "_params", "_tags", "_version")

    _bound: tuple[AnyTask, ...]
    _description: str
    _graph: Graph
    _params: dict[str, Param]
    _tags: dict[str, str]
    _version: str | None

    def __init__(
        self,
        name: str,
        *,
        tasks: Sequence[AnyTask] = (),
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> None:
        if not tasks or not all(isinstance(task, Task) for task in tasks):
            raise WorkflowValidationError(
                f"workflow {shown(name)} is to be made of tasks by WorkflowBuilder({shown(name)}).add_task(...).build()"
            )
        self._keep("_bound", tuple(tasks))
        rules = {task.id: task.trigger_rules.stored() for task in tasks if task.trigger_rules}
        self._keep("_graph", Graph(name, {task.id: task.dependencies for task in tasks}, rules=rules))
        self._keep("_params", {param.name: param for task in tasks for param in task.declared_params})
        self._keep("_description", description)
        self._keep("_tags", dict(tags or {}))
        self._keep("_version", None)

    def _keep(self, attribute: str, value: Any) -> None:
        object.__setattr__(self, attribute, value)

    def __setattr__(self, attribute: str, value: Any) -> None:
        raise AttributeError(
            f"workflow {self.name!r} is immutable, its {attribute!r} cannot be set: build another with WorkflowBuilder"
        )

    def __delattr__(self, attribute: str) -> None:
        raise AttributeError(f"workflow {self.name!r} is immutable, its {attribute!r} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @property
    def name(self) -> str:
        """The name of the workflow."""
        return self._graph.name

    @property
    def description(self) -> str:
        """The description; empty if none was given."""
        return self._description

    @property
    def tags(self) -> dict[str, str]:
        """The tags by key."""
        return dict(self._tags)

    @property
    def params(self) -> dict[str, Param]:
        """The inputs declared with ``workflow_params``, by name. If it is empty, any input is accepted."""
        return dict(self._params)

    @property
    def tasks(self) -> list[str]:
        """The task ids, in the order the tasks were added."""
        return list(self._graph.ids)

    @property
    def dependencies(self) -> dict[str, list[str]]:
        """By task id: the ids of its dependencies, in declared order."""
        return {task.id: list(task.dependencies) for task in self._bound}

    @property
    def version(self) -> str:
        """A hash of names, structure, options and the functions' normalised source: 32 hexadecimal digits.

        It does not depend on comments, formatting, docstrings, the process, or the patch release of Python. Computed on
        first use.
        """
        if self._version is None:
            made = version_of(self.name, tasks=self._bound, description=self._description, tags=self._tags)
            self._keep("_version", made)
            return made
        return self._version

    @property
    def graph(self) -> Graph:
        """The graph that the engine walks; its nodes are indexes into ``bound``."""
        return self._graph

    @property
    def bound(self) -> tuple[AnyTask, ...]:
        """The tasks, in the order of the graph's nodes."""
        return self._bound

    def task(self, id: str) -> AnyTask:
        """The task with this id.

        Raises:
            TaskNotFoundError: The workflow has no such task.
        """
        return self._bound[self._node(id)]

    def _node(self, id: str) -> int:
        if (node := self._graph.index.get(id)) is None:
            hint = nearest(id, self._graph.ids) or f"it has {listed(self._graph.ids)}"
            raise TaskNotFoundError(f"task {shown(id)} is not in workflow {shown(self.name)}: {hint}")
        return node

    def topological_sort(self) -> list[str]:
        """All task ids in topological order."""
        return self._ids(self._graph.order)

    def get_execution_levels(self) -> list[list[str]]:
        """Task ids in groups that can run at once: each group depends only on earlier groups."""
        return [self._ids(level) for level in self._graph.levels]

    def get_roots(self) -> list[str]:
        """The ids of tasks without dependencies."""
        return self._ids(self._graph.roots)

    def get_leaves(self) -> list[str]:
        """The ids of tasks without dependents."""
        return self._ids(self._graph.leaves)

    def can_run_parallel(self, a: str, b: str) -> bool:
        """Whether the two are different tasks and neither depends on the other, directly or indirectly.

        Raises:
            TaskNotFoundError: The workflow has no such task.
        """
        one, other = self._node(a), self._node(b)
        return (
            one != other
            and one not in self._graph.ancestors(other)
            and other not in self._graph.ancestors(one)
        )

    def validate(self) -> None:
        """Validate the structure again, as ``build`` did.

        Raises:
            WorkflowValidationError: The structure has problems; ``errors`` lists all of them.
        """
        if found := problems(self.name, self._bound):
            raise refusal(self.name, found)

    def to_mermaid(self, *, statuses: Mapping[str, str] | None = None) -> str:
        """The graph as a Mermaid flowchart, which GitHub and GitLab render in Markdown.

        Arrows to a task with its own rule are dashed, and its box shows the rule. The output is deterministic.

        Args:
            statuses: Task id to status, one of ``TaskStatus``. These tasks are coloured and marked.

        Raises:
            TaskNotFoundError: ``statuses`` names a task that the workflow does not have.
            WorkflowValidationError: ``statuses`` contains something that is not a status.

        Example:
            >>> import cloaca
            >>> @cloaca.task
            ... def greet(context): ...
            >>> print(cloaca.WorkflowBuilder("greeting").add_task(greet).build().to_mermaid(), end="")
            flowchart TD
                accTitle: Workflow greeting
                t0["greet"]
        """
        from cloaca.drawing.mermaid import mermaid  # noqa: PLC0415 - few processes draw

        return mermaid(self._figure(statuses))

    def to_svg(self, *, statuses: Mapping[str, str] | None = None) -> str:
        """The graph as an SVG document. Its layout is computed here, without a browser or any other program.

        Each task is below all its dependencies. Arguments and errors are those of ``to_mermaid``. The output is
        deterministic.

        Example:
            >>> import cloaca
            >>> @cloaca.task
            ... def greet(context): ...
            >>> cloaca.WorkflowBuilder("greeting").add_task(greet).build().to_svg()[:5]
            '<svg '
        """
        from cloaca.drawing.svg import svg  # noqa: PLC0415 - few processes draw

        return svg(self._figure(statuses))

    def _repr_html_(self) -> str:
        from cloaca.drawing.notebook import html  # noqa: PLC0415 - few processes draw

        return html(self._figure(None))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002 - IPython filters by them itself
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _figure(self, statuses: Mapping[str, str] | None) -> Figure:
        from cloaca.authoring.drawing import figure_of  # noqa: PLC0415 - few processes draw

        return figure_of(self._graph, tasks=self._bound, description=self._description, statuses=statuses)

    def _ids(self, nodes: Iterable[int]) -> list[str]:
        return [self._graph.ids[node] for node in nodes]

    def __repr__(self) -> str:
        return f"Workflow({self.name!r}, tasks={len(self._bound)})"
