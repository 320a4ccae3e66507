"""A turn on PostgreSQL is sent as one pipeline."""

import psycopg
import pytest

from cloaca.store.postgres.connection import pipelined


@pytest.fixture
def db(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as db:
        yield db


def fail_among(db, others):
    """Learn of an error while the statements behind it, which are not executed, have not all been answered."""
    with pipelined(db):
        failing = db.execute("select 1 / 0")
        for _ in range(others):
            db.execute("select 1")
        failing.fetchone()


def test_what_fails_in_a_pipeline_is_raised_and_what_follows_from_it_is_no_warning(db, caplog):
    with pytest.raises(psycopg.errors.DivisionByZero):
        fail_among(db, 2000)
    assert caplog.messages == []
    assert db.execute("select 1").fetchone() == (1,)


def test_what_fails_is_raised_at_the_end_of_its_pipeline_at_the_latest(db):
    with pytest.raises(psycopg.errors.DivisionByZero), pipelined(db):
        db.execute("select 1 / 0")
    with pipelined(db):
        found = db.execute("select 1")
    assert found.fetchone() == (1,)
