"""Starts that join a transaction of the caller's: they exist if and only if it commits."""

import contextlib
import sqlite3

import psycopg
import pytest

import cloaca
from tests.anywhere import impatience  # noqa: F401 - a fixture
from tests.world import SOON, workflow_of

pytestmark = pytest.mark.usefixtures("impatience")


@pytest.fixture
def connection(database_url):
    """A connection to the database as an application opens one, with a table of its own."""
    if database_url.startswith("sqlite"):
        opened = sqlite3.connect(database_url.removeprefix("sqlite:///"))
    else:
        opened = psycopg.connect(database_url.partition("&options")[0].partition("?options")[0])
    with contextlib.closing(opened) as connection:
        connection.execute("create temporary table orders (number integer)")
        connection.commit()
        yield connection


@pytest.fixture(params=["runner", "client"])
def starter(request, database_url, make_runner):
    """A runner, or a client beside one."""
    workflow_of("ship", lambda context: context.set("shipped", context["number"]), id="ship")
    runner = make_runner()
    with contextlib.ExitStack() as stack:
        yield (runner if request.param == "runner" else stack.enter_context(cloaca.Client(database_url)))


def test_what_joins_a_transaction_runs_once_that_commits(starter, connection):
    connection.execute("insert into orders values (17)")
    handle = starter.start("ship", {"number": 17}, connection=connection)
    with pytest.raises(cloaca.ExecutionNotFoundError):
        handle.status  # noqa: B018 - which reads it
    connection.commit()
    assert handle.result(SOON)["shipped"] == 17


def test_what_joins_a_transaction_that_is_rolled_back_never_was(starter, connection):
    connection.execute("insert into orders values (17)")
    lost = starter.start("ship", {"number": 17}, connection=connection, idempotency_key="17")
    connection.rollback()
    with pytest.raises(cloaca.ExecutionNotFoundError, match="has not committed"):
        lost.result(SOON)
    assert starter.list_executions() == []
    handle = starter.start("ship", {"number": 18}, connection=connection, idempotency_key="17")
    connection.commit()
    assert handle.result(SOON)["shipped"] == 18


def test_a_key_is_one_execution_in_a_callers_transaction_too(starter, connection):
    one = starter.start("ship", {"number": 1}, idempotency_key="k")
    two = starter.start("ship", {"number": 1}, idempotency_key="k", connection=connection)
    assert one.execution_id == two.execution_id
    with pytest.raises(cloaca.IdempotencyError, match=r"'k' of workflow 'ship' .* has another input"):
        starter.start("ship", {"number": 2}, idempotency_key="k", connection=connection)
    connection.commit()
    assert len(starter.list_executions()) == 1


def test_a_connection_of_another_kind_is_refused_by_name(starter, database_url):
    other = "psycopg.Connection" if database_url.startswith("postgres") else "sqlite3.Connection"
    with pytest.raises(TypeError, match=f"connection is an object: pass the {other} whose transaction"):
        starter.start("ship", {"number": 1}, connection=object())
    assert starter.list_executions() == []


def test_after_the_end_nothing_joins(starter, connection):
    (starter.close if isinstance(starter, cloaca.Client) else starter.shutdown)()
    with pytest.raises(cloaca.RunnerError, match="create another one"):
        starter.start("ship", {"number": 1}, connection=connection)


def test_a_connection_to_another_file_is_refused(sqlite_url):
    workflow_of("ship", lambda context: None, id="ship")
    with (
        cloaca.DefaultRunner(sqlite_url) as runner,
        contextlib.closing(sqlite3.connect("other.db")) as other,
        contextlib.closing(sqlite3.connect(":memory:")) as memory,
    ):
        for connection, said in ((other, "other.db"), (memory, "a database in memory")):
            with pytest.raises(
                cloaca.DatabaseError, match=f"connection is to .*{said}, and the executions are in .*app.db"
            ):
                runner.start("ship", connection=connection)
        other.execute("attach 'app.db' as work")
        assert runner.start("ship", connection=other).execution_id
        other.commit()
        assert len(runner.list_executions()) == 1


def test_a_database_in_memory_has_no_transaction_to_join():
    workflow_of("ship", lambda context: None, id="ship")
    with (
        cloaca.DefaultRunner("sqlite:///:memory:") as runner,
        contextlib.closing(sqlite3.connect(":memory:")) as memory,
    ):
        with pytest.raises(
            cloaca.RunnerError, match="which nobody but its runner can connect to: use a file"
        ):
            runner.start("ship", connection=memory)
        assert runner.start("ship").result(SOON).status == "Completed"
