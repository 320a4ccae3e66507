"""An audit of every change to a SQLite database, and all that it tells of its past.

The audit is written by triggers, so a change and its entry are one transaction. There is one writer at a time, so an
entry's number is a clock that grows with every commit: a body that reads it when it starts proves what was committed.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.crash.tables import Attempt, Change, Execution, Happening, Tables

SCHEMA = """
create table if not exists crash_audit (
    seq integer primary key, subject text, execution text, task text, attempt integer, before text, after text,
    owner_before text, owner text, fence_before integer, fence integer, owner_epoch integer, charges integer,
    error text, at real default ((julianday('now') - 2440587.5) * 86400.0)
)
"""

_STATUS = "case when {0}.status = 'Failed' and {0}.retry_at is not null then 'Retrying' else {0}.status end"
_OF_EXECUTION = "(select {} from cloaca_executions where id = new.execution_id)"
_OWNER_EPOCH = (
    "(select epoch from cloaca_runners where id = "
    "(select owner from cloaca_executions where id = new.execution_id))"
)
_ATTEMPT = (
    "insert into crash_audit (subject, execution, task, attempt, before, after, owner, fence, owner_epoch, charges, "
    f"error) values ('attempt', new.execution_id, new.task, new.attempt, {{}}, {_STATUS.format('new')}, "
    f"{_OF_EXECUTION.format('owner')}, {_OF_EXECUTION.format('fence')}, {_OWNER_EPOCH}, new.charges, "
    "json_extract(new.error, '$.type'))"
)
_EXECUTION = (
    "insert into crash_audit (subject, execution, before, after, owner_before, owner, fence_before, fence, "
    "owner_epoch) values ('execution', new.id, {0}, new.status, {1}, new.owner, {2}, new.fence, "
    "(select epoch from cloaca_runners where id = {1}))"
)
_RUNNER = "insert into crash_audit (subject, owner) values ('{}', {}.id)"

TRIGGERS = {
    "insert on cloaca_attempts": _ATTEMPT.format("null"),
    "update on cloaca_attempts": _ATTEMPT.format(_STATUS.format("old")),
    "insert on cloaca_executions": _EXECUTION.format("null", "null", "null"),
    "update on cloaca_executions": _EXECUTION.format("old.status", "old.owner", "old.fence"),
    "delete on cloaca_executions": (
        "insert into crash_audit (subject, execution, before, owner_before, fence_before, fence) "
        "values ('removed', old.id, old.status, old.owner, old.fence, old.fence)"
    ),
    "update of turn on cloaca_runners": _RUNNER.format("turn", "new"),
    "update of epoch on cloaca_runners": _RUNNER.format("dead", "new"),
    "delete on cloaca_runners": _RUNNER.format("left", "old"),
}


def install_audit(db: sqlite3.Connection) -> None:
    """Have every change recorded from now on; in the middle of it a crash leaves nothing."""
    db.execute("begin immediate")
    db.execute(SCHEMA)
    for number, (event, action) in enumerate(TRIGGERS.items()):
        db.execute(f"create trigger if not exists crash_audit_{number} after {event} begin {action}; end")
    db.execute("commit")


def latest_change(url: str) -> int:
    """The number of the last change that is committed now."""
    with closing(_open(url)) as db:
        found: int | None = db.execute("select max(seq) from crash_audit").fetchone()[0]
        return found or 0


def count_runners(url: str) -> int:
    """How many runners have a row."""
    with closing(_open(url)) as db:
        return int(db.execute("select count(*) from cloaca_runners").fetchone()[0])


def _open(url: str) -> sqlite3.Connection:
    path = url.removeprefix("sqlite:///")
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, factory=sqlite3.Connection)


def read_tables(url: str) -> Tables:
    """Read everything at one moment."""
    with closing(_open(url)) as db:
        db.execute("begin")
        return Tables(
            [Execution._make((*row[:7], bool(row[7]), row[8])) for row in db.execute(_EXECUTIONS)],
            [Attempt(*row) for row in db.execute(_ATTEMPTS)],
            {row[0]: json.loads(row[1])["tasks"] for row in db.execute("select structure, graph from cloaca_structures")},
            {row[0] for row in db.execute("select id from cloaca_runners")},
            _changes(db),
            db.execute("pragma integrity_check").fetchone()[0],
            [Happening(*row) for row in db.execute(_EVENTS)],
        )  # fmt: skip


_EXECUTIONS = """
select id, workflow, structure, status, owner, fence, idempotency_key, finished_at is not null, error
from cloaca_executions order by seq
"""
_ATTEMPTS = f"""
select execution_id, task, attempt, {_STATUS.format("cloaca_attempts")}, charges, error, started_at, finished_at
from cloaca_attempts order by execution_id, task, attempt
"""


_EVENTS = "select execution_id, fence, kind, at from cloaca_events order by execution_id, fence"


def _changes(db: sqlite3.Connection) -> list[Change]:
    changes, writer = [], ""
    for row in db.execute("select * from crash_audit order by seq"):
        if row[1] == "turn":
            writer = row[8]
        changes.append(Change._make((*row[:14], writer, 0, row[14])))
    return changes
