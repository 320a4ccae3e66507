"""Every error that cloaca raises.

CloacaException
├── WorkflowError
│   ├── WorkflowValidationError   (ValueError)
│   │   └── TaskNotFoundError     (KeyError)
│   ├── WorkflowNotFoundError     (ValueError, KeyError)
│   ├── WorkflowExecutionError    (RuntimeError)
│   ├── WorkflowTimeoutError      (TimeoutError)
│   ├── ExecutionNotFoundError    (ValueError, KeyError)
│   ├── ExecutionStateError       (ValueError)
│   └── IdempotencyError          (ValueError)
├── TaskError
│   ├── TaskValidationError       (ValueError)
│   ├── TaskExecutionError        (RuntimeError)
│   └── TaskTimeoutError          (TimeoutError)
├── ContextError
│   └── UnstorableValueError      (TypeError)
├── ConfigurationError            (ValueError)
│   └── VariableNotSetError       (KeyError)
├── ScheduleError                 (ValueError)
├── RunnerError                   (RuntimeError)
└── DatabaseError                 (RuntimeError)
    ├── InvalidDatabaseUrl        (ValueError)
    ├── ConnectionError           (builtins.ConnectionError)
    ├── MigrationError
    └── SchemaError               (ValueError)

TaskInterrupted                   (BaseException: no ``except Exception`` of a body's holds it up)
├── LeaseLost
└── ExecutionCancelled

Each also derives from the builtin that callers would catch, and each pickles, attributes included.
"""

from __future__ import annotations

import builtins
from typing import Any

__all__ = [
    "CloacaException",
    "ConfigurationError",
    "ConnectionError",
    "ContextError",
    "DatabaseError",
    "ExecutionCancelled",
    "ExecutionNotFoundError",
    "ExecutionStateError",
    "IdempotencyError",
    "InvalidDatabaseUrl",
    "LeaseLost",
    "MigrationError",
    "RunnerError",
    "ScheduleError",
    "SchemaError",
    "TaskError",
    "TaskExecutionError",
    "TaskInterrupted",
    "TaskNotFoundError",
    "TaskTimeoutError",
    "TaskValidationError",
    "UnstorableValueError",
    "VariableNotSetError",
    "WorkflowError",
    "WorkflowExecutionError",
    "WorkflowNotFoundError",
    "WorkflowTimeoutError",
    "WorkflowValidationError",
]


def _restored(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    # Found along the bases that C code sees: the first in the method order may not fit, an OSError under a RuntimeError.
    base: Any = cls
    while base.__module__ != "builtins":
        base = base.__base__
    error: BaseException = base.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class CloacaException(Exception):  # noqa: N818 - the name is part of the API
    """The root of all errors of this library."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__.copy())

    def __str__(self) -> str:
        # KeyError shows the repr of its message; a sentence is meant to be read.
        return str(self.args[0]) if self.args else ""


class WorkflowError(CloacaException):
    """Something is wrong with a workflow or one of its executions."""


class WorkflowValidationError(WorkflowError, ValueError):
    """A workflow cannot be built or cannot start with an input; ``errors`` holds one line for each problem found."""

    def __init__(self, message: str, errors: list[str] | None = None) -> None:
        super().__init__(message)
        self.errors: list[str] = [message] if errors is None else list(errors)


class TaskNotFoundError(WorkflowValidationError, KeyError):
    """A task was named that nobody has declared."""


class WorkflowNotFoundError(WorkflowError, ValueError, KeyError):
    """A workflow was named that is not registered."""


class WorkflowExecutionError(WorkflowError, RuntimeError):
    """An execution ended as ``Failed``."""

    def __init__(
        self, message: str, *, workflow_name: str | None = None, execution_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.workflow_name = workflow_name
        self.execution_id = execution_id


class WorkflowTimeoutError(WorkflowError, TimeoutError):
    """An execution took longer than its limit, or a wait for it did."""

    def __init__(
        self, message: str, *, timeout_seconds: float | None = None, partial_result: Any = None
    ) -> None:
        super().__init__(message)
        self.timeout_seconds = timeout_seconds
        self.partial_result = partial_result


class ExecutionNotFoundError(WorkflowError, ValueError, KeyError):
    """No execution has this id in this database."""


class ExecutionStateError(WorkflowError, ValueError):
    """An execution cannot be steered like this from where it stands; ``status`` says where that is."""

    def __init__(self, message: str, *, execution_id: str | None = None, status: str | None = None) -> None:
        super().__init__(message)
        self.execution_id = execution_id
        self.status = status


class IdempotencyError(WorkflowError, ValueError):
    """An idempotency key was used again with a different input, or is empty."""


class TaskError(CloacaException):
    """Something is wrong with a task."""


class TaskValidationError(TaskError, ValueError):
    """A task was declared with options that cannot be."""


class TaskExecutionError(TaskError, RuntimeError):
    """A task's body failed, or left something behind that cannot be kept."""

    def __init__(self, message: str, task_id: str | None = None, context: Any = None) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.context = context


class TaskTimeoutError(TaskError, TimeoutError):
    """A task's body took longer than its limit."""

    def __init__(
        self, message: str, *, task_id: str | None = None, timeout_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.timeout_seconds = timeout_seconds


class ContextError(CloacaException):
    """A context was asked for something it does not hold."""


class UnstorableValueError(ContextError, TypeError):
    """A context was given a value that cannot be stored as JSON.

    ``path`` leads to it: the context key, then dict keys and list indices. ``type_name`` is its type.
    """

    def __init__(self, message: str, *, path: tuple[str | int, ...] = (), type_name: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.type_name = type_name


class ConfigurationError(CloacaException, ValueError):
    """A setting has a value that cannot be, or a name that does not exist."""


class VariableNotSetError(ConfigurationError, KeyError):
    """A variable that a workflow reads is not set in the environment."""


class ScheduleError(CloacaException, ValueError):
    """A schedule or a trigger cannot be what was asked for, or does not exist."""


class RunnerError(CloacaException, RuntimeError):
    """A runner was used where or when it cannot work."""


class DatabaseError(CloacaException, RuntimeError):
    """The database refused, or cannot be reached or used."""


class InvalidDatabaseUrl(DatabaseError, ValueError):  # noqa: N818 - the name is part of the API
    """A database URL cannot be understood."""


class ConnectionError(DatabaseError, builtins.ConnectionError):
    """The database cannot be connected to; ``database_url`` never holds the password."""

    def __init__(self, message: str, *, database_url: str | None = None) -> None:
        super().__init__(message)
        self.database_url = database_url


class MigrationError(DatabaseError):
    """The database's tables could not be brought to the version this release needs."""

    def __init__(self, message: str, *, target_version: int | None = None) -> None:
        super().__init__(message)
        self.target_version = target_version


class SchemaError(DatabaseError, ValueError):
    """A schema, or the tenant it belongs to, cannot be what was asked for; no password is ever in it."""


class TaskInterrupted(BaseException):
    """Nobody waits for a body any more. It is a ``BaseException``, so that the body's own retries do not go on after it."""

    def __init__(self, message: str, *, execution_id: str, task_id: str) -> None:
        super().__init__(message)
        self.execution_id = execution_id
        self.task_id = task_id

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__.copy())


class LeaseLost(TaskInterrupted):
    """The runner of a body does not own its execution any more: what the body leaves is not stored.

    Another runner has taken the execution over, because this one was stopped or cut off for longer than its lease, and
    runs the task again.
    """


class ExecutionCancelled(TaskInterrupted):
    """The execution of a body was cancelled, or deleted: what the body leaves is not stored, and nothing runs after it."""
