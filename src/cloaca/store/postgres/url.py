"""PostgreSQL URLs: ``postgresql://user:password@host:port/database?option=value``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from cloaca.errors import ConfigurationError, InvalidDatabaseUrl

DEFAULT_SCHEMA = "cloaca"
LONGEST_NAME = 63
"""Bytes of an identifier, https://www.postgresql.org/docs/18/limits.html."""

OF_A_POOL = ("pool_min_size", "pool_max_size")
"""Options that URLs for other releases carry; a runner's three connections need none."""

OPTIONS = (
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "fallback_application_name",
    "gssencmode", "gsslib", "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "krbsrvname", "load_balance_hosts", "max_protocol_version", "min_protocol_version",
    "options", "passfile", "password", "port", "require_auth", "requirepeer", "service", "sslcert",
    "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey", "ssl_max_protocol_version",
    "ssl_min_protocol_version", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert", "sslsni",
    "target_session_attrs", "tcp_user_timeout", "user",
)  # fmt: skip
"""The parameters of libpq 18, https://www.postgresql.org/docs/18/libpq-connect.html."""


class PostgresUrl:
    """A schema of a PostgreSQL database. ``options`` are the driver's, the password among them: never shown."""

    __slots__ = ("options", "schema")

    def __init__(self, options: Mapping[str, str], schema: str = DEFAULT_SCHEMA) -> None:
        self.options = dict(options)
        self.schema = schema

    def __repr__(self) -> str:
        return f"PostgresUrl({self.text!r})"

    @property
    def text(self) -> str:
        """The URL without the password and without options."""
        user, host, port, database = (self.options.get(name) for name in ("user", "host", "port", "dbname"))
        shown = f"{user}@" if user else ""
        # A host that is a path is the folder of a socket: it would read as the path of the URL.
        place = "" if host is None or host.startswith("/") else host
        tail = "" if self.schema == DEFAULT_SCHEMA else f" (schema {self.schema})"
        return f"postgresql://{shown}{place}{f':{port}' if port else ''}/{database or ''}{tail}"


def parse_postgres_url(url: str, *, schema: str | None = None) -> PostgresUrl:
    """Read a PostgreSQL URL.

    Args:
        schema: Where the tables lie; without one what ``options=-csearch_path=NAME`` says, else ``cloaca``.

    Raises:
        InvalidDatabaseUrl: Host and port cannot be understood.
        ConfigurationError: An option is unknown, or no schema can have that name.
    """
    rest, _, query = url.partition("://")[2].partition("?")
    location, _, database = rest.partition("/")
    credentials, _, hosts = location.rpartition("@")
    user, _, password = credentials.partition(":")
    host, port = _hosts(hosts)
    given = {"user": user, "password": password, "host": host, "port": port, "dbname": database}
    options = {name: unquote(value) for name, value in given.items() if value}
    options |= _query_options(query)
    if schema is None:
        schema = _schema_of(options.get("options")) or DEFAULT_SCHEMA
    return PostgresUrl(options, _checked(schema))


def _checked(schema: str) -> str:
    """A schema's name of which the server keeps every byte: it cuts longer ones, and two tenants would be one."""
    if not schema or "\0" in schema or len(schema.encode(errors="replace")) > LONGEST_NAME:
        raise ConfigurationError(
            f"schema {schema[:80]!r} cannot be: PostgreSQL takes names of 1 to {LONGEST_NAME} bytes without NUL"
        )
    return schema


def _hosts(text: str) -> tuple[str, str]:
    """Hosts and ports as libpq takes them: lists with commas."""
    hosts, ports = [], []
    for part in text.split(",") if text else ():
        host, colon, port = part.rpartition(":") if not part.endswith("]") else (part, "", "")
        if not colon:
            host, port = part, ""
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise InvalidDatabaseUrl(
                f"port {port[:20]!r} of the database URL must be a number from 1 to 65535"
            )
        hosts.append(host.strip("[]"))
        ports.append(port)
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _query_options(query: str) -> dict[str, str]:
    options = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in OF_A_POOL:
            continue
        if name not in OPTIONS:
            raise ConfigurationError(_unknown_option(name))
        options[name] = value
    return options


def _unknown_option(name: str) -> str:
    import difflib  # noqa: PLC0415 - loaded only to explain a mistake

    nearest = difflib.get_close_matches(name, [*OPTIONS, *OF_A_POOL], n=1, cutoff=0)
    return f"unknown database option {name!r}: did you mean {nearest[0]!r}? PostgreSQL takes the parameters of libpq"


def _schema_of(options: str | None) -> str | None:
    found = re.search(r"-c\s*search_path=\"?([A-Za-z_][A-Za-z0-9_]*)", options or "")
    return found.group(1) if found else None
