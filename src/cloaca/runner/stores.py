"""Which store a database URL means."""

from __future__ import annotations

import os

from cloaca.errors import ConfigurationError
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.sqlite.store import SqliteStore
from cloaca.store.store import Store
from cloaca.store.url import parse_database_url

DEFAULT_URL = "sqlite:///cloaca.db"


def store_of(database_url: str | None, *, schema: str | None = None) -> Store:
    """The store of a URL, not opened yet; without a URL ``CLOACA_DATABASE_URL``'s, else that of ``DEFAULT_URL``.

    Raises:
        InvalidDatabaseUrl: The URL has no known form.
        ConfigurationError: One of its options is unknown or has a value that cannot be, or a schema is given for SQLite.
        DatabaseError: The folder of the file does not exist.
    """
    if database_url is None:
        database_url = os.environ.get("CLOACA_DATABASE_URL") or DEFAULT_URL
    url = parse_database_url(database_url, schema=schema)
    if not isinstance(url, PostgresUrl):
        if schema is not None:
            raise ConfigurationError(
                f"schema={schema!r} needs a PostgreSQL URL, and {url.text} is SQLite, which has no schemas: use a file of "
                "its own instead"
            )
        return SqliteStore(url)
    # The driver is loaded by those who have a PostgreSQL URL.
    from cloaca.store.postgres.store import PostgresStore  # noqa: PLC0415

    return PostgresStore(url)
