"""The public records of executions, tasks and attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cloaca.model.context import Context
from cloaca.model.events import Failure
from cloaca.model.states import Status, TaskStatus


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt at a task. Times are UTC; ``error`` is ``None`` unless it failed.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling"):
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     ended = runner.execute("doubling", {"n": 21})
        ...     record = runner.get_execution(ended.execution_id)
        >>> record.tasks["double"].attempts[0].status == "Completed"
        True
    """

    attempt: int
    status: TaskStatus
    started_at: datetime | None
    finished_at: datetime | None
    error: Failure | None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task of an execution. ``reason`` says why it was skipped or what it waits for; ``error`` is its last error.

    While the task is ``Running``, ``sub_status`` is ``"Deferred"`` if its body waits without a slot, and ``"Active"``
    otherwise. A task that runs again in a new round keeps its earlier attempts.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling"):
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     ended = runner.execute("doubling", {"n": 21})
        ...     record = runner.get_execution(ended.execution_id)
        >>> task = record.tasks["double"]
        >>> print(task.id, task.status, task.sub_status)
        double Completed None
    """

    id: str
    status: TaskStatus
    reason: str | None
    attempts: list[AttemptRecord]
    started_at: datetime | None
    finished_at: datetime | None
    error: Failure | None
    sub_status: str | None = None


@dataclass(frozen=True, slots=True)
class ConflictRecord:
    """A change that overwrote an unequal change by a task that is not an ancestor.

    ``path`` is the context key and the dict keys below it; ``kept`` and ``lost`` are the ids of the two tasks.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("siblings"):
        ...     @cloaca.task
        ...     def one(context):
        ...         context["n"] = 1
        ...     @cloaca.task
        ...     def two(context):
        ...         context["n"] = 2
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     record = runner.get_execution(runner.execute("siblings").execution_id)
        >>> record.conflicts
        [ConflictRecord(path=('n',), kept='two', lost='one')]
    """

    path: tuple[str, ...]
    kept: str
    lost: str


@dataclass(frozen=True, slots=True)
class ExecutionSummary:
    """An execution without its tasks and context.

    ``round`` starts at 1 and grows with each ``retry``. For a fork, ``forked_from`` is the id of the original execution,
    and ``forked_at`` the task from which the fork runs.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling"):
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     ended = runner.execute("doubling", {"n": 21})
        ...     (summary,) = runner.list_executions(limit=1)
        >>> summary.workflow_name, summary.round, summary.forked_from
        ('doubling', 1, None)
    """

    execution_id: str
    workflow_name: str
    workflow_version: str
    status: Status
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error_message: str | None
    round: int
    forked_from: str | None
    forked_at: str | None


@dataclass(frozen=True, slots=True)
class ExecutionRecord(ExecutionSummary):
    """Everything that is stored about an execution.

    ``context`` is the final context, or that left by the tasks completed so far. ``written_by`` names, for each key, the
    task that wrote it last, or ``None`` for the input. ``conflicts`` are the overwrites between parallel tasks
    in this context. ``waiting_for`` says what prevents an execution without an owner from continuing.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("doubling"):
        ...     @cloaca.task
        ...     def double(context, *, n: int):
        ...         context["twice"] = 2 * n
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     ended = runner.execute("doubling", {"n": 21})
        ...     record = runner.get_execution(ended.execution_id)
        >>> record.context.data, record.written_by
        ({'n': 21, 'twice': 42}, {'n': None, 'twice': 'double'})
    """

    context: Context
    written_by: dict[str, str | None]
    conflicts: list[ConflictRecord]
    tasks: dict[str, TaskRecord]
    waiting_for: str | None


def moment(seconds: float | None) -> datetime | None:
    """Stored seconds as a UTC time."""
    return None if seconds is None else moment_of(seconds)


def moment_of(seconds: float) -> datetime:
    """Stored seconds as a UTC time, or ``None``."""
    return datetime.fromtimestamp(seconds, UTC)


def time_text(seconds: float) -> str:
    """Stored seconds as shown in sentences."""
    return f"{moment_of(seconds):%Y-%m-%d %H:%M:%S} UTC"
