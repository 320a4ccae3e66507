from tests.world import _own_world, make_runner, runner  # noqa: F401 - fixtures
