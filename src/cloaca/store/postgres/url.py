"""PostgreSQL URLs: ``postgresql://user:password@host:port/database?option=value``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote

from cloaca.errors import ConfigurationError, InvalidDatabaseUrl
from cloaca.store.masking import masked
from cloaca.store.postgres.names import LONGEST_NAME

DEFAULT_SCHEMA = "cloaca"

ESCAPES = "in user, password and names write '/' as %2F, '?' as %3F, '#' as %23 and '@' as %40"

OF_A_POOL = ("pool_min_size", "pool_max_size")
"""Options in URLs written for other versions; a runner's three connections need none of them."""

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


SEARCH_PATH = r"(?i)(?:-c\s*|--)search[_-]path=(\S*)"

OF_A_PERSON = (
    "options", "passfile", "password", "requirepeer", "service", "sslcert", "sslcertmode", "sslkey", "sslpassword", "user",
)  # fmt: skip
"""Options about who connects, not where to."""


SECRETS = ("password", "sslpassword")

OF_A_PLACE = ("dbname", "host", "hostaddr", "port", "service")
"""Options that messages may show."""


class PostgresUrl:
    """A schema of a PostgreSQL database. ``options`` are those of the driver, including the password: never shown.

    Args:
        is_own: Whether the schema was requested by name, and must therefore belong to the role.
    """

    __slots__ = ("is_own", "options", "schema")

    def __init__(
        self, options: Mapping[str, str], schema: str = DEFAULT_SCHEMA, *, is_own: bool = False
    ) -> None:
        self.options = dict(options)
        self.schema = schema
        self.is_own = is_own

    def __repr__(self) -> str:
        return f"PostgresUrl({self.text!r})"

    @property
    def text(self) -> str:
        """The URL without the password and without options."""
        user, host, port, database = (self.options.get(name) for name in ("user", "host", "port", "dbname"))
        shown = f"{user}@" if user else ""
        # A host that is a path is a socket directory, and would look like the path of the URL.
        place = "" if host is None or host.startswith("/") else host
        tail = "" if self.schema == DEFAULT_SCHEMA else f" (schema {self.schema})"
        return masked(f"postgresql://{shown}{place}{f':{port}' if port else ''}/{database or ''}") + tail

    @property
    def secrets(self) -> list[str]:
        """The parts that must never be shown."""
        return [value for name in SECRETS if (value := self.options.get(name))]

    def of_user(self, user: str, *, password: str, schema: str) -> str:
        """A complete URL for the same database as another role, with a single schema as its search path."""
        # Quoted unless it is all lower case, as the server reads it.
        path = schema if schema == schema.lower() else f'"{schema}"'
        kept = {
            name: value
            for name, value in self.options.items()
            if name != "dbname" and name not in OF_A_PERSON
        }
        place = ""
        if _is_plain(kept.get("host", "")) and _is_plain(kept.get("port", "")):
            port = kept.pop("port", "")
            place = kept.pop("host", "") + (f":{port}" if port else "")
        kept["options"] = f"-csearch_path={path}"
        query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in kept.items())
        who = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{who}@{place}/{quote(self.options.get('dbname', ''), safe='')}?{query}"


def _is_plain(part: str) -> bool:
    """Whether a host or port can be written into a URL as it is: no list, socket directory or IPv6 address."""
    return re.fullmatch(r"[A-Za-z0-9._-]*", part) is not None


