"""What a client is connected to, when, and until when."""

import asyncio
import contextlib
import itertools
import os
import threading

import psycopg
import pytest

import cloaca
from cloaca.runner import config, waiting
from cloaca.store.postgres import connection as driver
from tests.anywhere import impatience  # noqa: F401 - a fixture
from tests.runner.test_sharing import in_threads
from tests.store.pooler import Pooler
from tests.world import SOON, run, workflow_of

pytestmark = pytest.mark.usefixtures("impatience")


async def awaited(handle):
    return await handle


def test_nothing_is_connected_before_the_first_use():
    client = cloaca.Client("postgresql://ada:secret@127.0.0.1:1/app?connect_timeout=2")
    assert "secret" not in repr(client)
    with pytest.raises(cloaca.ConnectionError, match="cannot be reached") as refused:
        client.list_executions()
    assert "secret" not in str(refused.value)
    client.close()
    with cloaca.Client("sqlite:///unused.db"):
        pass
    assert not os.path.exists("unused.db")


def test_the_first_use_makes_the_tables(client):
    assert client.list_executions() == []
    assert client.start("double").status == "Pending"


def test_one_connection_is_enough_until_something_is_waited_for(postgres_url, monkeypatch):
    opened = []
    connect = driver.connect
    monkeypatch.setattr(driver, "connect", lambda url: opened.append(connect(url)) or opened[-1])
    with cloaca.Client(postgres_url) as client:
        assert opened == []
        handle = client.start("double", idempotency_key="k")
        client.start_many("double", [{}, {}])
        assert len(client.list_executions()) == 3
        assert client.get_handle(handle.execution_id).status == "Pending"
        assert len(opened) == 1
        in_threads(4, lambda _: client.wait(handle.execution_id, 0.01))
        assert len(opened) == 2
    assert opened[0].closed


def test_a_connection_that_was_lost_is_made_again(postgres_url, postgres_database):
    with cloaca.Client(postgres_url) as client:
        client.start("double")
        with psycopg.connect(postgres_database, autocommit=True) as db:
            db.execute("select pg_terminate_backend(%s)", (client._store._reader.info.backend_pid,))
        assert client.start("double", idempotency_key="k").status == "Pending"
        assert len(client.list_executions()) == 2


def test_a_start_and_an_end_are_told_at_once_on_postgres(postgres_url, monkeypatch):
    """With nobody looking by himself."""
    monkeypatch.setattr(config, "PATROL_SECONDS", 1e6)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 1e6)
    for name in ("one", "two"):
        workflow_of(name, lambda context: None, id=name)
    with cloaca.DefaultRunner(postgres_url) as runner, cloaca.Client(postgres_url) as client:
        runner.execute("one")
        for name in ("one", "two", "one"):
            assert client.start(name).result(SOON).status == "Completed"
            assert client.start_many(name, [{}])[0].result(SOON).status == "Completed"
            assert asyncio.run(awaited(client.start(name))).status == "Completed"


def test_many_threads_share_a_client(client, runner, double):
    def work(number):
        for n in range(3):
            handle = client.start("double", {"n": number * 10 + n})
            assert client.get_execution(handle.execution_id).workflow_name == "double"
            assert handle.result(SOON)["n"] == (number * 10 + n) * 2

    assert in_threads(12, work) == []
    assert len(client.list_executions(status="Completed")) == 36


@pytest.mark.parametrize("url", ["sqlite:///:memory:", ":memory:", "sqlite:///x.db?mode=memory"])
def test_a_database_in_memory_is_refused_for_nobody_else_would_see_it(url):
    with pytest.raises(
        cloaca.ConfigurationError, match=r"visible only to this client.*give the URL of a file"
    ):
        cloaca.Client(url)


def test_without_a_url_the_environment_names_the_database(monkeypatch):
    monkeypatch.setenv("CLOACA_DATABASE_URL", "sqlite:///from-environment.db")
    assert "from-environment.db" in repr(cloaca.Client())


def test_a_schema_is_where_its_runners_look(postgres_database, postgres_url, double):
    schema = postgres_url.rpartition("=")[2]
    with cloaca.DefaultRunner(postgres_url), cloaca.Client(postgres_database, schema=schema) as client:
        assert client.start("double", {"n": 1}).result(SOON)["n"] == 2
    with pytest.raises(cloaca.ConfigurationError, match="needs a PostgreSQL URL"):
        cloaca.Client("sqlite:///app.db", schema="tenant")


