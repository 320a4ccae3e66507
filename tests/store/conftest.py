import contextlib

import pytest

from tests import databases
from tests.store.rows import NOW
from tests.tenancy import guarded  # noqa: F401 - a fixture


class Place:
    """A database and the stores on it, which are closed at the end."""

    def __init__(self, database, stack):
        self.database = database
        self.kind = database.kind
        self._stack = stack

    def rows(self, sql, *parameters):
        return self.database.rows(sql, *parameters)

    def store(self, make=None):
        """A store on which no runner has joined."""
        store = (make or self.database.store)()
        self._stack.callback(store.close)
        return store

    def joined(self, runner, make=None):
        """A store on which this runner has joined."""
        store = self.store(make)
        store.join(runner, NOW)
        return store

    def connect(self):
        """A connection of an application's own."""
        return self._stack.enter_context(contextlib.closing(self.database.connect()))


def places(database):
    with contextlib.closing(database), contextlib.ExitStack() as stack:
        place = Place(database, stack)
        yield place
        violations = place.rows("select * from violations")
    assert not violations


@pytest.fixture(params=databases.KINDS)
def place(request):
    """A new database of each kind, with the guards watching."""
    yield from places(databases.new(request.param))


@pytest.fixture
def postgres_place():
    """A new PostgreSQL database."""
    yield from places(databases.PostgresDatabase())


@pytest.fixture
def sqlite_place():
    """A new SQLite database."""
    yield from places(databases.SqliteDatabase())
