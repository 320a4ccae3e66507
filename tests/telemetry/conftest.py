from pytest_cloaca import cloaca_clock, cloaca_database_url, cloaca_runner  # noqa: F401 - fixtures
from tests.world import _own_world, make_runner, runner  # noqa: F401 - fixtures
