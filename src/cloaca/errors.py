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
    ├── SchemaError               (ValueError)
    └── CommitUnknownError        (TimeoutError)

TaskInterrupted                   (BaseException: ``except Exception`` in a body does not catch it)
├── LeaseLost
└── ExecutionCancelled

Each error also derives from the builtin that callers would catch, and can be pickled with its attributes.
"""

from __future__ import annotations

import builtins
from typing import Any

__all__ = [
    "CloacaException",
    "CommitUnknownError",
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
    # Looked up along the bases at C level: the first one in the MRO may not fit, e.g. an OSError under a RuntimeError.
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
        # KeyError shows the repr of its message, but these messages are sentences.
        return str(self.args[0]) if self.args else ""


class WorkflowError(CloacaException):
    """Something is wrong with a workflow or one of its executions."""


class WorkflowValidationError(WorkflowError, ValueError):
    """A workflow cannot be built, or cannot start with an input. ``errors`` has one line for each problem found."""

    def __init__(self, message: str, errors: list[str] | None = None) -> None:
        super().__init__(message)
        self.errors: list[str] = [message] if errors is None else list(errors)


class TaskNotFoundError(WorkflowValidationError, KeyError):
    """A task was named that does not exist."""


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
    """An execution exceeded its timeout, or a wait for it did."""

    def __init__(
        self, message: str, *, timeout_seconds: float | None = None, partial_result: Any = None
    ) -> None:
        super().__init__(message)
        self.timeout_seconds = timeout_seconds
        self.partial_result = partial_result


class ExecutionNotFoundError(WorkflowError, ValueError, KeyError):
    """No execution has this id in this database."""


class ExecutionStateError(WorkflowError, ValueError):
    """An execution cannot be steered in this way because of its ``status``."""

    def __init__(self, message: str, *, execution_id: str | None = None, status: str | None = None) -> None:
        super().__init__(message)
        self.execution_id = execution_id
        self.status = status


class IdempotencyError(WorkflowError, ValueError):
    """An idempotency key was used again with a different input, or is empty."""


class TaskError(CloacaException):
    """Something is wrong with a task."""


class TaskValidationError(TaskError, ValueError):
    """A task was declared with invalid options."""


class TaskExecutionError(TaskError, RuntimeError):
    """A task's body failed, or returned something that cannot be stored."""

    def __init__(self, message: str, task_id: str | None = None, context: Any = None) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.context = context


class TaskTimeoutError(TaskError, TimeoutError):
    """A task's body exceeded its timeout."""

    def __init__(
        self, message: str, *, task_id: str | None = None, timeout_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.timeout_seconds = timeout_seconds


class ContextError(CloacaException):
    """A key was requested that the context does not contain."""


class UnstorableValueError(ContextError, TypeError):
    """A context was given a value that cannot be stored as JSON.

    ``path`` locates it: the context key, then dict keys and list indices. ``type_name`` is its type.
    """

    def __init__(self, message: str, *, path: tuple[str | int, ...] = (), type_name: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.type_name = type_name


class ConfigurationError(CloacaException, ValueError):
    """A setting has an invalid value, or does not exist."""


class VariableNotSetError(ConfigurationError, KeyError):
    """An environment variable that a workflow reads is not set."""


class ScheduleError(CloacaException, ValueError):
    """A schedule or trigger is not valid, or does not exist."""


class RunnerError(CloacaException, RuntimeError):
    """A runner was used in a place or at a time where it cannot work."""


class DatabaseError(CloacaException, RuntimeError):
    """The database returned an error, or cannot be reached or used."""


class InvalidDatabaseUrl(DatabaseError, ValueError):  # noqa: N818 - the name is part of the API
    """A database URL is not valid."""


class ConnectionError(DatabaseError, builtins.ConnectionError):
    """A connection to the database cannot be established; ``database_url`` never contains the password."""

    def __init__(self, message: str, *, database_url: str | None = None) -> None:
        super().__init__(message)
        self.database_url = database_url


class MigrationError(DatabaseError):
    """The database's tables could not be migrated to the version that this release needs."""

    def __init__(self, message: str, *, target_version: int | None = None) -> None:
        super().__init__(message)
        self.target_version = target_version


class SchemaError(DatabaseError, ValueError):
    """A schema, or the tenant it belongs to, is not valid or cannot be set up. The message never contains a password."""


class CommitUnknownError(DatabaseError, TimeoutError):
    """The database was lost during a commit, and it is not known whether the commit happened.

    A start may have been stored: to start it again is safe under an idempotency key. A verb, such as ``pause`` or
    ``retry``, may have been carried out: look at the execution before you repeat it.
    """


class TaskInterrupted(BaseException):
    """A body's attempt is no longer wanted. A ``BaseException``, so that retries inside the body do not swallow it."""

    def __init__(self, message: str, *, execution_id: str, task_id: str) -> None:
        super().__init__(message)
        self.execution_id = execution_id
        self.task_id = task_id

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__.copy())


class LeaseLost(TaskInterrupted):
    """The body's runner no longer owns its execution, so the result of the body is not stored.

    Another runner has taken over the execution because this one was stopped or cut off for longer than its lease, and
    it runs the task again.
    """


class ExecutionCancelled(TaskInterrupted):
    """The body's execution was cancelled or deleted: its result is not stored, and nothing runs after it."""
