"""A connection that is lost when a verb was committed: it is asked again, and nothing happens twice."""

import psycopg
import pytest

import cloaca
from cloaca.store.postgres import reader, steering
from tests.steering.test_rounds import Code, run
from tests.world import SOON


@pytest.fixture
def database_url(postgres_url):
    return postgres_url


@pytest.fixture
def failed(runner):
    code = Code()
    code.keys = []
    with cloaca.WorkflowBuilder("w"):
        first = code.task("first")
        code.task("second", first)
    code.broken = {"second"}
    handle = run(runner, "w")
    code.broken = set()
    return handle


@pytest.fixture
def lost(monkeypatch):
    """The first transaction is committed, and its answer lost."""
    whole = steering.in_transaction

    def lose(db, work):
        monkeypatch.setattr(steering, "in_transaction", whole)
        whole(db, work)
        db.close()
        raise psycopg.OperationalError("the connection is closed")

    monkeypatch.setattr(steering, "in_transaction", lose)


def test_a_retry_opens_one_round(runner, failed, lost):
    failed.retry()
    assert failed.result(SOON).status == "Completed"
    assert runner.get_execution(failed.execution_id).round == 2


def test_a_fork_starts_one_execution(runner, failed, lost):
    assert failed.fork("second").result(SOON).status == "Completed"
    assert len(runner.list_executions()) == 2


def test_a_delete_has_deleted(runner, failed, lost):
    failed.delete()
    assert runner.list_executions() == []


@pytest.mark.parametrize("verb", [cloaca.ExecutionHandle.retry, cloaca.ExecutionHandle.delete])
def test_a_verb_says_that_it_may_have_happened_where_the_database_stays_away(failed, lost, monkeypatch, verb):
    def refuse(url):
        raise cloaca.ConnectionError("the server is away", database_url="postgresql://")

    monkeypatch.setattr(reader.driver, "connect", refuse)
    with pytest.raises(
        cloaca.CommitUnknownError, match="may have happened or not: the server is away; look at"
    ):
        verb(failed)


def test_a_verb_that_nobody_can_be_told_of_is_done_all_the_same(runner, failed, monkeypatch, caplog):
    def tell(executions, *, work):
        raise cloaca.DatabaseError("no connection")

    monkeypatch.setattr(runner._store, "tell", tell)
    failed.retry()
    assert failed.result(SOON).status == "Completed"
