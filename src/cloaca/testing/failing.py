"""Changes that a test makes to a workflow: attempts that fail, and bodies that are replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.errors import ConfigurationError
from cloaca.executors.job import Job
from cloaca.model.shown import shown

Fail = Mapping[str, Sequence[BaseException | type[BaseException] | None]]
Replace = Mapping[str, Callable[..., Any]]


class Failures:
    """Which attempts fail, and how.

    Raises:
        TaskNotFoundError: The workflow has no task with one of the ids.
        ConfigurationError: It is not a mapping of ids to lists of exceptions.
    """

    def __init__(self, workflow: Workflow, fail: Fail) -> None:
        _check_mapping("fail", fail, '{"load": [ConnectionError()]}')
        self._by_task = {workflow.task(id).id: _made(id, errors) for id, errors in fail.items()}

    def of(self, job: Job) -> BaseException | None:
        """The exception for this attempt; ``None`` if its body is to run."""
        errors = self._by_task.get(job.task.id, ())
        return errors[job.attempt - 1] if job.attempt <= len(errors) else None


def _made(id: str, errors: Any) -> list[BaseException | None]:
    if isinstance(errors, str) or not isinstance(errors, Sequence):
        raise ConfigurationError(
            f"fail[{id!r}]={shown(errors)} must be a list with an entry for each attempt, first to last: write "
            f"fail={{{id!r}: [{shown(errors)}]}}"
        )
    return [_instance(f"fail[{id!r}][{number}]", error) for number, error in enumerate(errors)]


def _instance(place: str, error: Any) -> BaseException | None:
    if isinstance(error, type) and issubclass(error, BaseException):
        try:
            return error()
        except TypeError as refused:
            raise ConfigurationError(
                f"{place}={error.__name__} cannot be made without arguments ({refused}): give an instance"
            ) from refused
    if error is None or isinstance(error, BaseException):
        return error
    raise ConfigurationError(
        f"{place}={shown(error)} must be an exception, a class of them, or None for an attempt whose body runs"
    )


def replaced(workflow: Workflow, replace: Replace) -> Workflow:
    """The workflow with some bodies replaced.

    Raises:
        TaskNotFoundError: The workflow has no task with one of the ids.
        TaskValidationError: A function cannot be a task body.
        ConfigurationError: It is not a mapping of ids to functions.
    """
    _check_mapping("replace", replace, '{"load": lambda context: None}')
    if not replace:
        return workflow
    bodies = {workflow.task(id).id: _function(id, body) for id, body in replace.items()}
    tasks = [_with_body(task, bodies[task.id]) if task.id in bodies else task for task in workflow.bound]
    return Workflow(workflow.name, tasks=tasks, description=workflow.description, tags=workflow.tags)


def _function(id: str, body: Any) -> Callable[..., Any]:
    if isinstance(body, Task):
        return body.function
    if not callable(body):
        raise ConfigurationError(
            f"replace[{id!r}]={shown(body)} must be a function of the context: write lambda context: {shown(body)}"
        )
    return body  # type: ignore[no-any-return]


def _with_body(task: Task[..., Any], function: Callable[..., Any]) -> Task[..., Any]:
    return Task(
        function, id=task.id, dependencies=task.dependencies, retry=task.retry,
        timeout_seconds=task.timeout_seconds, trigger_rules=task.trigger_rules, on_success=task.on_success,
        on_failure=task.on_failure,
    )  # fmt: skip


def _check_mapping(name: str, value: Any, example: str) -> None:
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"{name}={shown(value)} must be a mapping by task id: write {name}={example}"
        )
