"""The witness of the simulation finds what is wrong with steering: each mistake is planted, and schedules meet it."""

import contextlib
import logging
import random

import pytest

from cloaca.engine.steering import Steering
from cloaca.errors import DatabaseError
from cloaca.model import forking, restore, rounds, steering
from cloaca.model.steering import Standing
from cloaca.store.rows import Batch
from cloaca.store.sqlite import steering as sqlite_steering
from tests import databases
from tests.engine.schedule import run_schedule
from tests.engine.witness import Violation

MOST_SCHEDULES = 400


@pytest.fixture(autouse=True)
def quiet():
    """What is logged of injected faults would hide what matters."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def a_verb_leaves_the_fence(monkeypatch):
    monkeypatch.setattr(steering, "_next", Standing._replace)


def refenced_rows_are_lost(monkeypatch):
    def lose(batch, execution, fence):
        for name in ("settles", "running", "finishes"):
            setattr(batch, name, [row for row in getattr(batch, name) if row.execution_id != execution])

    monkeypatch.setattr(Batch, "refence", lose)


def a_retry_runs_what_has_completed(monkeypatch):
    monkeypatch.setattr(
        restore, "reopened", lambda graph, attempts, fence: set(rounds.last_before(attempts, fence))
    )


def a_retry_opens_no_round(monkeypatch):
    retry = steering.retry

    def in_the_same_round(standing, now):
        change = retry(standing, now)
        return change._replace(standing=change.standing._replace(round=standing.round))

    monkeypatch.setattr("cloaca.model.steering.retry", in_the_same_round)


def what_is_paused_is_handed_out(monkeypatch):
    monkeypatch.setattr(Steering, "withhold", lambda self, turn: None)


def a_cancel_leaves_attempts_open(monkeypatch):
    monkeypatch.setitem(sqlite_steering.SQL, "cancel_attempts", "select ?, ?, ?")


def a_verb_writes_no_event(monkeypatch):
    monkeypatch.setitem(sqlite_steering.SQL, "add_event", "select ?, ?, ?, ?, ?")


def a_cancelled_execution_keeps_its_jobs(monkeypatch):
    monkeypatch.setattr(Steering, "_lose", lambda self, state, standing, turn: turn.drop({state.id}))


def a_fork_keeps_the_task_it_begins_with(monkeypatch):
    kept = forking.kept

    def too_much(graph, attempts, *, from_task, edited):
        attempts = list(attempts)
        begins = [(row, row.delta) for row in attempts if row.task == from_task and row.status == "Completed"]
        return kept(graph, attempts, from_task=from_task, edited=edited) + begins

    monkeypatch.setattr(forking, "kept", too_much)


def a_fork_keeps_what_was_edited(monkeypatch):
    monkeypatch.setattr(forking, "_without", lambda delta, keys: delta)


PLANTED = {
    a_verb_leaves_the_fence: 0,
    refenced_rows_are_lost: 0,
    a_retry_runs_what_has_completed: 0,
    a_retry_opens_no_round: 0,
    what_is_paused_is_handed_out: 340,
    a_cancel_leaves_attempts_open: 110,
    a_verb_writes_no_event: 0,
    a_cancelled_execution_keeps_its_jobs: 0,
    a_fork_keeps_the_task_it_begins_with: 0,
    a_fork_keeps_what_was_edited: 0,
}
"""Each with a seed that soon leads to a schedule in which it shows."""


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_is_found(plant, monkeypatch):
    plant(monkeypatch)
    begin = PLANTED[plant]
    found = next(filter(None, map(violation, range(begin, begin + MOST_SCHEDULES))), None)
    assert found is not None


def violation(seed):
    """What the witness finds wrong with one schedule."""
    with contextlib.closing(databases.SqliteDatabase()) as database:
        try:
            run_schedule(random.Random(seed), database)
        except (Violation, AssertionError, DatabaseError) as found:
            # A constraint of the database may be the first to object.
            return found
    return None
