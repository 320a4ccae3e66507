"""Opening a PostgreSQL database, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import re
import select
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_attempts

from cloaca.errors import ConnectionError, DatabaseError, MigrationError, SchemaError
from cloaca.store.masking import hidden
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.signals import CommitUnknown, Fenced, RowRefused, RunnerLost, StoreUnavailable
from cloaca.store.statements import load_migrations

T = TypeVar("T")

MIGRATIONS = load_migrations(os.path.join(os.path.dirname(__file__), "migrations"))

Connection = psycopg.Connection[tuple[Any, ...]]

RUNNER_LOST, FENCED = "CL001", "CL002"
"""The states that ``cloaca.demand`` ends a transaction with."""

TOO_LARGE = "54000"
"""A value exceeds what a row or an index can hold."""

LOCK_TIMEOUT_SECONDS = 5
TURN_SECONDS = 2 * LOCK_TIMEOUT_SECONDS
KNOWS_TRANSACTION_TIMEOUT = 170000
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

BEGIN = "begin isolation level read committed read write"

CONNECT_SECONDS = 4
"""For all addresses of a server, so that whoever cannot connect is told so within five seconds."""

ALWAYS = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "cloaca",
    "client_encoding": "utf8",
}
"""Options of every connection, where the URL says nothing else: a server that is gone is noticed within seconds."""

MIGRATIONS_TABLE = """
create table cloaca.migrations (
    version integer primary key,
    applied_at timestamptz not null,
    channel text not null default 'cloaca_' || replace(gen_random_uuid()::text, '-', '')
)
"""
"""The channel of the first is where runners notify each other. Any role can listen to any channel, and to hear of another
schema's executions it would have to guess this one."""

SETTINGS = f"""
set search_path = pg_catalog;
set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s';
set idle_in_transaction_session_timeout = '{LOCK_TIMEOUT_SECONDS}s';
set enable_seqscan = off;
select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'
"""
"""Of every session. A plan is kept that was made while a table was small, and reading all of it was cheapest."""


SCHEMA = """
select pg_catalog.pg_get_userbyid(n.nspowner), n.nspowner = me.oid,
    (select c.relname from pg_catalog.pg_class c
     where c.relnamespace = n.oid and c.relname = any(%s) and c.relowner <> n.nspowner limit 1),
    current_user, me.rolsuper or pg_catalog.has_database_privilege(current_database(), 'create')
from pg_catalog.pg_roles me left join pg_catalog.pg_namespace n on n.nspname = %s
where me.rolname = current_user
"""
"""Whose a schema is, and whose some table in it that is not its owner's."""

TABLES = re.findall(r"create table cloaca\.(\w+)", "".join(part for _, parts in MIGRATIONS for part in parts))


def connect(url: PostgresUrl) -> Connection:
    """Open a connection in autocommit mode, on a schema about which there is no doubt.

    Raises:
        ConnectionError: The server cannot be reached, or refuses; ``connect_timeout`` bounds the wait.
        SchemaError: The URL asks for a schema by name, and it is not the role's own, or cannot be made.
    """
    db = open_connection(url)
    try:
        if url.is_own:
            _check_schema(db, url)
    except psycopg.Error as error:
        db.close()
        raise ConnectionError(explained(error, url), database_url=url.text) from error
    except BaseException:
        db.close()
        raise
    return db


