"""A workflow as the engine runs it: its graph, its bodies, and their limits with the runner's defaults filled in."""

from __future__ import annotations

from typing import Any

from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.engine.settings import EngineSettings
from cloaca.model.execution import ExecutionState, TaskLimits
from cloaca.model.graph import Graph
from cloaca.model.retry import RetryPolicy
from cloaca.model.view import View
from cloaca.store.rows import Structure


class Plan:
    """One workflow under the settings of one runner."""

    __slots__ = ("calling", "graph", "limits", "stored", "tasks", "workflow")

    def __init__(self, workflow: Workflow, settings: EngineSettings) -> None:
        self.workflow = workflow
        self.graph: Graph = workflow.graph
        self.tasks: tuple[Task[..., Any], ...] = workflow.bound
        default = RetryPolicy(settings.retry_attempts)
        self.limits = tuple(
            TaskLimits(task.retry or default, task.timeout_seconds or settings.task_timeout_seconds)
            for task in self.tasks
        )
        self.calling = frozenset(
            node for node, task in enumerate(self.tasks) if task.on_success or task.on_failure
        )
        """Nodes with callbacks."""
        self.stored = False
        """Whether the graph is known to be in the database."""

    @property
    def structure(self) -> Structure:
        """The row that stores its graph."""
        return Structure(self.graph.structure, self.graph.name, self.graph.to_json())

    def state(
        self, execution_id: str, initial: View, *, owner: str, fence: int, created_at: float, started_at: float,
        version: str, round: tuple[int, int] = (1, 0),
    ) -> ExecutionState:  # fmt: skip
        """A new state for an execution of this workflow."""
        return ExecutionState(
            execution_id, self.graph, self.limits, initial, owner=owner, fence=fence, created_at=created_at,
            started_at=started_at, version=version, round=round,
        )  # fmt: skip
