"""What the admin of tenants takes, and what it hands out."""

import os
from pathlib import Path

import psycopg
import pytest

import cloaca
from cloaca.store.postgres.names import KEY_WORDS
from cloaca.store.url import parse_database_url
from tests import postgres
from tests.conftest import FOLDER
from tests.tenancy import NOBODY


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///app.db", "is SQLite, which has no roles and schemas: tenants need a PostgreSQL URL"),
        ("postgresql://localhost", "names no database: write postgresql://user:password@host/DATABASE"),
        ("postgresql://localhost/", "names no database"),
        ("nonsense", "is not a database URL"),
        ("", "is not a database URL"),
    ],
)
@pytest.mark.parametrize("caught", [RuntimeError, ValueError, cloaca.InvalidDatabaseUrl])
def test_an_admin_needs_a_database_of_postgresql(url, message, caught):
    with pytest.raises(caught, match=message):
        cloaca.DatabaseAdmin(url)


def test_an_admin_takes_timeouts_and_whether_to_encrypt():
    admin = cloaca.DatabaseAdmin(NOBODY, connection_timeout=2.5, command_timeout=7, enable_ssl=True)
    assert repr(admin) == "DatabaseAdmin('postgresql://ada@127.0.0.1:1/app')"
    assert admin._url.options["sslmode"] == "require"
    assert (
        cloaca.DatabaseAdmin(NOBODY + "?sslmode=verify-full", enable_ssl=True)._url.options["sslmode"]
        == "verify-full"
    )
    assert cloaca.DatabaseAdmin(NOBODY, enable_ssl=False)._url.options["sslmode"] == "disable"
    for name in ("connection_timeout", "command_timeout"):
        for value in (0, -1, "1", True, float("nan"), float("inf")):
            with pytest.raises(
                cloaca.ConfigurationError, match=f"{name}=.* must be a number of seconds above 0"
            ):
                cloaca.DatabaseAdmin(NOBODY, **{name: value})


def test_a_command_that_takes_too_long_is_given_up(guarded):
    tenant = guarded.tenant("acme")
    with guarded.connect(tenant) as db, db.transaction():
        db.execute("lock table executions")
        holder = psycopg.connect(guarded.url)
        holder.execute("lock table acme.structures in access share mode")
        admin = cloaca.DatabaseAdmin(guarded.url, command_timeout=1)
        with pytest.raises(cloaca.DatabaseError, match=r"was not removed: .*statement timeout"):
            admin.remove_tenant("acme", tenant.username)
        holder.close()
        db.close()


def test_a_config_is_read_only_and_hides_its_password():
    config = cloaca.TenantConfig(schema_name="acme", username="ada", password="s3cret")
    assert (config.schema_name, config.username, config.password) == ("acme", "ada", "s3cret")
    assert (cloaca.TenantConfig("acme", "ada").password, cloaca.TenantConfig("acme", "ada", "").password) == (
        "",
        "",
    )
    for name in ("schema_name", "username", "password"):
        with pytest.raises(AttributeError):
            setattr(config, name, "x")
    assert "s3cret" not in f"{config!r}{config}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://admin:x@db.example:5433/app?sslmode=verify-full&sslcert=admin.crt&application_name=a%20b",
        "postgresql://admin@[::1]:5432/app",
        "postgresql://admin@h1:1,h2:2/app",
        "postgresql:///app?host=/run/pg&port=7",
    ],
)
def test_credentials_lead_where_the_admin_was_led_as_somebody_else(url):
    admin = cloaca.DatabaseAdmin(url)
    told = admin._url.of_user("ada", password="p@:/?#[]% ☃", schema="Acme")
    read = psycopg.conninfo.conninfo_to_dict(told)
    assert (read.pop("user"), read.pop("password"), read.pop("options")) == (
        "ada",
        "p@:/?#[]% ☃",
        '-csearch_path="Acme"',
    )
    kept = {
        name: value
        for name, value in admin._url.options.items()
        if name not in ("user", "password", "sslcert")
    }
    assert {name: value for name, value in read.items() if value} == kept
    again = parse_database_url(told)
    assert (again.schema, again.options) == ("Acme", kept | {"user": "ada", "password": "p@:/?#[]% ☃"})


def test_the_reserved_words_are_the_servers():
    with psycopg.connect(postgres.Server(Path(os.environ[FOLDER])).url) as db:
        words = db.execute("select word from pg_get_keywords() where catcode in ('R', 'T')").fetchall()
    assert {word for (word,) in words} <= set(KEY_WORDS.split())


def test_an_admin_who_is_given_no_config_says_what_to_write():
    with pytest.raises(TypeError, match="takes a TenantConfig, not a dict: write TenantConfig"):
        cloaca.DatabaseAdmin(NOBODY).create_tenant({"schema_name": "acme"})
