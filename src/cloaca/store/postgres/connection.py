"""Opening a PostgreSQL database, and interpreting its errors."""

from __future__ import annotations

import contextlib
import os
import re
import select
from collections.abc import Callable, Iterator
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
"""The SQLSTATEs with which ``cloaca.demand`` ends a transaction."""

TOO_LARGE = "54000"
"""A value that is too large for a row or an index."""

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
"""By SQLSTATE: what an error means for whoever has to act on it."""

BEGIN = "begin isolation level read committed read write"

CONNECT_SECONDS = 4
"""For all addresses of a server together, so that a failure to connect is reported within five seconds."""

ALWAYS = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "cloaca",
    "client_encoding": "utf8",
}
"""Options of every connection unless the URL sets them: a server that is gone is noticed within seconds."""

MIGRATIONS_TABLE = """
create table cloaca.migrations (
    version integer primary key,
    applied_at timestamptz not null,
    channel text not null default 'cloaca_' || replace(gen_random_uuid()::text, '-', '')
)
"""
"""Runners notify each other on the channel of the first migration. Any role can listen to any channel, but to hear of
the executions of another schema it would have to guess this name."""

SETTINGS = f"""
set search_path = pg_catalog;
set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s';
set idle_in_transaction_session_timeout = '{LOCK_TIMEOUT_SECONDS}s';
set enable_seqscan = off;
select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'
"""
"""Of every session. ``enable_seqscan`` is off because plans are kept that were made while a table was still small."""


SCHEMA = """
select pg_catalog.pg_get_userbyid(n.nspowner), n.nspowner = me.oid,
    (select c.relname from pg_catalog.pg_class c
     where c.relnamespace = n.oid and c.relname = any(%s) and c.relowner <> n.nspowner limit 1),
    current_user, me.rolsuper or pg_catalog.has_database_privilege(current_database(), 'create')
from pg_catalog.pg_roles me left join pg_catalog.pg_namespace n on n.nspname = %s
where me.rolname = current_user
"""
"""The owner of a schema, and a table in it that belongs to another role."""

TABLES = re.findall(r"create table cloaca\.(\w+)", "".join(part for _, parts in MIGRATIONS for part in parts))


def connect(url: PostgresUrl) -> Connection:
    """Open a connection in autocommit mode, after checking the owner of the schema.

    Raises:
        ConnectionError: The server cannot be reached, or refuses; ``connect_timeout`` limits the wait.
        SchemaError: The URL names a schema that does not belong to the role, or cannot be created.
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
    """``connect`` without checking a schema."""
    try:
        # The driver gives the whole time to each address of each host in a list, and never less than two seconds.
        addresses = len(conninfo_attempts(url.options))
        options = ALWAYS | {"connect_timeout": max(2, CONNECT_SECONDS // addresses)} | url.options
        db = psycopg.connect(**options, autocommit=True)  # type: ignore[arg-type]
        _set_up(db)
    except psycopg.Error as error:
        refused = ConnectionError(explained(error, url), database_url=url.text)
        # The driver's error refers to all connection parameters, including the password.
        refused.__cause__ = type(error)(hidden(str(error), url.secrets))
    else:
        return db
    raise refused


def _set_up(db: Connection) -> None:
    try:
        if is_pooled(db):
            # A prepared statement might be requested on another client's connection.
            db.prepare_threshold = None
        else:
            db.execute(SETTINGS)
    except psycopg.Error:
        db.close()
        raise


def _check_schema(db: Connection, url: PostgresUrl) -> None:
    """Check that the role owns the schema: an owner can read everything in it, and its triggers run as the writing role.

    Not even a superuser may use another role's schema, which could make it execute anything.
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
    """Whether a pooler is in between: session settings and locks would soon be another client's."""
    row = db.execute("select pg_backend_pid()").fetchone()
    return row is None or row[0] != db.info.backend_pid


def bound_turns(db: Connection) -> None:
    """End a turn on the server if its process is stopped in the middle of sending it, while others wait for its rows.

    The idle timeout does not apply within a pipeline. Servers before 17 have no other, and wait until it continues.
    """
    if db.info.server_version >= KNOWS_TRANSACTION_TIMEOUT:
        db.execute(f"set transaction_timeout = '{TURN_SECONDS}s'")


