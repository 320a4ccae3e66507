"""Some schedules of the simulation in every run of the tests; ``python -m tests.engine.simulate`` runs thousands."""

import contextlib
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloaca.model.liveness import SECONDS_BETWEEN_PROOFS
from tests import databases
from tests.engine.bench import SECONDS_BETWEEN_LOOKS
from tests.engine.hands import HandClock
from tests.engine.schedule import run_schedule


@pytest.fixture(autouse=True, scope="module")
def quiet():
    """What is logged of injected faults would hide what matters."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def postgres_database():
    """One database for many schedules: to make one takes longer than a schedule."""
    with contextlib.closing(databases.PostgresDatabase()) as database:
        yield database


def examples(number):
    return settings(
        max_examples=number, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )


randoms = st.randoms(use_true_random=True)


@examples(120)
@given(randoms)
def test_whatever_fails_every_execution_ends_as_the_model_says(random):
    with contextlib.closing(databases.SqliteDatabase()) as database:
        run_schedule(random, database)


@examples(30)
@given(randoms)
def test_whatever_fails_on_postgres_every_execution_ends_as_the_model_says(postgres_database, random):
    with postgres_database.emptied() as database:
        run_schedule(random, database)


@examples(30)
@given(randoms)
def test_without_faults_every_body_runs_once_for_each_attempt(random):
    with contextlib.closing(databases.SqliteDatabase()) as database:
        demand_one_run_of_each_attempt(random, database)


@examples(8)
@given(randoms)
def test_without_faults_on_postgres_every_body_runs_once_for_each_attempt(postgres_database, random):
    with postgres_database.emptied() as database:
        demand_one_run_of_each_attempt(random, database)


def demand_one_run_of_each_attempt(random, database):
    world = run_schedule(random, database, faulty=False)
    assert {len(runners) for runners in world.ran.values()} <= {1}


def test_a_clock_that_is_moved_from_one_look_to_the_next_always_gets_there():
    clock = HandClock()
    for _ in range(1000):
        clock.move(0.07)
        due = clock.monotonic() + SECONDS_BETWEEN_PROOFS
        before = clock.monotonic()
        clock.move(SECONDS_BETWEEN_LOOKS)
        assert clock.monotonic() >= due
        assert clock.monotonic() - before >= SECONDS_BETWEEN_PROOFS