def test_after_close_every_use_says_what_to_do(client):
    handle = client.start("double")
    client.close()
    client.close()
    for call in (
        lambda: client.start("double"),
        lambda: client.start_many("double", [{}]),
        lambda: client.get_execution(handle.execution_id),
        client.list_executions,
        lambda: client.get_handle(handle.execution_id),
        lambda: client.result(handle.execution_id),
        lambda: client.wait(handle.execution_id),
        handle.result,
        lambda: handle.status,
        lambda: asyncio.run(awaited(handle)),
    ):
        with pytest.raises(cloaca.RunnerError, match="the client was closed: create another one"):
            call()


def test_whoever_waits_is_told_of_the_end_of_the_client(client, monkeypatch):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 1e6)
    handle, told, waits = client.start("double"), [], threading.Event()
    at_hand = client._waiting._at_hand
    monkeypatch.setattr(client._waiting, "_at_hand", lambda *given: (waits.set(), at_hand(*given))[1])

    def wait():
        with pytest.raises(
            cloaca.RunnerError, match="the client was closed: the execution continues, ask another"
        ):
            handle.result()
        told.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(SOON)
    client.close()
    thread.join(SOON)
    assert told == [True]


def test_a_block_closes_and_lets_errors_through(database_url):
    with pytest.raises(KeyError, match="mine"), cloaca.Client(database_url) as client:
        raise KeyError("mine")
    with pytest.raises(cloaca.RunnerError, match="was closed"):
        client.list_executions()


FORKS = """
import os, sys
import cloaca

client = cloaca.Client(sys.argv[1])
handle = client.start("hello")
handle.wait(0.01)
if not (child := os.fork()):
    for use in (
        lambda: client.start("hello"), lambda: client.start_many("hello", [None]),
        lambda: client.get_execution(handle.execution_id), lambda: client.list_executions(),
        lambda: client.get_handle(handle.execution_id), lambda: client.result(handle.execution_id),
        lambda: client.wait(handle.execution_id), lambda: handle.result(), lambda: handle.status,
    ):
        try:
            use()
        except cloaca.RunnerError as error:
            print(error, flush=True)
    client.close()
    with cloaca.Client(sys.argv[1]) as own:
        own.start("hello")
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
client.start("hello")
print(len(client.list_executions()))
client.close()
"""


def test_every_use_in_a_forked_child_is_refused_and_a_client_made_there_works(database_url):
    *refused, count = run(FORKS, database_url)[0].splitlines()
    assert len(refused) == 9
    for line in refused:
        assert line.startswith("this client belongs to process ")
        assert line.endswith("of which this one was forked: make a client here")
    assert count == "3"


def test_behind_a_pooler_it_looks_where_nobody_tells_it(postgres_database, tmp_path):
    workflow_of("ends", lambda context: context.set("ended", True), id="ends")
    with contextlib.closing(Pooler(tmp_path, postgres_database)) as pooler:
        url = pooler.url + "&options=-csearch_path=pooled"
        with cloaca.DefaultRunner(postgres_database, schema="pooled"), cloaca.Client(url) as client:
            assert client.start("ends").result(SOON)["ended"]
            assert client._store._listener is None


@pytest.fixture
def away(client, monkeypatch):
    """Which looks into the database fail, by number, and an event that is set by the third."""
    failing, third, looks = set(), threading.Event(), itertools.count(1)
    read = client._store.read_execution

    def unreadable(execution_id):
        number = next(looks)
        if number == 3:
            third.set()
        if number in failing:
            raise cloaca.ConnectionError("the server is away")
        return read(execution_id)

    monkeypatch.setattr(client._store, "read_execution", unreadable)
    return failing, third


@pytest.mark.parametrize("how", ["result", "await"])
def test_a_wait_outlasts_a_database_that_is_away(client, runner, away, how):
    failing, third = away
    failing |= {2, 3, 4}
    workflow_of("waits", lambda context: third.wait(SOON) and None, id="waits")
    handle = client.start("waits")
    result = handle.result(SOON) if how == "result" else asyncio.run(awaited(handle))
    assert result.status == "Completed"
    assert third.is_set()


def test_a_wait_ends_with_what_is_wrong_when_the_database_stays_away(client, away, monkeypatch):
    monkeypatch.setattr(waiting, "OUTAGE_SECONDS", 0.05)
    away[0].update(range(2, 1000))
    with pytest.raises(cloaca.ConnectionError, match="the server is away"):
        client.start("waits").result(SOON)


def test_a_wait_that_begins_without_the_database_says_so_at_once(client, away):
    away[0].add(1)
    with pytest.raises(cloaca.ConnectionError, match="the server is away"):
        client.start("waits").result(SOON)
    assert not away[1].is_set()
