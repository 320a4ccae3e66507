import pytest

from tests import databases
from tests.anywhere import client, make_runner, postgres_database, postgres_url, runner, sqlite_url  # noqa: F401 - fixtures
from tests.engine.bench import Bench
from tests.world import _own_world  # noqa: F401 - a fixture


@pytest.fixture(params=databases.KINDS)
def bench(request):
    """A new database of each kind and runners driven by hand; what people do to executions is no violation here."""
    database = databases.new(request.param)
    bench = Bench(database)
    yield bench
    bench.close()
    database.close()
