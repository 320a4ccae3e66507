import pytest

from cloaca.authoring import registry
from tests import databases
from tests.schedules.hands import place_of


@pytest.fixture(autouse=True)
def _own_registry():
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


@pytest.fixture(params=databases.KINDS)
def place(request):
    """A new database of each kind, with the guards watching."""
    with place_of(request.param) as place:
        yield place
