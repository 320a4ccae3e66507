from pytest_cloaca import cloaca_clock, cloaca_config, cloaca_database_url, cloaca_runner  # noqa: F401
from tests.world import _own_world  # noqa: F401
