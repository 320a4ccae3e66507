"""Starting executions for whoever claims them, also in a caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from cloaca.errors import DatabaseError
from cloaca.model.states import Status
from cloaca.store.postgres.arrays import columns
from cloaca.store.postgres.listener import notify
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.rows import Existing, StartRow

TRIES = 5


class Entering:
    """Enters rows by the statements of one schema."""

    def __init__(self, statements: Mapping[str, str], url: PostgresUrl) -> None:
        self._sql = statements
        self._url = url

    def start_or_find(self, db: psycopg.Connection[Any], row: StartRow) -> Existing:
        """Start an execution, or find the one that its key names already."""
        # A caller's connection may make cursors of other kinds.
        with psycopg.Cursor(db, row_factory=tuple_row) as cursor:
            found = self._found(cursor, row)
            # In a caller's transaction it is delivered when that commits: nobody else can tell when.
            notify(cursor, self._sql["notify"], ended=(), work=True)
        return found

    def _found(self, cursor: psycopg.Cursor[Any], row: StartRow) -> Existing:
        """What stands under the key; between the two statements it may be removed."""
        for _ in range(TRIES):
            cursor.execute(self._sql["start_execution"], columns([row]))
            if cursor.fetchone() is not None or row.idempotency_key is None:
                return Existing(row.id, row.input)
            cursor.execute(self._sql["find_by_key"], (row.workflow, row.idempotency_key))
            if earlier := cursor.fetchone():
                return Existing._make(earlier)
        raise DatabaseError(
            f"{self._url.text}: what has key {row.idempotency_key!r} was removed again and again: try again"
        )


def unowned(row: StartRow) -> StartRow:
    """The start for whoever claims it."""
    return row._replace(status=Status.PENDING.value, owner=None, fence=0, started_at=None)
