"""Choosing the store for a database URL. Drivers and URL parsing are loaded only when a database is opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloaca.errors import ConfigurationError

if TYPE_CHECKING:
    from cloaca.store.inspection import Inspection
    from cloaca.store.store import Store

DEFAULT_URL = "sqlite:///cloaca.db"


def store_of(database_url: str | None, *, schema: str | None = None) -> Store:
    """The store for a URL, not opened yet. Defaults to ``CLOACA_DATABASE_URL``, then to ``DEFAULT_URL``.

    Raises:
        InvalidDatabaseUrl: The URL is malformed or of an unknown kind.
        ConfigurationError: An option is unknown or its value is not valid, or a schema is given for SQLite.
        DatabaseError: The directory of the file does not exist.
    """
    from cloaca.store.url import SqliteUrl, parse_database_url  # noqa: PLC0415

    if database_url is None:
        database_url = os.environ.get("CLOACA_DATABASE_URL") or DEFAULT_URL
    url = parse_database_url(database_url, schema=schema)
    if not isinstance(url, SqliteUrl):
        from cloaca.store.postgres.store import PostgresStore  # noqa: PLC0415

        return PostgresStore(url)
    if schema is not None:
        raise ConfigurationError(
            f"schema={schema!r} needs a PostgreSQL URL, and {url.text} is SQLite, which has no schemas: use a file of "
            "its own instead"
        )
    from cloaca.store.sqlite.store import SqliteStore  # noqa: PLC0415

    return SqliteStore(url)


def inspection_of(database_url: str) -> Inspection:
    """An inspection of the database as it is; nothing is opened yet.

    Raises:
        InvalidDatabaseUrl, ConfigurationError, DatabaseError: As ``store_of``.
    """
    from cloaca.store.url import SqliteUrl, parse_database_url  # noqa: PLC0415

    url = parse_database_url(database_url)
    if isinstance(url, SqliteUrl):
        from cloaca.store.sqlite.inspection import SqliteInspection  # noqa: PLC0415

        return SqliteInspection(url)
    from cloaca.store.postgres.inspection import PostgresInspection  # noqa: PLC0415

    return PostgresInspection(url)
