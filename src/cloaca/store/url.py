"""Database URLs: what each form means, and what is said of those that mean nothing."""

from __future__ import annotations

import logging
import os
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from cloaca.errors import ConfigurationError, DatabaseError, InvalidDatabaseUrl
from cloaca.store.postgres.url import PostgresUrl, parse_postgres_url

logger = logging.getLogger("cloaca.store")

FORMS = (
    "sqlite:///relative/path.db, sqlite:////absolute/path.db, sqlite:///:memory: or "
    "postgresql://user:password@host:5432/database"
)
MODES = ("ro", "rw", "rwc", "memory")
JOURNAL_MODES = ("wal", "delete", "truncate", "persist")
SYNCHRONOUS = ("full", "normal", "extra")


class SqliteUrl(NamedTuple):
    """A SQLite database: ``path`` is absolute, or ``None`` for one in memory."""

    path: str | None
    mode: str = "rwc"
    journal_mode: str = "wal"
    synchronous: str = "full"
    busy_timeout_seconds: float = 5.0

    @property
    def text(self) -> str:
        """The URL in its one unambiguous form, without options."""
        return "sqlite:///:memory:" if self.path is None else f"sqlite:///{self.path}"


DatabaseUrl = SqliteUrl | PostgresUrl


def parse_database_url(url: str, *, schema: str | None = None) -> DatabaseUrl:
    """Read a database URL.

    Three slashes are followed by a path relative to the working directory, four by an absolute one; the file name
    may hold percent escapes. ``sqlite:///tmp/x.db`` where there is no ``tmp`` in the working directory but a ``/tmp``
    is taken as absolute, with a warning.

    Raises:
        InvalidDatabaseUrl: It has no form that is known here.
        ConfigurationError: An option is unknown or has a value that cannot be.
        DatabaseError: The folder of the file exists neither way.
    """
    if not isinstance(url, str) or not url:
        raise InvalidDatabaseUrl(f"{url!r} is not a database URL: use {FORMS}")
    if "\0" in url:
        raise InvalidDatabaseUrl(f"{url[:80]!r} holds a NUL character: remove it")
    if url == ":memory:":
        return SqliteUrl(None)
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgresql", "postgres"):
        return parse_postgres_url(url, schema=schema)
    if scheme != "sqlite" or not separator:
        raise InvalidDatabaseUrl(f"{_masked(url)!r} is not a database URL this release knows: use {FORMS}")
    location, _, query = rest.partition("?")
    options = _options(query)
    if location in (":memory:", "/:memory:") or options.get("mode") == "memory":
        options.pop("mode", None)
        return SqliteUrl(None, **options)
    if location in ("", "/"):
        raise InvalidDatabaseUrl(f"{url!r} names no file: use {FORMS}")
    return SqliteUrl(_resolved(unquote(location)), **options)


def _masked(url: str) -> str:
    """The URL without the password of ``user:password@host``."""
    head, separator, tail = url.rpartition("@")
    if not separator:
        return url
    scheme, slashes, credentials = head.partition("://")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{slashes}{user}{colon and ':***'}@{tail}"


def _resolved(location: str) -> str:
    if location.startswith("//"):
        return os.path.normpath("/" + location.lstrip("/"))
    if not location.startswith("/"):
        return _with_parent(os.path.abspath(location), None)
    return _with_parent(os.path.abspath(location[1:]), os.path.normpath(location))


def _with_parent(relative: str, absolute: str | None) -> str:
    relative_parent = os.path.isdir(os.path.dirname(relative))
    absolute_parent = absolute is not None and os.path.isdir(os.path.dirname(absolute))
    if (
        absolute is not None
        and absolute_parent
        and (not relative_parent or (os.path.exists(absolute) and not os.path.exists(relative)))
    ):
        logger.warning("taking %s for an absolute path: write sqlite:///%s to say so", absolute, absolute)
        return absolute
    if not relative_parent:
        tried = {os.path.dirname(path): None for path in (relative, absolute) if path}
        shown = " and ".join(map(repr, tried))
        raise DatabaseError(f"the database's folder does not exist, tried {shown}: create it first")
    return relative


def _options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        match name.removeprefix("_"):
            case "mode":
                options["mode"] = _one_of(name, value, MODES)
            case "journal_mode":
                options["journal_mode"] = _one_of(name, value, JOURNAL_MODES)
            case "synchronous":
                options["synchronous"] = _one_of(name, value, SYNCHRONOUS)
            case "busy_timeout":
                options["busy_timeout_seconds"] = _number(name, value) / 1000
            case "timeout":
                options["busy_timeout_seconds"] = _number(name, value)
            case _:
                raise ConfigurationError(_unknown_option(name))
    return options


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value.lower() not in allowed:
        raise ConfigurationError(f"database option {name}={value!r} must be one of {', '.join(allowed)}")
    return value.lower()


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ConfigurationError(f"database option {name}={value!r} must be a number, zero or more") from None
    return number


def _unknown_option(name: str) -> str:
    import difflib  # noqa: PLC0415 - loaded only to explain a mistake

    known = ["mode", "journal_mode", "synchronous", "busy_timeout", "timeout"]
    nearest = difflib.get_close_matches(name.removeprefix("_"), known, n=1, cutoff=0)
    return f"unknown database option {name!r}: did you mean {nearest[0]!r}? Known are {', '.join(known)}"
