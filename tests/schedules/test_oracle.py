"""The instants that are found are those that walking every minute finds."""

import pytest

from tests.schedules.oracle import TELLING, disagreements


@pytest.mark.parametrize("zone", TELLING)
def test_over_all_changes_of_a_zone_each_fire_is_where_walking_finds_it(zone):
    assert disagreements(zone) == []
