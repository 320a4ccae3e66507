"""Full names of tasks: tenant, package, workflow and task, as ``public::embedded::etl::load``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloaca.authoring.names import is_str, shown
from cloaca.errors import WorkflowValidationError

_SEPARATOR = "::"


@dataclass(frozen=True, slots=True)
class TaskNamespace:
    """The full name of a task, or of a workflow if ``task_id`` is empty.

    Namespaces are equal if all four parts are. The text form joins the parts with ``::``.

    Raises:
        WorkflowValidationError: A part is not a str, is empty, or contains ``::``.

    Example:
        >>> load = TaskNamespace("public", "embedded", "etl", "load")
        >>> str(load), str(load.parent())
        ('public::embedded::etl::load', 'public::embedded::etl')
    """

    tenant_id: str
    package_name: str
    workflow_id: str
    task_id: str

    def __post_init__(self) -> None:
        for part in ("tenant_id", "package_name", "workflow_id"):
            _check(part, getattr(self, part))
        if self.task_id != "":
            _check("task_id", self.task_id)

    @staticmethod
    def from_string(text: str) -> TaskNamespace:
        """Parse the text form; three parts make the namespace of a workflow.

        Raises:
            WorkflowValidationError: There are not three or four parts, or one of them is empty.
        """
        parts = text.split(_SEPARATOR) if is_str(text) else []
        if len(parts) not in (3, 4):
            raise WorkflowValidationError(
                f"{shown(text)} is not a namespace: write tenant::package::workflow::task"
            )
        _check("the last part", parts[-1])
        return TaskNamespace(*parts, *[""] * (4 - len(parts)))

    def parent(self) -> TaskNamespace:
        """The namespace of the task's workflow."""
        return replace(self, task_id="")

    def is_child_of(self, other: TaskNamespace) -> bool:
        """Whether this is the namespace of a task, and ``other`` that of its workflow."""
        return bool(self.task_id) and not other.task_id and self.parent() == other

    def is_sibling_of(self, other: TaskNamespace) -> bool:
        """Whether these are the namespaces of different tasks in one workflow."""
        return bool(self.task_id and other.task_id) and self != other and self.parent() == other.parent()

    def __str__(self) -> str:
        parts = (self.tenant_id, self.package_name, self.workflow_id, self.task_id)
        return _SEPARATOR.join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class WorkflowContext:
    """The namespace in which the tasks of one workflow are named.

    Example:
        >>> etl = WorkflowContext("public", "embedded", "etl")
        >>> str(etl.resolve_dependency("load"))
        'public::embedded::etl::load'
    """

    tenant_id: str
    package_name: str
    workflow_id: str

    def __post_init__(self) -> None:
        self.workflow_namespace()

    def task_namespace(self, task_id: str) -> TaskNamespace:
        """The namespace of a task of this workflow."""
        _check("task_id", task_id)
        return TaskNamespace(self.tenant_id, self.package_name, self.workflow_id, task_id)

    def resolve_dependency(self, name: str) -> TaskNamespace:
        """The namespace that a dependency refers to: a task in this workflow, or the one given by its full name.

        Raises:
            WorkflowValidationError: It is neither an id nor a full name.
        """
        if is_str(name) and _SEPARATOR in name:
            return TaskNamespace.from_string(name)
        return self.task_namespace(name)

    def workflow_namespace(self) -> TaskNamespace:
        """The namespace of this workflow."""
        return TaskNamespace(self.tenant_id, self.package_name, self.workflow_id, "")

    def contains_namespace(self, namespace: TaskNamespace) -> bool:
        """Whether it is the namespace of a task in this workflow, or of the workflow itself."""
        return namespace.parent() == self.workflow_namespace()

    def __str__(self) -> str:
        return str(self.workflow_namespace())


def _check(part: str, value: object) -> None:
    if not is_str(value) or not value or _SEPARATOR in value:
        raise WorkflowValidationError(
            f"{part}={shown(value)} cannot be part of a namespace: give a text that is not empty and has no '::'"
        )
