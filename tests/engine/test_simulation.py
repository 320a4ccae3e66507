"""Some schedules of the simulation in every run of the tests; ``python -m tests.engine.simulate`` runs thousands."""

import itertools
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.schedule import run_schedule

numbers = itertools.count()


@pytest.fixture(autouse=True, scope="module")
def quiet():
    """What is logged of injected faults would hide what matters."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def schedule(random, *, faulty):
    return run_schedule(random, name=f"hypothesis{next(numbers)}", faulty=faulty)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.randoms(use_true_random=True))
def test_whatever_fails_every_execution_ends_as_the_model_says(random):
    schedule(random, faulty=True)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.randoms(use_true_random=True))
def test_without_faults_every_body_runs_once_for_each_attempt(random):
    world = schedule(random, faulty=False)
    assert {len(runners) for runners in world.ran.values()} <= {1}