def open_connection(url: PostgresUrl) -> Connection:
    """``connect`` for those who care for no schema in particular."""
    try:
        # The driver gives the whole time to each address, of each host of a list, and never less than two seconds.
        addresses = len(conninfo_attempts(url.options))
        options = ALWAYS | {"connect_timeout": max(2, CONNECT_SECONDS // addresses)} | url.options
        db = psycopg.connect(**options, autocommit=True)  # type: ignore[arg-type]
        _set_up(db)
    except psycopg.Error as error:
        refused = ConnectionError(explained(error, url), database_url=url.text)
        # The driver's own error holds on to all that it connected with, the password too.
        refused.__cause__ = type(error)(hidden(str(error), url.secrets))
    else:
        return db
    raise refused


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


def _check_schema(db: Connection, url: PostgresUrl) -> None:
    """See that the schema is the role's own: an owner reads everything in it, and its triggers run as who writes.

    Not even a superuser works in another role's schema, which could make it do anything.
    """
    row = db.execute(SCHEMA, (["migrations", *TABLES], url.schema)).fetchone()
    owner, is_own, foreign, me, may_create = row or (None, None, None, None, False)
    if owner is None and not may_create:
        raise SchemaError(
            f"{url.text}: there is no schema {url.schema!r}, and role {me!r} may not create it: have it created with "
            f"'create schema ... authorization ...', or by cloaca.DatabaseAdmin"
        )
    if owner is not None and not is_own:
        raise SchemaError(
            f"{url.text}: schema {url.schema!r} belongs to role {owner!r}, not to {me!r}: connect as {owner!r}, or name "
            "another schema"
        )
    if foreign is not None:
        raise SchemaError(
            f"{url.text}: table {foreign!r} of schema {url.schema!r} does not belong to the schema's owner {me!r}: change "
            "its owner, or name another schema"
        )


def is_pooled(db: Connection) -> bool:
    """Whether a pooler stands between: what is set or locked for a session is then another client's soon."""
    row = db.execute("select pg_backend_pid()").fetchone()
    return row is None or row[0] != db.info.backend_pid


def bound_turns(db: Connection) -> None:
    """End a turn on the server whose process was stopped in the middle of sending it: others wait for its rows.

    The idle timeout does not count within a pipeline. Servers before 17 know no other, and wait until it goes on.
    """
    if db.info.server_version >= KNOWS_TRANSACTION_TIMEOUT:
        db.execute(f"set transaction_timeout = '{TURN_SECONDS}s'")


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


def in_transaction(db: Connection, work: Callable[[Connection], T]) -> T:
    """Work in a transaction of its own, on a connection that has none."""
    try:
        db.execute(BEGIN)
        done = work(db)
        db.execute("commit")
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            db.execute("rollback")
        raise
    return done


def migrate(db: Connection, url: PostgresUrl) -> None:
    """Bring the tables to the version this release needs: all in one transaction, once, whoever comes first.

    Raises:
        MigrationError: The database was made by a newer release, or refuses.
    """
    target = MIGRATIONS[-1][0]
    try:
        version = tables_version(db, url.schema)
        if version < target:
            with db.transaction():
                _take_turns(db, url.schema)
                version = max(target, apply_migrations(db, url.schema))
    except psycopg.Error as error:
        raise MigrationError(explained(error, url), target_version=target) from error
    if version > target:
        raise MigrationError(
            f"the tables of {url.text} have version {version}, this release knows {target}: upgrade pycloaca",
            target_version=target,
        )


def _take_turns(db: Connection, schema: str) -> None:
    """Let ten processes that start at once come one after the other; a killed one leaves nothing.

    Any role can take an advisory lock, so it holds up the making of the tables only, never their change.
    """
    if not _has_tables(db, schema):
        db.execute("select pg_advisory_xact_lock(hashtextextended('cloaca ' || %s, 0))", (schema,))
    if _has_tables(db, schema):
        db.execute(qualified("lock table cloaca.migrations in share row exclusive mode", schema))


def _has_tables(db: Connection, schema: str) -> bool:
    # By a query, which sees what was committed by the one this one has waited for; to_regclass may remember otherwise.
    known = db.execute(
        "select 1 from pg_class where relname = 'migrations' and relnamespace = "
        "(select oid from pg_namespace where nspname = %s)", (schema,)
    ).fetchone()  # fmt: skip
    return known is not None


def tables_version(db: Connection, schema: str) -> int:
    """The version of the tables in a schema; 0 where there are none."""
    if not _has_tables(db, schema):
        return 0
    found = db.execute(qualified("select max(version) from cloaca.migrations", schema)).fetchone()
    return int(str(found[0])) if found and found[0] is not None else 0


def apply_migrations(db: Connection, schema: str) -> int:
    """Make the tables, or change them, within the caller's transaction; the version that was found."""
    version = tables_version(db, schema)
    if not version:
        exists = db.execute("select 1 from pg_namespace where nspname = %s", (schema,)).fetchone()
        if exists is None:
            db.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        db.execute(qualified(MIGRATIONS_TABLE, schema))
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
    text = " ".join(hidden(str(error), url.secrets).split()) or type(error).__name__
    state = getattr(error, "sqlstate", None)
    if state is None and "FATAL:" in text:
        return f"{url.text} refuses the connection ({text}): check user, password and database, or wait until it is ready"
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
