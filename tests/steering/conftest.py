from tests.anywhere import client, double, make_runner, postgres_database, postgres_url, runner, sqlite_url  # noqa: F401 - fixtures
from tests.engine.conftest import bench  # noqa: F401 - a fixture
from tests.world import _own_world  # noqa: F401 - a fixture
