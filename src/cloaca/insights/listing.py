"""Pages of executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloaca.authoring.names import is_str, nearest, shown
from cloaca.errors import ConfigurationError, ExecutionNotFoundError
from cloaca.insights.reading import find_execution, is_unstorable, summary_fields
from cloaca.insights.records import ExecutionSummary
from cloaca.model.states import Status

if TYPE_CHECKING:
    from cloaca.store.store import Store

_MOST = 2**31 - 1
"""The largest limit of a list, which all databases accept."""


def list_summaries(
    store: Store, *, workflow_name: str | None, status: str | None, limit: int, after: str | None
) -> list[ExecutionSummary]:
    """Executions, newest first; ``after`` is the last id of the previous page."""
    _check_filters(workflow_name, status, limit)
    if after is not None and find_execution(store, after) is None:
        raise ExecutionNotFoundError(
            f"execution {shown(after)} is not in {store.location}: page after one that is"
        )
    if workflow_name is not None and is_unstorable(workflow_name):
        return []
    rows = store.list_executions(workflow=workflow_name, status=status, after=after, limit=limit)
    return [ExecutionSummary(*summary_fields(row)) for row in rows]


def _check_filters(workflow_name: Any, status: Any, limit: Any) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST:
        raise ConfigurationError(f"limit={shown(limit)} must be a whole number from 1 to {_MOST}")
    if status is not None and not (is_str(status) and str.__str__(status) in list(Status)):
        hint = is_str(status) and nearest(str.__str__(status).capitalize(), map(str, Status))
        hint = hint or f"there are {', '.join(Status)}"
        raise ConfigurationError(f"status={shown(status)} is not a status of an execution: {hint}")
    if workflow_name is not None and not is_str(workflow_name):
        raise ConfigurationError(f"workflow_name={shown(workflow_name)} must be a str, or None for all")
