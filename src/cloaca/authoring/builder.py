"""Building workflows from tasks."""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from cloaca.authoring import registry
from cloaca.authoring.keyword_suggestions import suggests_keywords
from cloaca.authoring.names import checked_name, checked_text, is_str, nearest, shown, task_id_problem
from cloaca.authoring.signature import function_name
from cloaca.authoring.task import AnyTask, Task
from cloaca.authoring.validation import problems, refusal
from cloaca.authoring.workflow import Workflow
from cloaca.errors import TaskNotFoundError, WorkflowError, WorkflowValidationError

_SAID_BY_CALL = frozenset({"description", "tag", "add_task", "build"})
_WANTED = "add_task takes a string task ID or a function object decorated with @task"


def _advice(given: object) -> str:
    """What to do instead, if it is clear what was meant."""
    if isinstance(given, (list, tuple, set, frozenset)):
        return ": call it once for each task"
    if inspect.isfunction(given):
        return f": put @task above def {function_name(given)}"
    return ": name the task itself, not what a call of it returned" if given is None else ""


def _how_to_declare(id: str) -> str:
    problem = task_id_problem(id)
    return f"it cannot be one, {problem}" if problem else f"declare it first with @task(id={shown(id)})"


@suggests_keywords
class WorkflowBuilder:
    """Collects tasks and builds a workflow from them. Each method returns the builder.

    Used as a context manager, it also collects the tasks declared in its block, which other workflows cannot see. At the
    end of the block it builds the workflow and registers it under its name; a block that raises registers nothing.

    Args:
        name: The workflow's name: at most 255 characters, all of them visible or spaces.
        tenant: The first part of the namespace.
        package: The second part of the namespace.
        workflow: The third part of the namespace; by default the name.

    Raises:
        WorkflowValidationError: A name is not valid, or, at the end of the block, the workflow cannot be built.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("greeting") as builder:
        ...     @cloaca.task
        ...     def greet(context):
        ...         context["text"] = "hello"
        >>> builder.build().tasks
        ['greet']
    """

    def __init__(
        self, name: str, *, tenant: str = "public", package: str = "embedded", workflow: str | None = None
    ) -> None:
        self.name = checked_name(name)
        self.tenant = checked_name(tenant, what="the tenant")
        self.package = checked_name(package, what="the package")
        self.workflow = (
            self.name if workflow is None else checked_name(workflow, what="the namespace's workflow")
        )
        self._description = ""
        self._tags: dict[str, str] = {}
        self._given: dict[str, list[AnyTask]] = {}
        self._named: set[str] = set()
        self._order: dict[str, None] = {}
        self._refused: dict[str, str] = {}
        self._built: Workflow | None = None
        self._block: ExitStack | None = None

    def __setattr__(self, name: str, value: object) -> None:
        if name in _SAID_BY_CALL:
            raise AttributeError(
                f"{name!r} of a builder is a method, and cannot be set: write builder.{name}(...)"
            )
        super().__setattr__(name, value)

    def description(self, text: str) -> Self:
        """Set the description of the workflow."""
        self._description = checked_text(text, what=f"the description of workflow {shown(self.name)}")
        self._built = None
        return self

    def tag(self, key: str, value: str) -> Self:
        """Set a tag, replacing an earlier value of the same key."""
        what = f"of a tag of workflow {shown(self.name)}"
        self._tags[checked_name(key, what=f"the key {what}")] = checked_text(value, what=f"the value {what}")
        self._built = None
        return self

    def add_task(self, task: str | AnyTask) -> Self:
        """Add a task by id, or as the decorated function; adding it again has no effect.

        An id refers to the task declared in the builder's block, or else to the latest one declared outside any builder
        when ``build`` is called.

        Raises:
            TaskNotFoundError: No task has this id.
            WorkflowValidationError: The argument is neither an id nor a task. ``build`` will refuse it again.
        """
        match task:
            case Task():
                self.declare(task)
            case _ if is_str(task):
                self._add_named(str.__str__(task))
            case _:
                message = f"{shown(task)} is not a task: {_WANTED}{_advice(task)}"
                raise self._refuse(task, WorkflowValidationError(message))
        return self

    def _add_named(self, id: str) -> None:
        if id not in self._given:
            if registry.current().find_task(id) is None:
                hint = nearest(id, self._known()) or _how_to_declare(id)
                raise self._refuse(id, TaskNotFoundError(f"task {shown(id)} not found in registry: {hint}"))
            self._named.add(id)
        self._add(id)

    def declare(self, task: AnyTask) -> None:
        """Add a task that belongs to this builder; called by ``@task`` in the block."""
        given = self._given.setdefault(task.id, [])
        if not any(task is known for known in given):
            given.append(task)
        self._add(task.id)

    def _add(self, id: str) -> None:
        self._order[id] = None
        self._refused.pop(shown(id), None)
        self._built = None

    def _refuse(self, reference: object, error: WorkflowValidationError) -> WorkflowValidationError:
        self._refused[shown(reference)] = str(error)
        self._built = None
        return error

    def _known(self) -> set[str]:
        return {*self._given, *registry.current().task_ids()}

    def build(self) -> Workflow:
        """Check everything, bind the functions, and return the workflow.

        This does not register the workflow. If nothing was added since, it returns the same workflow again.

        Raises:
            WorkflowValidationError: The workflow cannot be built; ``errors`` has one line for each cycle, missing or
                repeated dependency, duplicate id and refused reference.
        """
        if self._built is None or self._bound() != list(self._built.bound):
            self._built = self._checked()
            registry.current().note_built(self.name)
        return self._built

    def _checked(self) -> Workflow:
        tasks = self._bound()
        errors = [*self._refused.values(), *self._duplicates()]
        if tasks or not errors:
            errors += problems(self.name, tasks, declared=self._known())
        if errors:
            raise refusal(self.name, errors)
        return Workflow(self.name, tasks=tasks, description=self._description, tags=self._tags)

    def _candidates(self, id: str) -> list[AnyTask]:
        given = self._given.get(id, [])
        known = registry.current().find_task(id) if id in self._named else None
        return given if known is None or known in given else [*given, known]

    def _bound(self) -> list[AnyTask]:
        return [found[0] for id in self._order if (found := self._candidates(id))]

    def _duplicates(self) -> list[str]:
        return [
            f"{len(found)} tasks have the id {shown(id)} "
            f"({', '.join(function_name(task.function) for task in found)}): give each its own id"
            for id in self._order
            if len(found := self._candidates(id)) > 1
        ]

    def __enter__(self) -> Self:
        if self._block is not None:
            raise WorkflowError(
                f"the block of workflow {shown(self.name)} is already open: use another builder"
            )
        self._block = ExitStack()
        self._block.enter_context(registry.within(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        block, self._block = self._block, None
        if block is not None:
            block.close()
        if error is None:
            registry.register_workflow(self.build())

    def __repr__(self) -> str:
        return f"WorkflowBuilder({self.name!r}, tasks={len(self._order)})"