def is_lost(db: Connection) -> bool:
    """Whether the server has closed a connection on which nothing is in progress; does not contact the server."""
    poll = select.poll()
    try:
        poll.register(db.pgconn.socket, select.POLLIN)
        while poll.poll(0):
            db.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return db.closed


def qualified(statement: str, schema: str, *, binds: bool = False) -> str:
    """The statement for this schema; in the files, all tables are in ``cloaca``.

    Args:
        binds: Whether values are bound to it; a ``%`` in the schema's name is then doubled.
    """
    name = sql.Identifier(schema).as_string()
    return statement.replace("cloaca.", (name.replace("%", "%%") if binds else name) + ".")


def in_transaction(db: Connection, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in a transaction, on a connection that is not in one."""
    try:
        db.execute(BEGIN)
        done = work(db)
        db.execute("commit")
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            db.execute("rollback")
        raise
    return done


@contextlib.contextmanager
def pipelined(db: Connection) -> Iterator[None]:
    """Send the statements of the block in one round trip."""
    with contextlib.ExitStack() as pipeline:
        pipeline.enter_context(db.pipeline())
        try:
            yield
        except BaseException:
            # Told of the error, psycopg would warn that the statements after the one that failed were not executed.
            with contextlib.suppress(psycopg.Error):
                pipeline.close()
            raise


def migrate(db: Connection, url: PostgresUrl) -> None:
    """Migrate the tables to the version that this release needs: in one transaction, and once, whoever comes first.

    Raises:
        MigrationError: The database was created by a newer release, or refuses.
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
            f"the tables of {url.text} have version {version}, but this release knows only {target}: upgrade pycloaca",
            target_version=target,
        )


def _take_turns(db: Connection, schema: str) -> None:
    """Let processes that start together do this one after the other; one that is killed leaves nothing behind.

    Any role can take an advisory lock, so it guards only the creation of the tables, and never their migration.
    """
    if not _has_tables(db, schema):
        db.execute("select pg_advisory_xact_lock(hashtextextended('cloaca ' || %s, 0))", (schema,))
    if _has_tables(db, schema):
        db.execute(qualified("lock table cloaca.migrations in share row exclusive mode", schema))


def _has_tables(db: Connection, schema: str) -> bool:
    # A query sees what was committed by the process that was waited for; to_regclass might use an older catalog snapshot.
    known = db.execute(
        "select 1 from pg_class where relname = 'migrations' and relnamespace = "
        "(select oid from pg_namespace where nspname = %s)", (schema,)
    ).fetchone()  # fmt: skip
    return known is not None


def tables_version(db: Connection, schema: str) -> int:
    """The version of the tables in a schema; 0 if there are none."""
    if not _has_tables(db, schema):
        return 0
    found = db.execute(qualified("select max(version) from cloaca.migrations", schema)).fetchone()
    return int(str(found[0])) if found and found[0] is not None else 0


def apply_migrations(db: Connection, schema: str) -> int:
    """Create or migrate the tables in the caller's transaction; returns the version they had."""
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
    """What a driver's error means for whoever has to act on it."""
    text = " ".join(hidden(str(error), url.secrets).split()) or type(error).__name__
    state = getattr(error, "sqlstate", None)
    if state is None and "FATAL:" in text:
        return f"{url.text} refuses the connection ({text}): check user, password and database, or wait until it is ready"
    if state is None and isinstance(error, psycopg.OperationalError):
        return f"{url.text} cannot be reached ({text}): check the server, host and port"
    meaning = MEANINGS.get(state or "", "{text}")
    return f"{url.text}: {meaning.format(text=text, schema=url.schema)}"


def is_broken(error: BaseException, db: Connection) -> bool:
    """Whether the connection can no longer be used, and the fate of what was sent on it is unknown."""
    state = getattr(error, "sqlstate", None) or ""
    return db.closed or (
        isinstance(error, psycopg.OperationalError) and (not state or state[:2] in ("08", "57"))
    )


def refusal(error: Exception, url: PostgresUrl) -> Exception:
    """The store's signal for an error that the server returned before it committed."""
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
    """The signal for a connection that was lost during a transaction."""
    return CommitUnknown(explained(error, url))
