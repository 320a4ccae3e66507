"""Records of executions, their tasks and attempts, as they are handed out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cloaca.model.context import Context
from cloaca.model.execution import Failure
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
    """A task of an execution. ``reason`` says why it was skipped or what it waits for; ``error`` is its last.

    ``sub_status`` is, while it is ``Running``, ``"Deferred"`` where its body waits without a slot, else ``"Active"``. A
    task that runs again in a new round keeps the attempts of the earlier ones.

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
    """A change that overwrote an unequal one of a task that does not come before it.

    ``path`` is the context key and the dict keys below it; ``kept`` and ``lost`` are the ids of the tasks.

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

    ``round`` is 1, and one more with each ``retry``. Of a fork, ``forked_from`` is the id of the execution it was made
    of, and ``forked_at`` the task from which it runs.

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
    """All that is stored of an execution.

    ``context`` is the final context, or what the tasks completed so far have left; ``written_by`` has for each of its
    keys the task that wrote it last, ``None`` where that is the input. ``conflicts`` are the overwrites between siblings
    that it came from. ``waiting_for`` says what keeps an execution that nobody runs from going on.

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
    """Stored seconds as a UTC time."""
    return datetime.fromtimestamp(seconds, UTC)


def time_text(seconds: float) -> str:
    """Stored seconds as sentences show them."""
    return f"{moment_of(seconds):%Y-%m-%d %H:%M:%S} UTC"
