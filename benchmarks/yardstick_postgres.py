"""The yardstick on PostgreSQL: the same turn as one pipelined transaction over arrays."""

from __future__ import annotations

import psycopg

from benchmarks.yardstick import Commit, Rows

SCHEMA = """
create table executions(id uuid primary key, status text, fence int, input text, created float8, finished float8);
create table attempts(execution_id uuid, task text, attempt int, status text, delta text, started float8,
                      finished float8, primary key(execution_id, task, attempt));
"""
START = """insert into executions select i, 'Running', 1, d, c, null
           from unnest(%s::uuid[], %s::text[], %s::float8[]) x(i, d, c)"""
SETTLE = """insert into attempts select x.i, t, 1, 'Completed', d, b, e
            from unnest(%s::uuid[], %s::text[], %s::text[], %s::float8[], %s::float8[]) x(i, t, d, b, e)
            join executions on executions.id = x.i and fence = 1"""
FINISH = """update executions set status = 'Completed', finished = e
            from unnest(%s::float8[], %s::uuid[]) x(e, i) where id = i and fence = 1"""


def connected(url: str) -> Commit:
    """A new PostgreSQL database."""
    db = psycopg.connect(url, autocommit=True)
    db.execute(SCHEMA)

    def commit(started: Rows, settled: Rows, finished: Rows) -> None:
        with db.pipeline():
            db.execute("begin", prepare=True)
            for statement, rows in ((START, started), (SETTLE, settled), (FINISH, finished)):
                if rows:
                    db.execute(statement, [list(column) for column in zip(*rows, strict=True)], prepare=True)
            db.execute("commit", prepare=True)

    return commit
