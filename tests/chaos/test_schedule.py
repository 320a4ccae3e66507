"""The schedule of faults is what the seed says, and leaves somebody to go on."""

from __future__ import annotations

import pytest

from tests.chaos.schedule import KILL, PAUSE, RESTART, Fault, actions_of, faults_of


def schedule(seed: int, *, seconds: float = 180.0, restarts: int = 3) -> list[Fault]:
    return faults_of(seed, seconds=seconds, members=4, restarts=restarts, lease_seconds=3.0, long_pauses=True)


def test_the_same_seed_gives_the_same_schedule_and_another_one_another() -> None:
    assert schedule(7) == schedule(7) != schedule(8)


@pytest.mark.parametrize("seed", range(20))
def test_a_fault_happens_about_every_second_and_the_server_restarts_three_times(seed: int) -> None:
    kinds = [fault.kind for fault in schedule(seed)]
    assert kinds.count(RESTART) == 3
    assert kinds.count(KILL) + kinds.count(PAUSE) > 120
    assert min(kinds.count(KILL), kinds.count(PAUSE)) > 40


@pytest.mark.parametrize("seed", range(20))
def test_somebody_is_well_at_any_time_and_nobody_is_struck_twice_at_once(seed: int) -> None:
    struck: set[int] = set()
    for action in actions_of(schedule(seed)):
        if action.fault.kind == RESTART:
            continue
        if action.ends:
            struck.remove(action.fault.slot)
        else:
            assert action.fault.slot not in struck
            struck.add(action.fault.slot)
            assert len(struck) < 4
    assert not struck
