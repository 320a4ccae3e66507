"""Opening a PostgreSQL database, and what its errors mean."""

from __future__ import annotations

import os
import select
from typing import Any

import psycopg
from psycopg import sql

from cloaca.errors import ConnectionError, DatabaseError, MigrationError
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.signals import CommitUnknown, Fenced, RowRefused, RunnerLost, StoreUnavailable
from cloaca.store.statements import load_migrations

MIGRATIONS = load_migrations(os.path.join(os.path.dirname(__file__), "migrations"))

Connection = psycopg.Connection[tuple[Any, ...]]

RUNNER_LOST, FENCED = "CL001", "CL002"
"""The states that ``cloaca.demand`` ends a transaction with."""

TOO_LARGE = "54000"
"""A value exceeds what a row or an index can hold."""

LOCK_TIMEOUT_SECONDS = 5
MEANINGS = {
    "28P01": "these credentials are refused ({text}): check user, password and pg_hba.conf",
    "28000": "these credentials are refused ({text}): check user, password and pg_hba.conf",
    "3D000": "there is no such database ({text}): create it first",
    "42501": "permission is refused ({text}): grant it on schema {schema!r}, or on the database",
    "53100": "no space is left: free some and start again; what was committed is safe",
    "53300": "the server takes no more connections ({text}): raise max_connections, or run fewer runners",
    "55P03": f"a row was locked for {LOCK_TIMEOUT_SECONDS} s ({{text}}): end the transaction that holds it",
}
"""By SQLSTATE: what it means for the one who has to act on it."""

ALWAYS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "cloaca",
    "client_encoding": "utf8",
}
"""Options of every connection, where the URL says nothing else: a server that is gone is noticed within seconds."""

SETTINGS = f"""
set search_path = pg_catalog;
set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s';
set idle_in_transaction_session_timeout = '{LOCK_TIMEOUT_SECONDS}s';
select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'
"""


def connect(url: PostgresUrl) -> Connection:
    """Open a connection in autocommit mode.

    Raises:
        ConnectionError: The server cannot be reached, or refuses; ``connect_timeout`` bounds the wait.
    """
    options = ALWAYS | {name: value for name, value in url.options.items() if name != "options"}
    try:
        db = psycopg.connect(**options, autocommit=True)  # type: ignore[arg-type]
        _set_up(db)
    except psycopg.Error as error:
        raise ConnectionError(explained(error, url), database_url=url.text) from error
    return db


def _set_up(db: Connection) -> None:
    try:
        if is_pooled(db):
            # A statement that was prepared here may be asked for on another client's connection.
            db.prepare_threshold = None
        else:
            db.execute(SETTINGS)
    except psycopg.Error:
        db.close()
        raise


def is_pooled(db: Connection) -> bool:
    """Whether a pooler stands between: what is set or locked for a session is then another client's soon."""
    row = db.execute("select pg_backend_pid()").fetchone()
    return row is None or row[0] != db.info.backend_pid


def is_lost(db: Connection) -> bool:
    """Whether the server has ended a connection on which nothing is under way; without asking it anything."""
    poll = select.poll()
    try:
        poll.register(db.pgconn.socket, select.POLLIN)
        while poll.poll(0):
            db.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return db.closed


def qualified(statement: str, schema: str, *, binds: bool = False) -> str:
    """The statement for this schema; in the files all tables lie in ``cloaca``.

    Args:
        binds: Whether values are bound to it: a ``%`` in the schema's name is then written twice.
    """
    name = sql.Identifier(schema).as_string()
    return statement.replace("cloaca.", (name.replace("%", "%%") if binds else name) + ".")


def migrate(db: Connection, url: PostgresUrl) -> None:
    """Bring the tables to the version this release needs: all in one transaction, once, whoever comes first.

    Raises:
        MigrationError: The database was made by a newer release, or refuses.
    """
    target = MIGRATIONS[-1][0]
    try:
        version = _version(db, url.schema)
        if version < target:
            with db.transaction():
                # Ten processes that start at once take turns; a killed one leaves nothing.
                db.execute(
                    "select pg_advisory_xact_lock(hashtextextended('cloaca ' || %s, 0))", (url.schema,)
                )
                version = max(target, _apply(db, url.schema))
    except psycopg.Error as error:
        raise MigrationError(explained(error, url), target_version=target) from error
    if version > target:
        raise MigrationError(
            f"the tables of {url.text} have version {version}, this release knows {target}: upgrade pycloaca",
            target_version=target,
        )


def _version(db: Connection, schema: str) -> int:
    # By a query, which sees what was committed by the one this one has waited for; to_regclass may remember otherwise.
    known = db.execute(
        "select 1 from pg_class where relname = 'migrations' and relnamespace = "
        "(select oid from pg_namespace where nspname = %s)", (schema,)
    ).fetchone()  # fmt: skip
    if known is None:
        return 0
    found = db.execute(qualified("select max(version) from cloaca.migrations", schema)).fetchone()
    return int(str(found[0])) if found and found[0] is not None else 0


def _apply(db: Connection, schema: str) -> int:
    version = _version(db, schema)
    if not version:
        exists = db.execute("select 1 from pg_namespace where nspname = %s", (schema,)).fetchone()
        if exists is None:
            db.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        table = (
            "create table cloaca.migrations (version integer primary key, applied_at timestamptz not null)"
        )
        db.execute(qualified(table, schema))
    for number, statements in MIGRATIONS:
        if number > version:
            for statement in statements:
                db.execute(qualified(statement, schema))
            db.execute(
                qualified("insert into cloaca.migrations values (%s, now())", schema, binds=True), (number,)
            )
    return version


def explained(error: BaseException, url: PostgresUrl) -> str:
    """What a driver's error means for the one who has to act on it."""
    text = " ".join(str(error).split()) or type(error).__name__
    if password := url.options.get("password"):
        text = text.replace(str(password), "***")
    state = getattr(error, "sqlstate", None)
    if state is None and isinstance(error, psycopg.OperationalError):
        return f"{url.text} cannot be reached ({text}): check the server, host and port"
    meaning = MEANINGS.get(state or "", "{text}")
    return f"{url.text}: {meaning.format(text=text, schema=url.schema)}"


def is_broken(error: BaseException, db: Connection) -> bool:
    """Whether the connection is of no use any more, and nobody knows what became of what was sent on it."""
    state = getattr(error, "sqlstate", None) or ""
    return db.closed or (
        isinstance(error, psycopg.OperationalError) and (not state or state[:2] in ("08", "57"))
    )


def refusal(error: Exception, url: PostgresUrl) -> Exception:
    """Which of the store's signals an error is that the server has answered with before it committed."""
    state = getattr(error, "sqlstate", None)
    if state == RUNNER_LOST:
        return RunnerLost()
    if state == FENCED:
        return Fenced(set())
    if state == TOO_LARGE or isinstance(
        error, (psycopg.DataError, psycopg.IntegrityError, UnicodeEncodeError, OverflowError)
    ):
        return RowRefused(str(error))
    return StoreUnavailable(DatabaseError(explained(error, url)))


def in_doubt(error: Exception, url: PostgresUrl) -> CommitUnknown:
    """The connection was lost while a transaction was on its way."""
    return CommitUnknown(explained(error, url))