def parse_postgres_url(url: str, *, schema: str | None = None) -> PostgresUrl:
    """Parse a PostgreSQL URL.

    Args:
        schema: The schema of the tables; by default that of ``options=-csearch_path=NAME``, or ``cloaca``.

    Raises:
        InvalidDatabaseUrl: The host or port is not valid.
        ConfigurationError: An option is unknown, or the schema's name is not valid.
    """
    rest, _, query = url.partition("://")[2].partition("?")
    location, _, database = rest.partition("/")
    if "@" in database or "://" in unquote(database):
        # It may be part of the password, if that contains a '/'.
        raise InvalidDatabaseUrl(
            f"the name of the database in the database URL holds an '@' or '://': {ESCAPES}"
        )
    credentials, _, hosts = location.rpartition("@")
    user, _, password = credentials.partition(":")
    host, port = _hosts(hosts)
    given = {"user": user, "password": password, "host": host, "port": port, "dbname": database}
    options = {name: unquote(value) for name, value in given.items() if value}
    options |= _query_options(query)
    of_path = _schema_of(options.get("options", ""))
    # Every statement names its schema, so the path is only read here; other session options are passed on.
    options["options"] = re.sub(SEARCH_PATH, "", options.get("options", "")).strip()
    options = {name: value for name, value in options.items() if value or name != "options"}
    if None not in (schema, of_path) and schema != of_path:
        raise ConfigurationError(
            f"schema={schema!r} and the search path of the database URL, {of_path!r}, are not the same: leave one out"
        )
    told = of_path if schema is None else schema
    return PostgresUrl(options, _checked(DEFAULT_SCHEMA if told is None else told), is_own=told is not None)


def _checked(schema: str) -> str:
    """A schema name that the server keeps completely: it cuts longer ones, and two tenants would become one."""
    if not schema or "\0" in schema or len(schema.encode(errors="replace")) > LONGEST_NAME:
        raise ConfigurationError(
            f"schema {schema[:80]!r} cannot be: PostgreSQL takes names of 1 to {LONGEST_NAME} bytes without NUL"
        )
    return schema


def _hosts(text: str) -> tuple[str, str]:
    """Hosts and ports as libpq accepts them: comma-separated lists."""
    hosts, ports = [], []
    for part in text.split(",") if text else ():
        host, colon, port = part.rpartition(":") if not part.endswith("]") else (part, "", "")
        if not colon:
            host, port = part, ""
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            # The text in place of the port may be part of the password.
            raise InvalidDatabaseUrl(
                f"the port of the database URL must be a number from 1 to 65535; {ESCAPES}"
            )
        hosts.append(host.strip("[]"))
        ports.append(port)
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _query_options(query: str) -> dict[str, str]:
    options = {}
    _check_no_password(query)
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in OF_A_POOL:
            continue
        if name not in OPTIONS:
            raise ConfigurationError(_unknown_option(name))
        options[name] = value
    return options


def _check_no_password(query: str) -> None:
    """Refuse options that may be part of the password, if that contains a '?'."""
    if "@" not in query:
        return
    parts = [part.partition("=") for part in query.split("&")]
    if any(unquote(name) not in (*OPTIONS, *OF_A_POOL) for name, _, _ in parts) or any(
        "@" in value and unquote(name) in OF_A_PLACE for name, _, value in parts
    ):
        raise ConfigurationError(f"the options of the database URL hold an '@': {ESCAPES}")


def _unknown_option(name: str) -> str:
    import difflib  # noqa: PLC0415 - needed only for an error

    nearest = difflib.get_close_matches(name, [*OPTIONS, *OF_A_POOL], n=1, cutoff=0)
    return f"unknown database option {masked(name)!r}: did you mean {nearest[0]!r}? PostgreSQL takes the parameters of libpq"


def _schema_of(options: str) -> str | None:
    """The first schema in a search path, in the case that the server gives it."""
    paths = re.findall(SEARCH_PATH, options)
    if not paths and "search" not in options.lower():
        return None
    found = (
        re.fullmatch(r"(?:([A-Za-z_]\w*)|\"([A-Za-z_]\w*)\")(,.*)?", paths[0], re.ASCII) if paths else None
    )
    if len(paths) > 1 or found is None:
        raise ConfigurationError(
            f"the search path of the database URL, options={options[:200]!r}, does not say which schema is meant: write "
            "options=-csearch_path=NAME"
        )
    return found[1].lower() if found[1] else found[2]
