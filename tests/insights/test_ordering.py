"""Merging what happened by time, with what must come first."""

import random

import pytest

from cloaca.insights.ordering import in_order


@pytest.fixture
def seeds():
    """Fifty seeds of this run, the first of them printed."""
    first = random.SystemRandom().randrange(2**32)
    print(f"seeds from {first} on")  # noqa: T201 - shown where a test fails
    return range(first, first + 50)


def some(seed):
    """Random times, and for each position some earlier ones that must come before it."""
    chance = random.Random(seed)
    times = [chance.choice([0.0, 1.0, 2.0, 3.5]) for _ in range(chance.randint(0, 30))]
    names = list(range(len(times)))
    chance.shuffle(names)
    before = {
        name: chance.sample(names[:place], min(place, chance.randint(0, 3)))
        for place, name in enumerate(names)
    }
    return times, before


def test_all_are_there_once_and_none_before_what_must_come_first(seeds):
    for seed in seeds:
        times, before = some(seed)
        ordered = in_order(times, before)
        assert sorted(ordered) == list(range(len(times)))
        place = {position: number for number, position in enumerate(ordered)}
        assert all(place[one] < place[position] for position, earlier in before.items() for one in earlier)


def test_what_could_come_earlier_by_its_time_does(seeds):
    for seed in seeds:
        times, before = some(seed)
        ordered = in_order(times, before)
        for number, position in enumerate(ordered):
            done = set(ordered[:number])
            free = [one for one in range(len(times)) if one not in done and done.issuperset(before[one])]
            assert times[position] == min(times[one] for one in free)


def test_times_that_contradict_nothing_decide_alone(seeds):
    for seed in seeds:
        times, _ = some(seed)
        ordered = sorted(range(len(times)), key=lambda position: (times[position], position))
        chained = {ordered[number]: ordered[:number][-2:] for number in range(len(ordered))}
        assert in_order(times, chained) == ordered == in_order(times, {})
