"""Reading an execution with everything stored about it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cloaca.authoring.names import is_str, shown
from cloaca.errors import ExecutionNotFoundError
from cloaca.insights.code import CodeOf, waiting_for
from cloaca.insights.records import ConflictRecord, ExecutionRecord, moment, moment_of
from cloaca.insights.tasks import task_records
from cloaca.model.context import Context
from cloaca.model.delta import EMPTY, Delta
from cloaca.model.graph import INITIAL, Graph
from cloaca.model.rows import StoredAttempt
from cloaca.model.states import Status
from cloaca.model.values import encode
from cloaca.model.view import View

if TYPE_CHECKING:
    from cloaca.store.rows import ExecutionRow
    from cloaca.store.store import Store


class Stored(NamedTuple):
    """An execution, the graph it was started with, and its attempts by task and number."""

    row: ExecutionRow
    graph: Graph
    attempts: list[StoredAttempt]


def read_stored(store: Store, execution_id: Any) -> Stored:
    """What is stored of an execution.

    Raises:
        ExecutionNotFoundError: No execution has this id.
    """
    row = _found(store, execution_id)
    # Later reads may be newer: tasks that the first claim has added since are unknown to this row.
    attempts = store.read_attempts(row.id) if row.structure else []
    # If it was deleted after the row was read, its attempts may be missing.
    _found(store, row.id)
    return Stored(row, _graph(store, row), attempts)


def _found(store: Store, execution_id: Any) -> ExecutionRow:
    row = find_execution(store, execution_id)
    if row is None:
        raise ExecutionNotFoundError(
            f"execution {shown(execution_id)} is not in {store.location}: check the id, and that this is its database"
        )
    return row


def read_record(store: Store, execution_id: str, *, code_of: CodeOf | None) -> ExecutionRecord:
    """Everything that is stored about an execution.

    Args:
        code_of: ``None`` if nothing runs here, whatever is registered.

    Raises:
        ExecutionNotFoundError: No execution has this id.
    """
    row, graph, attempts = read_stored(store, execution_id)
    view = view_so_far(graph, row.input, attempts)
    return ExecutionRecord(
        *summary_fields(row),
        Context.over(view),
        {key: None if node == INITIAL else graph.ids[node] for key, node in view.writers().items()},
        conflicts_of(graph, view),
        tasks_of(row, graph, attempts),
        waiting_for(row, code_of),
    )


def tasks_of(row: ExecutionRow, graph: Graph, attempts: list[StoredAttempt]) -> dict[str, Any]:
    """The records of the tasks of a stored execution."""
    is_cancelled = row.status == Status.CANCELLED
    return task_records(graph, attempts, round_fence=row.round_fence, is_cancelled=is_cancelled)


def conflicts_of(graph: Graph, view: View) -> list[ConflictRecord]:
    """The conflicts of a view."""
    return [ConflictRecord(path, graph.ids[kept], graph.ids[lost]) for path, kept, lost in view.conflicts]


def _graph(store: Store, row: ExecutionRow) -> Graph:
    """The graph it was started with; without tasks if its first claim has yet to choose one."""
    if not row.structure:
        return Graph(row.workflow, {})
    return Graph.from_json(store.read_structures([row.structure])[row.structure])


def view_so_far(graph: Graph, input: str, attempts: list[StoredAttempt]) -> View:
    """The context left by the tasks that have completed so far."""
    deltas = {
        graph.index[stored.task]: Delta.from_text(stored.delta)
        for stored in attempts if stored.status == "Completed" and stored.delta is not None
    }  # fmt: skip
    replayed = graph.between(base=INITIAL, targets=graph.leaves)
    return View.merged(
        graph, View.initial(input_texts(input)), [(node, deltas.get(node, EMPTY)) for node in replayed]
    )


def input_texts(input: str) -> dict[str, str]:
    """The keys of a stored input with their texts."""
    return {key: encode(value, key) for key, value in json.loads(input).items()}


def summary_fields(
    row: ExecutionRow,
) -> tuple[
    str, str, str, Status, datetime, datetime | None, datetime | None, str | None, int, str | None, str | None
]:
    """The fields of an ``ExecutionSummary``, in order."""
    created = moment_of(row.created_at)
    return (
        row.id, row.workflow, row.version, Status(row.status), created, moment(row.started_at),
        moment(row.finished_at), row.error, row.round, row.forked_from, row.forked_at,
    )  # fmt: skip


def find_execution(store: Store, execution_id: Any) -> ExecutionRow | None:
    """The row of an id, which may be any value."""
    if not is_str(execution_id) or is_unstorable(execution_id):
        return None
    return store.read_execution(execution_id)


def is_unstorable(text: str) -> bool:
    """Whether no database could have stored it, because it contains a lone surrogate."""
    return any("\ud800" <= character <= "\udfff" for character in text)
