"""Starting executions to be claimed by any runner, also in a caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from cloaca.errors import DatabaseError
from cloaca.store.postgres.arrays import columns
from cloaca.store.postgres.listener import notify
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.rows import Batch, Existing, StartRow, unowned

TRIES = 5


class Starts:
    """Starts executions with the statements of one schema."""

    def __init__(self, statements: Mapping[str, str], url: PostgresUrl) -> None:
        self._sql = statements
        self._url = url

    def start_or_find(self, db: psycopg.Connection[Any], row: StartRow) -> Existing:
        """Start an execution, or find the one that already has its key."""
        # A caller's connection may create cursors of other kinds.
        with psycopg.Cursor(db, row_factory=tuple_row) as cursor:
            found = self._found(cursor, row)
            # In a caller's transaction this is delivered when that commits, which nobody else can know.
            notify(cursor, self._sql["notify"], ended=(), work=True)
        return found

    def _found(self, cursor: psycopg.Cursor[Any], row: StartRow) -> Existing:
        """The execution that has the key, which may be removed between the two statements."""
        for _ in range(TRIES):
            cursor.execute(self._sql["start_execution"], columns([row]))
            if cursor.fetchone() is not None or row.idempotency_key is None:
                return Existing(row.id, row.input)
            cursor.execute(self._sql["find_by_key"], (row.workflow, row.idempotency_key))
            if earlier := cursor.fetchone():
                return Existing._make(earlier)
        raise DatabaseError(
            f"{self._url.text}: the execution with key {row.idempotency_key!r} was removed again and again: try again"
        )

    def losers(self, db: psycopg.Connection[Any], batch: Batch) -> dict[str, Existing]:
        """For a committed batch: which starts lost, and to which executions. Call it outside a transaction."""
        losers = {}
        for row in batch.starts:
            if row.idempotency_key is not None:
                key = row.workflow, row.idempotency_key
                found = db.execute(self._sql["find_by_key"], key).fetchone()
                if found is None:
                    # The execution that had the key was removed since, and nothing was started under the key.
                    losers[row.id] = self.start_or_find(db, unowned(row))
                    continue
                if found[0] != row.id:
                    losers[row.id] = Existing(str(found[0]), str(found[1]))
                    continue
            mine = db.execute(self._sql["find_started"], (row.id, row.owner, row.fence)).fetchone()
            if mine is None:
                # It was committed before this runner was declared dead, and continues under another claim.
                losers[row.id] = Existing(row.id, row.input)
        return losers
