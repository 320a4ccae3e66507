"""Every read of what is stored: records of executions, their tasks and attempts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloaca.authoring.names import is_str, nearest, shown
from cloaca.errors import ConfigurationError, ExecutionNotFoundError, WorkflowError
from cloaca.model.context import Context
from cloaca.model.delta import EMPTY, Delta
from cloaca.model.execution import AttemptRow, Failure, StoredAttempt
from cloaca.model.graph import INITIAL, Graph
from cloaca.model.states import Status, TaskStatus
from cloaca.model.values import encode
from cloaca.model.view import View

if TYPE_CHECKING:
    from cloaca.store.rows import ExecutionRow
    from cloaca.store.store import Store

CodeOf = Callable[[str], tuple[str, str | None] | None]
"""The structure and the version of the workflow of a name that is registered here, ``None`` without one.

Of the version it says ``None`` where executions of any version run here. It may raise ``WorkflowError``.
"""

_MOST = 2**31 - 1
"""The largest limit of a list: databases take it everywhere."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt at a task. Times are UTC; ``error`` is ``None`` unless it failed."""

    attempt: int
    status: TaskStatus
    started_at: datetime | None
    finished_at: datetime | None
    error: Failure | None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task of an execution. ``reason`` says why it was skipped or what it waits for; ``error`` is its last."""

    id: str
    status: TaskStatus
    reason: str | None
    attempts: list[AttemptRecord]
    started_at: datetime | None
    finished_at: datetime | None
    error: Failure | None


@dataclass(frozen=True, slots=True)
class ConflictRecord:
    """A change that overwrote an unequal one of a task that does not come before it.

    ``path`` is the context key and the dict keys below it; ``kept`` and ``lost`` are the ids of the tasks.
    """

    path: tuple[str, ...]
    kept: str
    lost: str


@dataclass(frozen=True, slots=True)
class ExecutionSummary:
    """An execution without its tasks and context."""

    execution_id: str
    workflow_name: str
    workflow_version: str
    status: Status
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class ExecutionRecord(ExecutionSummary):
    """All that is stored of an execution.

    ``context`` is the final context, or what the tasks completed so far have left. ``conflicts`` are the overwrites
    between siblings that it came from. ``waiting_for`` says what keeps an execution that nobody runs from going on.
    """

    context: Context
    conflicts: list[ConflictRecord]
    tasks: dict[str, TaskRecord]
    waiting_for: str | None


FOR_CAPACITY = "a runner with capacity"
"""What an execution waits for whose code is registered here."""


def moment(seconds: float | None) -> datetime | None:
    """Stored seconds as a UTC time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def task_records(graph: Graph, rows: Iterable[AttemptRow | StoredAttempt]) -> dict[str, TaskRecord]:
    """The tasks of an execution, in declared order, from the rows of its attempts in the order of time."""
    by_task: dict[str, list[AttemptRow | StoredAttempt]] = {task: [] for task in graph.ids}
    for row in rows:
        by_task[row.task].append(row)
    records: dict[str, TaskRecord] = {}
    for node in graph.order:
        task = graph.ids[node]
        dependencies = [records[graph.ids[dep]].status for dep in graph.dependencies[node]]
        records[task] = _task_record(task, by_task[task], dependencies)
    return {task: records[task] for task in graph.ids}


def _task_record(
    task: str, rows: list[AttemptRow | StoredAttempt], dependencies: list[TaskStatus]
) -> TaskRecord:
    last = rows[-1] if rows else None
    attempts = [
        AttemptRecord(
            row.attempt, TaskStatus(row.status), moment(row.started_at), moment(row.finished_at),
            Failure.from_text(row.error) if row.error else None,
        )
        for row in rows if row.attempt and row.status not in ("Suspect", "Skipped")
    ]  # fmt: skip
    status, reason = _task_status(last, dependencies)
    return TaskRecord(
        task, status, reason, attempts, attempts[0].started_at if attempts else None,
        moment(last.finished_at) if last and status in _SETTLED else None, attempts[-1].error if attempts else None,
    )  # fmt: skip


_SETTLED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED)


def _task_status(
    last: AttemptRow | StoredAttempt | None, dependencies: list[TaskStatus]
) -> tuple[TaskStatus, str | None]:
    if last is None:
        ready = all(status in _SETTLED for status in dependencies)
        return (TaskStatus.READY if ready else TaskStatus.PENDING), None
    if last.status == "Suspect":
        return TaskStatus.READY, "it may have brought its process down: it runs alone next"
    if last.status == "Failed" and last.retry_at is not None:
        return TaskStatus.PENDING, f"retry due at {moment(last.retry_at):%Y-%m-%d %H:%M:%S} UTC"
    return TaskStatus(last.status), last.reason


