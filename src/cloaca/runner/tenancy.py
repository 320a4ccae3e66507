"""Tenants of a PostgreSQL database: a schema each, with a role that can do everything there and nothing elsewhere."""

from __future__ import annotations

import math
import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloaca.errors import ConfigurationError, InvalidDatabaseUrl, SchemaError
from cloaca.model.shown import kind_of
from cloaca.store.postgres.names import check_name
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.url import parse_database_url

if TYPE_CHECKING:
    from cloaca.store.postgres.admin import TenantAdmin

PASSWORD_LENGTH = 32


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """A tenant to be created. Names are letters, digits and underscores, start with a letter, at most 63 characters.

    Args:
        password: By default a password of 32 letters and digits is generated.

    Example:
        >>> TenantConfig("acme", "acme_runner")
        TenantConfig(schema_name='acme', username='acme_runner')
    """

    schema_name: str
    username: str
    password: str = field(default="", repr=False)

    def __init__(self, schema_name: str, username: str, password: str | None = None) -> None:
        object.__setattr__(self, "schema_name", schema_name)
        object.__setattr__(self, "username", username)
        object.__setattr__(self, "password", password or "")


@dataclass(frozen=True, slots=True)
class TenantCredentials:
    """How a tenant connects: ``DefaultRunner(credentials.connection_string)``. The ``repr`` does not show the password."""

    username: str
    password: str = field(repr=False)
    schema_name: str
    connection_string: str = field(repr=False)


class DatabaseAdmin:
    """Creates and removes tenants of a PostgreSQL database. Each call opens a connection and closes it.

    Args:
        database_url: The URL of a superuser, or of a role with CREATEROLE that owns the database.
        connection_timeout: The longest time to connect, in seconds.
        command_timeout: The longest time for one statement, in seconds.
        enable_ssl: ``True`` refuses unencrypted connections, ``False`` encrypts none, and ``None`` leaves it to the
            URL.

    Raises:
        InvalidDatabaseUrl: It is not a PostgreSQL URL, or it does not name a database.
        ConfigurationError: A timeout is not valid.

    Example:
        >>> DatabaseAdmin("postgresql://postgres:secret@localhost/app")
        DatabaseAdmin('postgresql://postgres@localhost/app')
    """

    def __init__(
        self,
        database_url: str,
        *,
        connection_timeout: float = 5,
        command_timeout: float = 30,
        enable_ssl: bool | None = None,
    ) -> None:
        self._url = _admins_url(database_url)
        self._connection_timeout = _whole("connection_timeout", connection_timeout)
        self._command_timeout = _whole("command_timeout", command_timeout)
        if enable_ssl is False:
            self._url.options["sslmode"] = "disable"
        elif enable_ssl and not self._url.options.get("sslmode", "").startswith("verify-"):
            self._url.options["sslmode"] = "require"

    def create_tenant(self, config: TenantConfig) -> TenantCredentials:
        """Create a role, and a schema that it owns with the tables in it: all or nothing.

        The role can log in and do everything in its own schema, and nothing in any other schema of the database. To ensure
        this, access to the schema ``public`` is limited to roles that were granted it. The password never leaves this
        process: the server receives its SCRAM verifier.

        Raises:
            SchemaError: A name is not allowed or is taken, the password is not valid, or all roles have rights in some other
                schema, which this one would then have too. Nothing was created.
            DatabaseError: The server cannot be reached, or refuses. Nothing was created.
            TypeError: The argument is not a ``TenantConfig``.
        """
        if not isinstance(config, TenantConfig):
            raise TypeError(
                f"create_tenant takes a TenantConfig, not {kind_of(config)}: write "
                "TenantConfig(schema_name, username)"
            )
        schema = check_name(config.schema_name, what="Schema")
        username = check_name(config.username, what="User")
        password = _checked_password(config.password) if config.password else _generated_password()
        self._admin().create(schema=schema, username=username, password=password)
        url = self._url.of_user(username, password=password, schema=schema)
        return TenantCredentials(username, password, schema, url)

    def remove_tenant(self, schema_name: str, username: str) -> None:
        """End a tenant's sessions, and drop its role and its schema with everything that is in it or depends on it.

        A removal that was interrupted leaves the schema and a role that cannot log in; call this again to complete it.

        Raises:
            SchemaError: There is no such tenant, its role owns something outside its schema, or it has rights in another
                database. Nothing was removed.
            DatabaseError: The server cannot be reached, or refuses.
        """
        check_name(schema_name, what="Schema")
        check_name(username, what="User")
        self._admin().remove(schema=schema_name, username=username)

    def _admin(self) -> TenantAdmin:
        # The driver is needed only with tenants.
        from cloaca.store.postgres.admin import TenantAdmin  # noqa: PLC0415

        options = {"connect_timeout": str(self._connection_timeout)} | self._url.options
        return TenantAdmin(PostgresUrl(options), command_timeout=self._command_timeout)

    def __repr__(self) -> str:
        return f"DatabaseAdmin({self._url.text!r})"


def _admins_url(database_url: str) -> PostgresUrl:
    url = parse_database_url(database_url)
    if not isinstance(url, PostgresUrl):
        raise InvalidDatabaseUrl(
            f"{url.text} is SQLite, which has no roles and schemas: tenants need a PostgreSQL URL"
        )
    if not url.options.get("dbname"):
        raise InvalidDatabaseUrl(
            f"{url.text} names no database: write postgresql://user:password@host/DATABASE"
        )
    return url


def _whole(name: str, seconds: float) -> int:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < math.inf:
        raise ConfigurationError(f"{name}={seconds!r} must be a number of seconds above 0")
    return math.ceil(seconds)


def _generated_password() -> str:
    """32 letters and digits, 190 bits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(PASSWORD_LENGTH))


def _checked_password(password: object) -> str:
    """The password, if the server would keep every character of it. It is never shown, not even in part."""
    if not isinstance(password, str):
        raise SchemaError(f"the password is {kind_of(password)}: give a text, or none to have one generated")
    if "\0" in password or any("\ud800" <= character <= "\udfff" for character in password):
        raise SchemaError(
            "the password contains a NUL or a lone surrogate, which PostgreSQL does not accept: choose another one"
        )
    return password
