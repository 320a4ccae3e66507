"""That what is told of each execution in a database is whole."""

from __future__ import annotations

from contextlib import closing

from cloaca.runner.stores import store_of
from tests.insights.agreement import check_history


def untold(url: str) -> list[str]:
    """What the history of an execution leaves out or contradicts."""
    found = []
    with closing(store_of(url)) as store:
        rows = store.list_executions(workflow=None, status=None, after=None, limit=2**31 - 1)
        for row in rows:
            try:
                check_history(store, row.id)
            except AssertionError as error:
                found.append(f"I11 the history of execution {row.id}: {error}")
    return found
