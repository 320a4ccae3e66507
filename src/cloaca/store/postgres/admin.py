"""Creating and removing tenants: a role that owns one schema and has no rights elsewhere."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from cloaca.errors import DatabaseError, SchemaError
from cloaca.store.postgres.connection import Connection, apply_migrations, explained, open_connection
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.statements import load_statements

logger = logging.getLogger("cloaca.store")

SQL = load_statements(os.path.join(os.path.dirname(__file__), "tenancy.sql"))


class TenantAdmin:
    """Creates and removes the tenants of one database; each method opens a connection and closes it.

    Args:
        url: The URL of a superuser, or of a role with CREATEROLE that owns the database.
        command_timeout: The longest time for one statement, in seconds.
    """

    def __init__(self, url: PostgresUrl, *, command_timeout: float) -> None:
        self._url = url
        self._command_timeout = command_timeout

    def create(self, *, schema: str, username: str, password: str) -> None:
        """Create role, schema and tables in one transaction.

        Raises:
            SchemaError: One of the names is taken, or the role would have rights elsewhere; nothing was created.
            DatabaseError: The server cannot be reached, or refuses; nothing was created.
        """
        with self._working(f"tenant {username!r} with schema {schema!r} was not created") as db:
            named = _Named(db, schema=schema, user=username, database=db.info.dbname)
            verifier = db.pgconn.encrypt_password(password.encode(), username.encode(), b"scram-sha-256")
            with self._transaction(db):
                named.do("take_turns")
                _check_free(named, schema, username)
                named.do("create_role", verifier=sql.Literal(verifier.decode()))
                _create_schema(named, schema)
                _grant(named, username)
                _check_isolation(named, schema, username)

    def remove(self, *, schema: str, username: str) -> None:
        """End a tenant's sessions, then drop its schema with all that is in it, and its role, in one transaction.

        Raises:
            SchemaError: There is no such tenant, or its role owns something outside its schema; nothing was removed.
            DatabaseError: The server cannot be reached, or refuses. The role may no longer be able to log in; calling this
                again completes the removal.
        """
        with self._working(f"tenant {username!r} with schema {schema!r} was not removed") as db:
            named = _Named(db, schema=schema, user=username)
            with self._transaction(db):
                role = _check_tenant(named, schema, username)
                if not named.ask("is_superuser")[0][0]:
                    named.do("become_member")
                named.do("shut_out")
            named.ask("end_sessions", role)
            with self._transaction(db):
                named.do("drop_schema")
                named.do("drop_rights")
                named.do("drop_role")

    @contextmanager
    def _working(self, failed: str) -> Iterator[Connection]:
        with open_connection(self._url) as db:
            try:
                yield db
            except (psycopg.errors.DuplicateObject, psycopg.errors.DuplicateSchema) as error:
                raise SchemaError(f"{failed}: {explained(error, self._url)}") from error
            except psycopg.Error as error:
                raise DatabaseError(f"{failed}: {explained(error, self._url)}") from error

    @contextmanager
    def _transaction(self, db: Connection) -> Iterator[None]:
        with db.transaction():
            # Behind a pooler, settings that outlive a transaction would affect other clients.
            milliseconds = str(round(self._command_timeout * 1000))
            db.execute("select pg_catalog.set_config('statement_timeout', %s, true)", (milliseconds,))
            yield


class _Named:
    """Executes named statements on a connection, with identifiers filled in."""

    def __init__(self, db: Connection, **identifiers: str) -> None:
        self.db = db
        self._identifiers = {name: sql.Identifier(text) for name, text in identifiers.items()}

    def do(self, name: str, **parts: sql.Composable) -> None:
        self.db.execute(sql.SQL(SQL[name]).format(**self._identifiers, **parts))

    def ask(self, name: str, *values: Any) -> list[Any]:
        return self.db.execute(SQL[name], values).fetchall()


def _check_free(named: _Named, schema: str, username: str) -> None:
    ((has_schema, has_role),) = named.ask("find_names", schema, username)
    if has_schema or has_role:
        taken = f"schema {schema!r}" if has_schema else f"role {username!r}"
        raise SchemaError(
            f"tenant {username!r} with schema {schema!r} was not created: {taken} exists already: choose another name, or "
            "remove that tenant first"
        )


def _create_schema(named: _Named, schema: str) -> None:
    """Create the schema and the tables as the role that owns them, of which a non-superuser becomes a member meanwhile."""
    is_superuser = named.ask("is_superuser")[0][0]
    if not is_superuser:
        named.do("become_member")
    named.do("create_schema")
    named.do("act_as")
    named.do("keep_functions_private")
    apply_migrations(named.db, schema)
    named.do("act_as_before")
    if not is_superuser:
        named.do("cease_to_be_member")


def _grant(named: _Named, username: str) -> None:
    if not named.ask("may_connect", username)[0][0]:
        named.do("let_connect")
    if named.ask("is_public_open"):
        logger.warning(
            "schema public of %s is closed to roles that were not granted it: 'grant usage on schema public to ROLE' opens "
            "it to those that need it",
            named.db.info.dbname,
        )
        named.do("close_public")


def _check_isolation(named: _Named, schema: str, username: str) -> None:
    """Rights that all roles have cannot be revoked for a single one, so whoever granted them must decide."""
    rights = named.ask("list_rights", username, schema, username)
    if rights:
        where, remedies = zip(*rights, strict=True)
        raise SchemaError(
            f"tenant {username!r} with schema {schema!r} was not created: as every role, it would have rights "
            f"{', '.join(where)}: {'; '.join(remedies)}"
        )


def _check_tenant(named: _Named, schema: str, username: str) -> int:
    found = named.ask("find_tenant", schema, username)
    if not found:
        raise SchemaError(
            f"there is no tenant {username!r} with schema {schema!r}: this role does not exist, does not own the "
            "schema, or has additional attributes"
        )
    role = int(found[0][0])
    belongings = [str(row[0]) for row in named.ask("list_belongings", role, schema, schema)]
    if belongings:
        raise SchemaError(
            f"tenant {username!r} with schema {schema!r} was not removed: the role also has {', '.join(belongings)}: drop "
            "that, or give it to another role, first"
        )
    return role
