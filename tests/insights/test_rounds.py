"""Records of executions that were retried, cancelled and forked."""

import threading

import pytest

import cloaca
from cloaca.store.steering import EventRow
from tests.insights.agreement import check_history, gaps
from tests.world import SOON


@pytest.fixture
def made(make_runner):
    """A runner, the start of an execution in which ``second`` fails or waits, and what it does."""
    runner = make_runner()
    fails, inside, goes_on = {True}, threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("w"):

        @cloaca.task
        def first(context):
            context["first"] = 1

        @cloaca.task(dependencies=[first])
        def second(context):
            inside.set()
            if fails:
                raise OSError("no route")
            goes_on.wait(SOON)
            context["second"] = 2

        @cloaca.task(dependencies=[second])
        def third(context):
            context["first"] = 3

    yield runner, fails, inside, goes_on
    goes_on.set()


def standing(record):
    return {task.id: (task.status.value, task.reason) for task in record.tasks.values()}


def test_a_task_that_runs_again_is_open_and_not_failed(made):
    runner, fails, inside, _ = made
    handle = runner.start("w")
    handle.result(SOON)
    fails.clear()
    inside.clear()
    handle.retry()
    assert inside.wait(SOON)
    record = runner.get_execution(handle.execution_id)
    assert (record.round, record.status) == (2, "Running")
    assert standing(record)["first"] == ("Completed", None)
    assert standing(record)["second"][0] in ("Ready", "Running")
    assert standing(record)["third"] == ("Pending", None)
    assert record.tasks["second"].attempts[0].error.type == "OSError"
    assert record.tasks["third"].finished_at is None
    check_history(runner._store, handle.execution_id)


def test_before_a_runner_takes_the_new_round_up_its_tasks_are_open_too(made, client):
    runner, *_ = made
    handle = runner.start("w")
    handle.result(SOON)
    runner.shutdown()
    client.retry(handle.execution_id)
    assert standing(client.get_execution(handle.execution_id)) == {
        "first": ("Completed", None), "second": ("Ready", None), "third": ("Pending", None),
    }  # fmt: skip


def test_what_was_not_decided_when_it_was_cancelled_is_cancelled(made):
    runner, fails, inside, _ = made
    fails.clear()
    handle = runner.start("w")
    assert inside.wait(SOON)
    handle.cancel()
    record = runner.get_execution(handle.execution_id)
    assert (record.status, record.error_message) == ("Cancelled", "it was cancelled")
    assert standing(record) == {
        "first": ("Completed", None),
        "second": ("Cancelled", "the execution was cancelled"),
        "third": ("Cancelled", "the execution was cancelled"),
    }
    check_history(runner._store, handle.execution_id)
    handle.retry()
    assert standing(runner.get_execution(handle.execution_id))["third"] == ("Pending", None)
    check_history(runner._store, handle.execution_id)


def test_a_fork_and_a_listing_say_where_they_come_from_and_who_wrote_what(made):
    runner, fails, _, goes_on = made
    fails.clear()
    goes_on.set()
    source = runner.start("w", {"given": 0})
    source.result(SOON)
    fork = source.fork("third", {"second": "edited"})
    fork.result(SOON)
    record = runner.get_execution(fork.execution_id)
    assert (record.forked_from, record.forked_at, record.round) == (source.execution_id, "third", 1)
    assert record.context.data == {"given": 0, "second": "edited", "first": 3}
    assert record.written_by == {"given": None, "second": None, "first": "third"}
    assert runner.get_execution(source.execution_id).written_by == {
        "given": None, "first": "third", "second": "second",
    }  # fmt: skip
    newest, oldest = runner.list_executions()
    assert (newest.forked_from, newest.forked_at, newest.round) == (source.execution_id, "third", 1)
    assert (oldest.forked_from, oldest.forked_at, oldest.round) == (None, None, 1)


@pytest.mark.parametrize("lost", range(4))
def test_an_event_that_is_missing_is_found(client, lost):
    handle = client.start("w")
    for verb in (handle.pause, handle.resume, handle.pause, handle.cancel):
        verb()
    row, events = client._store.read_execution(handle.execution_id), client._store.steering.events(
        handle.execution_id
    )  # fmt: skip
    assert gaps(row, events) == []
    assert gaps(row, [event for event in events if event.fence != lost + 1]) == [lost + 1]


def test_an_event_that_is_missing_after_the_first_claim_is_found(made):
    runner, *_ = made
    handle = runner.start("w")
    handle.result(SOON)
    assert gaps(runner._store.read_execution(handle.execution_id), []) == []
    handle.retry()
    handle.result(SOON)
    row = runner._store.read_execution(handle.execution_id)
    assert gaps(row, []) == [2, 3]
    assert gaps(row, [EventRow(2, "Retried", 0.0, "{}")]) == [3]
