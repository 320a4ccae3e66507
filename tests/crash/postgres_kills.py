"""Ways to kill this process at a counted moment of its talk with PostgreSQL.

A turn is one round trip there, so a kill can also fall between what is sent and what is read: the server then goes on
with the transaction of a process that is dead, and the next one may be there before it ends.
"""

from __future__ import annotations

from typing import Any

import psycopg

from cloaca.store.postgres.store import PostgresStore
from tests.crash.kills import Fuse


def at_turns(fuse: Fuse) -> None:
    """Count the store's transactions: before anything of one is sent, after its answer is read."""
    PostgresStore._turn_of = fuse.around(PostgresStore._turn_of)  # type: ignore[method-assign]


def at_commits(fuse: Fuse) -> None:
    """Count commits: after all that comes before one is sent, after it is sent too and no answer is read."""
    execute = psycopg.Connection.execute

    def commit(db: psycopg.Connection[Any], *statement: Any, **how: Any) -> Any:
        done = execute(db, *statement, **how)
        if fuse.burns:
            _send_all(db)
        return done

    counted = fuse.around(commit)

    def execute_or_commit(db: psycopg.Connection[Any], query: Any, *parameters: Any, **how: Any) -> Any:
        return (counted if query == "commit" else execute)(db, query, *parameters, **how)

    psycopg.Connection.execute = execute_or_commit  # type: ignore[method-assign,assignment]


def _send_all(db: psycopg.Connection[Any]) -> None:
    if db.pgconn.pipeline_status == psycopg.pq.PipelineStatus.OFF:
        # A verb's, whose answer is there already.
        return
    db.pgconn.pipeline_sync()
    while db.pgconn.flush():
        pass


def at_statements(fuse: Fuse) -> None:
    """Count every statement of every connection, those of migrations included."""
    psycopg.Connection.execute = fuse.around(psycopg.Connection.execute)  # type: ignore[method-assign]
