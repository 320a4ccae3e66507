"""Database URLs: parsing each form, and the errors for those that are not valid."""

from __future__ import annotations

import logging
import os
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from cloaca.authoring.names import hidden_in, is_str, nearest, shown
from cloaca.errors import ConfigurationError, DatabaseError, InvalidDatabaseUrl
from cloaca.store.masking import masked
from cloaca.store.postgres.url import DEFAULT_SCHEMA, PostgresUrl, parse_postgres_url

logger = logging.getLogger("cloaca.store")

FORMS = (
    "sqlite:///relative/path.db, sqlite:////absolute/path.db, sqlite:///:memory: or "
    "postgresql://user:password@host:5432/database"
)
MODES = ("ro", "rw", "rwc", "memory")
JOURNAL_MODES = ("wal", "delete", "truncate", "persist")
SYNCHRONOUS = ("full", "normal", "extra")

_LONGEST_SECONDS = 2_000_000
"""The longest busy timeout: SQLite counts milliseconds in 31 bits."""

_LONGEST_PATH = 300
"""How many characters of a path or URL a message shows."""

_SCHEMES = {"sqlite": "sqlite", "sqlite3": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}
_SUFFIXES = (".db", ".sqlite", ".sqlite3")


class SqliteUrl(NamedTuple):
    """A SQLite database: ``path`` is absolute, or ``None`` for one in memory."""

    path: str | None
    mode: str = "rwc"
    journal_mode: str = "wal"
    synchronous: str = "full"
    busy_timeout_seconds: float = 5.0

    @property
    def text(self) -> str:
        """The URL in its unambiguous form, without options."""
        return "sqlite:///:memory:" if self.path is None else f"sqlite:///{self.path}"


DatabaseUrl = SqliteUrl | PostgresUrl


def parse_database_url(url: str, *, schema: str | None = None) -> DatabaseUrl:
    """Parse a database URL.

    Three slashes are followed by a path relative to the working directory, four by an absolute path; the file name may
    contain percent escapes. ``sqlite:///tmp/x.db`` is taken as absolute, with a warning, if ``/tmp`` exists and the working
    directory has no ``tmp``.

    Raises:
        InvalidDatabaseUrl: It is malformed or of an unknown kind.
        ConfigurationError: An option is unknown or its value is not valid.
        DatabaseError: The directory of the file does not exist in either reading.
    """
    url = _readable(url)
    if schema is not None and not is_str(schema):
        raise ConfigurationError(f"schema={shown(schema)} must be a str, or None for {DEFAULT_SCHEMA!r}")
    if url == ":memory:":
        return SqliteUrl(None)
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgresql", "postgres"):
        return parse_postgres_url(url, schema=schema)
    if scheme != "sqlite" or not separator:
        raise InvalidDatabaseUrl(f"{_shown(url)} is not a database URL that cloaca supports: {_meant(url)}")
    location, _, query = rest.partition("?")
    options = _options(query)
    if location in (":memory:", "/:memory:") or options.get("mode") == "memory":
        options.pop("mode", None)
        return SqliteUrl(None, **options)
    return SqliteUrl(_resolved(_file_named(location, url)), **options)


def _readable(url: object) -> str:
    if not is_str(url) or not str.__len__(url):
        raise InvalidDatabaseUrl(f"{shown(url)} is not a database URL: use {FORMS}")
    url = str.__str__(url)
    # A line end read from a file along with the URL would become part of a new database's name.
    if hidden := hidden_in(url) or (url != url.strip() and " "):
        raise InvalidDatabaseUrl(
            f"{_shown(url)} contains {hidden!r}, which is invisible or which no database accepts: remove it"
        )
    return url


def _file_named(location: str, url: str) -> str:
    """The path in a SQLite URL, which must name a file."""
    path = unquote(location)
    if "@" in location.partition("/")[0]:
        raise InvalidDatabaseUrl(f"{_shown(url)} names a user or host, and SQLite is a file: use {FORMS}")
    if path.strip("/") in ("", ".", "..") or path.endswith(("/", "/.", "/..")):
        raise InvalidDatabaseUrl(f"{_shown(url)} names no file: use {FORMS}")
    if path.strip("/") in (":memory", "memory:"):
        raise InvalidDatabaseUrl(f"{_shown(url)} is neither a file nor memory: write sqlite:///:memory:")
    if "\0" in path or ("\ufffd" in path and "\ufffd" not in location):
        raise InvalidDatabaseUrl(f"{_shown(url)} has an escape that cannot be part of a file name: remove it")
    return path


def _shown(url: str) -> str:
    return shown(masked(url), most=_LONGEST_PATH)


def _meant(url: str) -> str:
    """What was probably meant: another spelling of a scheme, another library's driver, a bare path."""
    scheme = url.partition(":")[0].partition("//")[0]
    name = scheme.lower().partition("+")[0]
    if scheme != url and name in _SCHEMES:
        return f"write {_SCHEMES[name]}://..., as in {FORMS}"
    if ":" not in url and (url.endswith(_SUFFIXES) or os.path.dirname(url)):
        return f"for a file write sqlite:///{masked(url)}"
    return f"use {FORMS}"


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
        raise DatabaseError(
            f"the database's folder does not exist, tried {' and '.join(shown(path, most=_LONGEST_PATH) for path in tried)}: create it first"
        )
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
                options["busy_timeout_seconds"] = _number(name, value, _LONGEST_SECONDS * 1000) / 1000
            case "timeout":
                options["busy_timeout_seconds"] = _number(name, value, _LONGEST_SECONDS)
            case _:
                raise ConfigurationError(_unknown_option(name))
    return options


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value.lower() not in allowed:
        raise ConfigurationError(f"database option {name}={shown(value)} must be one of {', '.join(allowed)}")
    return value.lower()


def _number(name: str, value: str, most: int) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise ConfigurationError(
            f"database option {name}={shown(value)} must be a number from 0 to {most}"
        ) from None
    return number


def _unknown_option(name: str) -> str:
    known = ["mode", "journal_mode", "synchronous", "busy_timeout", "timeout"]
    hint = nearest(name.removeprefix("_"), known)
    return f"unknown database option {shown(masked(name))}: {hint}{hint and ' '}Known are {', '.join(known)}"
