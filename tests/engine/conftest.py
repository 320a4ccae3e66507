import pytest

from tests import databases
from tests.engine.bench import Bench


@pytest.fixture(params=databases.KINDS)
def bench(request):
    """A new database of each kind, with the guards watching: see ``tests.databases``."""
    database = databases.new(request.param)
    bench = Bench(database)
    yield bench
    bench.close()
    rows = database.rows("select * from violations")
    database.close()
    assert not rows
