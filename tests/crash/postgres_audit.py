"""An audit of every change to a PostgreSQL database, and all that it tells of its past.

The audit is written by triggers, so a change and its entry are one transaction. Transactions overlap, so the number of an
entry says nothing of when it was committed: a body that starts reads which transactions it can see, and each entry knows
its own. Entries of one row, or of one runner's turns, are in the order of their commits all the same, for those wait for
each other.
"""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import Any, LiteralString

import psycopg

from tests.crash.tables import Attempt, Change, Execution, Happening, Tables

SCHEMA = """
create schema if not exists audit;
create table if not exists audit.changes (
    seq bigint generated always as identity primary key, subject text, execution text, task text, attempt integer,
    before text, after text, owner_before text, owner text, fence_before bigint, fence bigint, owner_epoch bigint,
    charges integer, error text, xid xid8 default pg_current_xact_id(), at timestamptz default clock_timestamp()
);
create or replace function audit.status(status text, retry_at float8) returns text language sql immutable
return case when status = 'Failed' and retry_at is not null then 'Retrying' else status end;

create or replace function audit.attempt() returns trigger language plpgsql as $$
declare before text;
begin
    if tg_op = 'UPDATE' then before := audit.status(old.status, old.retry_at); end if;
    insert into audit.changes
        (subject, execution, task, attempt, before, after, owner, fence, owner_epoch, charges, error)
    select 'attempt', new.execution_id, new.task, new.attempt, before, audit.status(new.status, new.retry_at), e.owner,
        e.fence, (select epoch from cloaca.runners where id = e.owner), new.charges, new.error::json ->> 'type'
    from cloaca.executions e where e.id = new.execution_id;
    return null;
end $$;

create or replace function audit.execution() returns trigger language plpgsql as $$
declare was cloaca.executions;
begin
    if tg_op = 'UPDATE' then was := old; end if;
    insert into audit.changes
        (subject, execution, before, after, owner_before, owner, fence_before, fence, owner_epoch)
    values ('execution', new.id, was.status, new.status, was.owner, new.owner, was.fence, new.fence,
        (select epoch from cloaca.runners where id = was.owner));
    return null;
end $$;

create or replace function audit.removed() returns trigger language plpgsql as $$
begin
    insert into audit.changes (subject, execution, before, owner_before, fence_before, fence)
    values ('removed', old.id, old.status, old.owner, old.fence, old.fence);
    return null;
end $$;

create or replace function audit.runner() returns trigger language plpgsql as $$
begin
    insert into audit.changes (subject, owner) values (tg_argv[0], coalesce(new.id, old.id));
    return null;
end $$;
"""

TRIGGERS = {
    "insert or update on cloaca.attempts": "attempt()",
    "insert or update of status, owner, fence on cloaca.executions": "execution()",
    "delete on cloaca.executions": "removed()",
    "update of turn on cloaca.runners": "runner('turn')",
    "update of epoch on cloaca.runners": "runner('dead')",
    "delete on cloaca.runners": "runner('left')",
}


class Plain(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose statements nobody counts."""

    execute = psycopg.Connection.execute
    pipeline = psycopg.Connection.pipeline


def install_audit(db: psycopg.Connection[Any]) -> None:
    """Have every change recorded from now on; in the middle of it a crash leaves nothing."""
    statements = [SCHEMA]
    for number, (event, action) in enumerate(TRIGGERS.items()):
        statements.append(
            f"create or replace trigger audit_{number} after {event} for each row execute function audit.{action};"
        )
    # What is sent at once is one transaction.
    Plain.execute(db, "".join(statements))


def latest_change(url: str) -> str:
    """Which transactions are visible now, as a snapshot."""
    return str(_ask(url, "select pg_current_snapshot()::text"))


def count_runners(url: str) -> int:
    """How many runners have a row."""
    return int(_ask(url, "select count(*) from cloaca.runners"))


def _ask(url: str, question: LiteralString) -> Any:
    with _asking:
        db = _asked.get(url)
        if db is None or db.closed:
            db = _asked[url] = Plain.connect(url, autocommit=True)
        row = db.execute(question).fetchone()
    assert row is not None
    return row[0]


_asking = threading.Lock()
_asked: dict[str, Plain] = {}
"""One connection for all bodies of a process, made anew where it was lost."""


def read_tables(url: str) -> Tables:
    """Read everything at one moment."""
    with closing(Plain.connect(url)) as db:
        db.execute("set transaction isolation level repeatable read")
        structures = db.execute("select structure, graph from cloaca.structures").fetchall()
        return Tables(
            [Execution(*row) for row in db.execute(_EXECUTIONS)],
            [Attempt(*row) for row in db.execute(_ATTEMPTS)],
            {row[0]: json.loads(row[1])["tasks"] for row in structures},
            {row[0] for row in db.execute("select id from cloaca.runners")},
            _changes(db),
            "ok",
            [Happening(*row) for row in db.execute(_EVENTS)],
        )


_EXECUTIONS = """
select id, workflow, structure, status, owner, fence, idempotency_key, finished_at is not null, error
from cloaca.executions order by seq
"""
_ATTEMPTS = """
select execution_id, task, attempt, audit.status(status, retry_at), charges, error, started_at, finished_at
from cloaca.attempts order by execution_id, task, attempt
"""
_EVENTS = "select execution_id, fence, kind, at from cloaca.events order by execution_id, fence"
_CHANGES = """
select seq, subject, execution, task, attempt, before, after, owner_before, owner, fence_before, fence, owner_epoch,
    charges, error, xid::text::bigint, extract(epoch from at)::float8
from audit.changes order by seq
"""


def _changes(db: Plain) -> list[Change]:
    rows = db.execute(_CHANGES).fetchall()
    writers = {row[14]: row[8] for row in rows if row[1] == "turn"}
    return [Change._make((*row[:14], writers.get(row[14], ""), *row[14:])) for row in rows]
