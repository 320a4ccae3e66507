"""Which store a database URL means. Drivers and the reading of URLs are loaded by those who open a database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cloaca.errors import ConfigurationError

if TYPE_CHECKING:
    from cloaca.store.inspection import Inspection
    from cloaca.store.store import Store

DEFAULT_URL = "sqlite:///cloaca.db"


def store_of(database_url: str | None, *, schema: str | None = None) -> Store:
    """The store of a URL, not opened yet; without a URL ``CLOACA_DATABASE_URL``'s, else that of ``DEFAULT_URL``.

    Raises:
        InvalidDatabaseUrl: The URL has no known form.
        ConfigurationError: One of its options is unknown or has a value that cannot be, or a schema is given for SQLite.
        DatabaseError: The folder of the file does not exist.
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
    """What looks at the database of a URL as it is; nothing is opened yet.

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
