from tests.anywhere import (  # noqa: F401 - fixtures
    client,
    double,
    impatience,
    make_runner,
    postgres_database,
    postgres_url,
    runner,
    sqlite_url,
)
from tests.engine.conftest import bench  # noqa: F401 - a fixture
from tests.world import _own_world  # noqa: F401 - a fixture
