"""A few of the crash points, so that ``pytest`` alone kills something; ``python -m tests.crash`` runs them all."""

from __future__ import annotations

import pytest

from tests.crash import shapes, stage
from tests.crash.crash_limit import run_killers
from tests.crash.kills import Installed, at_commits, at_statements, in_bodies
from tests.crash.points import Series, run_series
from tests.crash.processes import Scenario
from tests.crash.steered import SteeredSeries, run_steered

FAN_IN = Scenario("fan-in", (shapes.DIAMOND, shapes.FAILING))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("counted", [at_commits, in_bodies, at_statements])
def test_a_killed_process_loses_nothing_and_repeats_nothing(counted: Installed, after: bool) -> None:
    figures = run_series(Series(FAN_IN, counted, after))
    assert figures.violations == []
    assert figures.kills >= figures.points - 1 > 5


def test_a_process_killed_while_it_recovers_is_recovered_by_the_next() -> None:
    figures = run_series(Series(FAN_IN, at_commits, after=True, first_kill=3))
    assert figures.violations == []
    assert figures.kills > 2 * (figures.points - 1)


def test_a_process_killed_around_a_skip_comes_to_the_same_decisions() -> None:
    figures = run_series(Series(Scenario("ruled", (shapes.RULED,)), at_commits, after=False))
    assert figures.violations == []
    assert figures.kills >= figures.points - 1 > 3


def test_a_shutdown_that_is_killed_hands_over_all_the_same() -> None:
    assert run_series(Series(stage.HASTY, at_commits, after=False)).violations == []


def test_a_process_that_is_killed_while_people_steer_loses_no_verb_and_repeats_no_task() -> None:
    figures = run_steered(SteeredSeries(after=True, by_client=False))
    assert figures.violations == []
    assert figures.kills >= figures.points - 1 > 20


def test_a_body_that_ends_its_process_fails_after_three_charges_and_the_innocent_finish() -> None:
    assert run_killers("sqlite").violations == []
