"""Fixtures for tests on the public API that hold on every database: ``runner`` is one of each kind in turn."""

import itertools

import psycopg
import pytest

import cloaca
from cloaca.runner import config, waiting
from cloaca.store.postgres import store
from tests import databases, postgres
from tests.world import runners, workflow_of

_numbers = itertools.count(1)


@pytest.fixture
def sqlite_url():
    """A file in the test's own folder."""
    return "sqlite:///app.db"


@pytest.fixture(scope="session")
def postgres_database():
    """One database for all tests of this process: a new one takes ten times as long as a schema."""
    url = postgres.new_database(postgres.server_url())
    yield url
    postgres.drop_database(url)


@pytest.fixture
def postgres_url(postgres_database, monkeypatch):
    """A schema that does not exist yet; the dead are believed to be dead however young the server is."""
    statement = store.SQL["list_runners"]
    assert databases.YOUNG in statement
    monkeypatch.setitem(store.SQL, "list_runners", statement.replace(databases.YOUNG, "interval '0 seconds'"))
    schema = f"test_{next(_numbers)}"
    mark = "&" if "?" in postgres_database else "?"
    yield f"{postgres_database}{mark}options=-csearch_path={schema}"
    with psycopg.connect(postgres_database, autocommit=True) as db:
        db.execute(f"drop schema if exists {schema} cascade")


@pytest.fixture
def impatience(monkeypatch):
    """Who is told of nothing looks more often than once a second."""
    monkeypatch.setattr(config, "PATROL_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.05)


@pytest.fixture
def make_runner(database_url):
    """Runners on one database unless told otherwise."""
    with runners(database_url) as make:
        yield make


@pytest.fixture
def runner(make_runner):
    """A runner on a new database."""
    return make_runner()


@pytest.fixture
def client(database_url):
    with cloaca.Client(database_url) as client:
        yield client


@pytest.fixture
def double():
    def double(context, *, n: int = 1):
        context["n"] = n * 2

    return workflow_of("double", double)
