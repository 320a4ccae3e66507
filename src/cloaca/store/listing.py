"""Pages of executions: which statement serves which filters, in every dialect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cloaca.store.rows import BEHIND_ALL, ExecutionRow

Read = Callable[[str, Sequence[Any]], list[Any]]
"""The rows of a named statement."""


def page_of(
    read: Read, *, workflow: str | None, status: str | None, after: str | None, limit: int, statuses: Any
) -> list[ExecutionRow]:
    """Executions, newest first, those older than ``after``.

    Args:
        statuses: All statuses, as the dialect binds them.
    """
    before = _place_of(read, after)
    match workflow, status:
        case None, None:
            rows = read("list_executions", (before, limit))
        case str(), None:
            rows = read("list_executions_of", (workflow, before, limit, statuses))
        case None, str():
            rows = read("list_executions_in", (status, before, limit))
        case _:
            rows = read("list_executions_of_in", (workflow, status, before, limit))
    return [ExecutionRow(*row) for row in rows]


def _place_of(read: Read, execution: str | None) -> int:
    """The position in start order before which the page after an execution ends; 0 if there is no such execution."""
    if execution is None:
        return BEHIND_ALL
    rows = read("find_place", (execution,))
    return int(rows[0][0]) if rows else 0
