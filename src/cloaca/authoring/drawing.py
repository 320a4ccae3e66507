"""The figure of a workflow, for drawing it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cloaca.authoring.names import is_str, listed, nearest, shown
from cloaca.authoring.task import AnyTask
from cloaca.drawing.figure import STATUSES, Figure, Node
from cloaca.errors import TaskNotFoundError, WorkflowValidationError
from cloaca.model.graph import Graph


def figure_of(
    graph: Graph, *, tasks: Sequence[AnyTask], description: str, statuses: Mapping[str, str] | None
) -> Figure:
    """The figure of a workflow.

    Raises:
        TaskNotFoundError: ``statuses`` names a task that is not in the graph.
        WorkflowValidationError: ``statuses`` contains something that is not a task status.
    """
    checked = _checked(statuses or {}, graph)
    nodes = tuple(
        Node(
            task.id,
            about=_about(task),
            rule=repr(task.trigger_rules) if task.trigger_rules else "",
            status=checked.get(task.id, ""),
        )
        for task in tasks
    )
    return Figure(graph.name, description, nodes, graph.dependencies)


def _about(task: AnyTask) -> str:
    """The first paragraph of the docstring of its function."""
    text = getattr(task.function, "__doc__", None)
    return re.split(r"\n[ \t]*\n", str.__str__(text).strip(), maxsplit=1)[0] if is_str(text) else ""


def _checked(statuses: Mapping[str, str], graph: Graph) -> dict[str, str]:
    for id, status in statuses.items():
        if id not in graph.index:
            hint = nearest(id, graph.ids) if is_str(id) else ""
            raise TaskNotFoundError(
                f"statuses has one of task {shown(id)}, which is not in workflow {shown(graph.name)}: "
                f"{hint or f'it has {listed(graph.ids)}'}"
            )
        if not is_str(status) or status not in STATUSES:
            raise WorkflowValidationError(
                f"the status of task {shown(id)} is {shown(status)}: give one of {', '.join(STATUSES)}"
            )
    return {id: str.__str__(status) for id, status in statuses.items()}