def read_record(store: Store, execution_id: str, *, code_of: CodeOf | None) -> ExecutionRecord:
    """All that is stored of an execution.

    Args:
        code_of: ``None`` where nothing is run, whatever is registered.

    Raises:
        ExecutionNotFoundError: There is none of this id.
    """
    row = _execution(store, execution_id)
    if row is None:
        raise ExecutionNotFoundError(
            f"execution {shown(execution_id)} is not in {store.location}: check the id, and that this is its database"
        )
    graph = _graph(store, row)
    # What is read later may be newer: of tasks that the first claim has brought by now this row knows nothing.
    attempts = store.read_attempts(execution_id) if row.structure else []
    view = _view_so_far(graph, row.input, attempts)
    return ExecutionRecord(
        *_summary_fields(row),
        Context.over(view),
        [ConflictRecord(path, graph.ids[kept], graph.ids[lost]) for path, kept, lost in view.conflicts],
        task_records(graph, attempts),
        _waiting_for(row, code_of),
    )


def _graph(store: Store, row: ExecutionRow) -> Graph:
    """The graph it was started with; one without tasks where its first claim is still to choose one."""
    if not row.structure:
        return Graph(row.workflow, {})
    return Graph.thawed(store.read_structures([row.structure])[row.structure])


def _view_so_far(graph: Graph, input: str, attempts: list[StoredAttempt]) -> View:
    deltas = {
        graph.index[stored.task]: Delta.from_text(stored.delta)
        for stored in attempts if stored.status == "Completed" and stored.delta is not None
    }  # fmt: skip
    initial = View.initial({key: encode(value, key) for key, value in json.loads(input).items()})
    replayed = graph.between(base=INITIAL, targets=graph.leaves)
    return View.merged(graph, initial, [(node, deltas.get(node, EMPTY)) for node in replayed])


def _summary_fields(
    row: ExecutionRow,
) -> tuple[str, str, str, Status, datetime, datetime | None, datetime | None, str | None]:
    created = datetime.fromtimestamp(row.created_at, UTC)
    return (
        row.id, row.workflow, row.version, Status(row.status), created, moment(row.started_at),
        moment(row.finished_at), row.error,
    )  # fmt: skip


def _waiting_for(row: ExecutionRow, code_of: CodeOf | None) -> str | None:
    if row.finished_at is not None or row.owner is not None:
        return None
    if code_of is None:
        return f"{FOR_CAPACITY} in a process that has registered workflow {row.workflow!r}"
    try:
        code = code_of(row.workflow)
    except WorkflowError as error:
        return f"workflow {row.workflow!r} cannot be built here, {error}: mend its constructor and register it again"
    if code is None:
        return f"workflow {row.workflow!r} is not registered in this process: import its module"
    return _difference(row, *code) or FOR_CAPACITY


def _difference(row: ExecutionRow, structure: str, version: str | None) -> str | None:
    """Why an execution cannot run with what is registered, or ``None``; one without a structure can."""
    if row.structure not in ("", structure):
        return (
            f"workflow {row.workflow!r} has other tasks, dependencies or rules here than it was started with: "
            "run it with the code that started it"
        )
    if row.structure and version not in (None, row.version):
        return (
            f"version {row.version} of workflow {row.workflow!r}, and version {version} is registered here: run it "
            "with the code that started it, or with on_version_change='continue'"
        )
    return None


def list_summaries(
    store: Store, *, workflow_name: str | None, status: str | None, limit: int, after: str | None
) -> list[ExecutionSummary]:
    """Executions, newest first; the next page is ``after`` the last id of this one."""
    _check_filters(workflow_name, status, limit)
    if after is not None and _execution(store, after) is None:
        raise ExecutionNotFoundError(
            f"execution {shown(after)} is not in {store.location}: page after one that is"
        )
    if workflow_name is not None and _is_unstorable(workflow_name):
        return []
    rows = store.list_executions(workflow=workflow_name, status=status, after=after, limit=limit)
    return [ExecutionSummary(*_summary_fields(row)) for row in rows]


def _check_filters(workflow_name: Any, status: Any, limit: Any) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST:
        raise ConfigurationError(f"limit={shown(limit)} must be a whole number from 1 to {_MOST}")
    if status is not None and not (is_str(status) and str.__str__(status) in list(Status)):
        hint = is_str(status) and nearest(str.__str__(status).capitalize(), map(str, Status))
        hint = hint or f"there are {', '.join(Status)}"
        raise ConfigurationError(f"status={shown(status)} is no status of an execution: {hint}")
    if workflow_name is not None and not is_str(workflow_name):
        raise ConfigurationError(f"workflow_name={shown(workflow_name)} must be a str, or None for all")


def _execution(store: Store, execution_id: Any) -> ExecutionRow | None:
    """The row of an id, which may be anything that somebody typed."""
    if not is_str(execution_id) or _is_unstorable(execution_id):
        return None
    return store.read_execution(execution_id)


def _is_unstorable(text: str) -> bool:
    """Whether no database could have stored it: half a character is in it."""
    return any("\ud800" <= character <= "\udfff" for character in text)
