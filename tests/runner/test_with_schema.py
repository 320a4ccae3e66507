"""Schemas that are asked for by name: which may be, and what is said of those that cannot."""

import inspect
import os
import socket
import time

import pytest

import cloaca
from tests.tenancy import HOSTILE, NOBODY, whole
from tests.world import workflow_of


def test_with_schema_takes_a_url_and_a_schema():
    assert list(inspect.signature(cloaca.DefaultRunner.with_schema).parameters) == ["database_url", "schema"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("", "Schema name cannot be empty"),
        (None, "Schema name cannot be empty"),
        *[
            (name, "must contain only alphanumeric characters and underscores")
            for name in ("a-b", "a b", "a.b", "a@b", "a$b", "-", "1-", 17, b"abc", *HOSTILE)
        ],
        *[(name, "must start with a letter") for name in ("1a", "_a", "9", "_")],
        ("x" * 64, "has 64 characters: PostgreSQL keeps 63"),
        ("x" * 65536, "has 65536 characters: PostgreSQL keeps 63"),
        *[
            (name, "is reserved by PostgreSQL: choose another")
            for name in (
                "public",
                "Public",
                "pg_catalog",
                "PG_x",
                "information_schema",
                "select",
                "User",
                "with",
                "all",
            )
        ],
    ],
)
@pytest.mark.parametrize("url", [NOBODY, "sqlite:///app.db", "nonsense"])
def test_a_schemas_name_is_looked_at_before_anything_else(schema, message, url):
    with pytest.raises(ValueError, match=message) as error:
        cloaca.DefaultRunner.with_schema(url, schema)
    assert isinstance(error.value, RuntimeError)
    assert len(str(error.value)) < 250
    assert not os.path.exists("app.db")


@pytest.mark.parametrize("caught", [ValueError, RuntimeError, cloaca.SchemaError, cloaca.DatabaseError])
@pytest.mark.parametrize("schema", ["acme", "Tenant_A", "t1", "a", "x" * 63])
def test_a_server_that_is_not_there_is_said_to_be(schema, caught):
    before = time.monotonic()
    with pytest.raises(caught, match=f"^Failed to set up schema '{schema}': .* cannot be reached") as error:
        cloaca.DefaultRunner.with_schema(NOBODY, schema)
    assert time.monotonic() - before < 5
    assert "pass-phrase" not in whole(error.value)


@pytest.mark.parametrize("addresses", [1, 2])
def test_a_server_that_does_not_answer_is_given_up_within_five_seconds(addresses):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = ",".join([f"127.0.0.1:{silent.getsockname()[1]}"] * addresses)
        before = time.monotonic()
        with pytest.raises(cloaca.SchemaError, match=r"Failed to set up schema 'acme': .*timeout expired"):
            cloaca.DefaultRunner.with_schema(f"postgresql://ada@{place}/app", "acme")
        assert time.monotonic() - before < 5


@pytest.mark.parametrize(
    "url", ["sqlite:///app.db", ":memory:", "mysql://localhost/app", "", "postgresql://h:x/app"]
)
def test_with_schema_needs_postgresql(url):
    with pytest.raises(ValueError, match=r"needs a PostgreSQL URL|is not a database URL|port"):
        cloaca.DefaultRunner.with_schema(url, "acme")
    assert not os.path.exists("app.db")


def test_with_schema_runs_workflows_in_schemas_that_share_nothing(runner_of, guarded):
    workflow_of("hello", lambda context: context.set("said", "hello"), id="hello")
    one, two = (
        runner_of(guarded.url, make=cloaca.DefaultRunner.with_schema, schema=name)
        for name in ("One", "two_2")
    )
    assert one.execute("hello")["said"] == "hello"
    assert (len(one.list_executions()), two.list_executions()) == (1, [])
    assert guarded.ask('select count(*) from "One".executions') == [(1,)]


def test_a_schema_that_is_anothers_is_a_failure_to_set_it_up(guarded):
    ada, mallory = guarded.tenant("ada"), guarded.tenant("mallory")
    url = mallory.connection_string.partition("&options=")[0]
    with pytest.raises(
        cloaca.SchemaError, match=r"Failed to set up schema 'ada': .* belongs to role"
    ) as error:
        cloaca.DefaultRunner.with_schema(url, "ada")
    assert mallory.password not in whole(error.value)
    with cloaca.DefaultRunner.with_schema(ada.connection_string, "ada") as runner:
        assert runner.list_executions() == []
