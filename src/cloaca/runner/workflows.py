"""Looking up workflows by name."""

from __future__ import annotations

from typing import Any

from cloaca.authoring import registry
from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.names import shown
from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.errors import WorkflowError


class Workflows:
    """The registered workflows, under the names they are registered by, which take precedence over their own.

    Args:
        same_version: Whether an execution runs only with the version it was started under.
        task_timeout_seconds: The timeout of tasks that set none.
    """

    def __init__(self, *, same_version: bool = False, task_timeout_seconds: float | None = None) -> None:
        self._same_version = same_version
        self._task_timeout_seconds = task_timeout_seconds
        self._renamed: dict[str, tuple[Workflow, Workflow]] = {}

    def resolve(self, workflow: str | Workflow) -> Workflow:
        """The workflow of this name. A workflow object is returned itself, and is registered unless its name is taken.

        Raises:
            WorkflowNotFoundError: No workflow of this name is registered.
        """
        if isinstance(workflow, Workflow):
            if registry.find_workflow(workflow.name) is None:
                registry.register_workflow(workflow)
            return workflow
        return self._named(name_of(workflow), registry.workflow(workflow))

    def find(self, name: str) -> Workflow | None:
        """The workflow of this name, or ``None``."""
        found = registry.find_workflow(name)
        return None if found is None else self._named(name, found)

    def code_of(self, name: str) -> tuple[str, str | None] | None:
        """What is registered under a workflow name, as described for ``insights.CodeOf``."""
        found = self.find(name)
        if found is None:
            return None
        return found.graph.structure, found.version if self._same_version else None

    def limit_of(self, name: str, task: str) -> float | None:
        """The timeout of a task, as described for ``insights.code.LimitOf``."""
        try:
            found = self.find(name)
        except WorkflowError:
            return None
        if found is None or task not in found.tasks:
            return None
        return found.task(task).timeout_seconds or self._task_timeout_seconds

    def _named(self, name: str, workflow: Workflow) -> Workflow:
        if workflow.name == name:
            return workflow
        original, renamed = self._renamed.get(name, (None, None))
        if original is not workflow or renamed is None:
            renamed = Workflow(
                name, tasks=workflow.bound, description=workflow.description, tags=workflow.tags
            )
            self._renamed[name] = (workflow, renamed)
        return renamed


def name_of(workflow: str | Workflow) -> str:
    """The name of a workflow to start, which need not be registered here.

    Raises:
        TypeError: It is neither a name nor a workflow.
    """
    if isinstance(workflow, Workflow):
        return workflow.name
    if not isinstance(workflow, str):
        raise TypeError(f"a workflow is a name or a built Workflow, not {shown(workflow)}{_advice(workflow)}")
    return workflow


def _advice(given: Any) -> str:
    """What to do instead, if it is clear what was meant."""
    if isinstance(given, WorkflowBuilder):
        return ": call its build()"
    if isinstance(given, Task):
        return ": add the task to a WorkflowBuilder, and run what that builds"
    return ": put @task above it, and run what a WorkflowBuilder builds of it" if callable(given) else ""
