import itertools

import pytest

from tests.engine.bench import Bench
from tests.engine.faults import new_database, remove_database

numbers = itertools.count()


@pytest.fixture
def bench():
    """A new database, with the guards watching: see ``faults.GUARDS``."""
    url = new_database(f"bench{next(numbers)}")
    bench = Bench(url)
    yield bench
    rows = bench.observer._connection().execute("select * from violations").fetchall()
    bench.close()
    remove_database(url)
    assert not rows
