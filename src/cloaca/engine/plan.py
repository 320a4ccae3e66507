"""A workflow as the engine runs it: its graph, its bodies, and their limits with the runner's defaults filled in."""

from __future__ import annotations

from typing import Any, NamedTuple

from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.model.execution import ExecutionState, TaskLimits
from cloaca.model.graph import Graph
from cloaca.model.retry import RetryPolicy
from cloaca.model.view import View
from cloaca.store.rows import Structure

PATROL_SECONDS = 1.25
"""A look is two queries: a runner with nothing to do makes at most two a second, its heartbeats included."""


class EngineSettings(NamedTuple):
    """What a runner's configuration means for the engine; times are seconds."""

    window: int = 10_000
    task_timeout_seconds: float = 300.0
    workflow_timeout_seconds: float | None = None
    retry_attempts: int = 0
    crash_limit: int = 3
    recover: bool = True
    heartbeat_seconds: float = 10.0
    lease_seconds: float = 60.0
    patrol_seconds: float = PATROL_SECONDS
    """How often to look for dead runners and for work that nobody owns."""
    same_version: bool = False
    """Whether an execution runs only with the version it was started under."""


class Plan:
    """One workflow under one runner's settings."""

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
        """What is stored of its graph."""
        return Structure(self.graph.structure, self.graph.name, self.graph.frozen())

    def state(
        self, execution_id: str, initial: View, *, owner: str, fence: int, created_at: float, started_at: float,
        version: str, round: tuple[int, int] = (1, 0),
    ) -> ExecutionState:  # fmt: skip
        """A new state of an execution of this workflow."""
        return ExecutionState(
            execution_id, self.graph, self.limits, initial, owner=owner, fence=fence, created_at=created_at,
            started_at=started_at, version=version, round=round,
        )  # fmt: skip
