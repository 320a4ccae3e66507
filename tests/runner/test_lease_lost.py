"""A body whose execution was taken over while it ran."""

import asyncio
import contextlib
import pickle
import threading

import pytest

import cloaca
from cloaca.runner.stores import store_of
from tests.world import SOON, workflow_of

QUICK = {"heartbeat_seconds": 0.2, "lease_seconds": 1}


def seize(url):
    """Declare the one runner of a database dead, as another does that has not heard of it for its lease."""
    with contextlib.closing(store_of(url)) as thief:
        thief.prepare()
        thief.join("thief", 0.0)
        (runner,) = thief.other_runners()
        thief.declare_dead(runner.id)
        thief.leave()


def seized_once(url):
    """Seizes the execution at its first attempt, and lets the attempt after the takeover pass."""
    runs = []

    def first():
        runs.append(None)
        if len(runs) > 1:
            return False
        seize(url)
        return True

    return first


def wait_until_cancelled(handle):
    give_up = threading.Event()
    timer = threading.Timer(SOON, give_up.set)
    timer.start()
    try:
        while not give_up.is_set():
            handle.raise_if_cancelled()
    finally:
        timer.cancel()


def test_a_body_that_lost_its_lease_learns_it_and_runs_again(database_url, make_runner):
    runner = make_runner(database_url, **QUICK)
    lost, is_first = [], seized_once(database_url)

    def hold(context, handle):
        if not is_first():
            context["by"] = "the second"
            return
        try:
            wait_until_cancelled(handle)
        except cloaca.LeaseLost as error:
            lost.append((handle.cancelled, error))
        context["by"] = "the first"

    workflow_of("held", hold, retry_attempts=3)
    result = runner.execute("held")
    ((cancelled, error),) = lost
    assert cancelled
    assert (error.execution_id, error.task_id) == (result.execution_id, "hold")
    assert str(error) == (
        f"execution {result.execution_id} was taken over by another runner while attempt 1 of task 'hold' ran here: "
        "what it leaves is not stored, the task runs again there"
    )
    assert result["by"] == "the second"
    assert len(result.tasks["hold"].attempts) == 1


def test_a_lost_lease_stops_the_retries_of_a_body(database_url, make_runner):
    runner = make_runner(database_url, **QUICK)
    tries, is_first = [], seized_once(database_url)

    def stubborn(context, handle):
        if not is_first():
            return
        while len(tries) < 3:
            tries.append(None)
            with contextlib.suppress(Exception):
                wait_until_cancelled(handle)

    workflow_of("stubborn", stubborn)
    assert runner.execute("stubborn").status == "Completed"
    assert len(tries) == 1


def test_an_async_body_that_lost_its_lease_is_cancelled(database_url, make_runner):
    runner = make_runner(database_url, **QUICK)
    seen, is_first = [], seized_once(database_url)

    async def hold(context, handle):
        if not is_first():
            return
        try:
            await asyncio.sleep(SOON)
        except asyncio.CancelledError:
            with pytest.raises(cloaca.LeaseLost):
                handle.raise_if_cancelled()
            seen.append("cancelled")
            raise

    workflow_of("held", hold)
    assert runner.execute("held").status == "Completed"
    assert seen == ["cancelled"]


@pytest.mark.parametrize("call", ["execute", "start", "result"])
def test_a_body_that_lost_its_lease_starts_and_awaits_nothing_more(call, make_runner):
    url = "sqlite:///app.db"
    runner = make_runner(url, **QUICK)
    refused, is_first = [], seized_once(url)
    open_child = threading.Event()
    workflow_of("child", lambda context: open_child.wait(SOON) and None, id="child")

    def parent(context, handle):
        child = runner.start("child", idempotency_key="the one")
        if is_first():
            try:
                with contextlib.suppress(cloaca.LeaseLost):
                    wait_until_cancelled(handle)
                child.result() if call == "result" else getattr(runner, call)("child")
            except cloaca.LeaseLost:
                refused.append(call)
                raise
            finally:
                open_child.set()

    workflow_of("parent", parent)
    assert runner.execute("parent").status == "Completed"
    assert refused == [call]
    assert {row.workflow_name for row in runner.list_executions()} == {"parent", "child"}
    assert len(runner.list_executions()) == 2


def test_a_lost_lease_is_no_exception_and_pickles():
    error = cloaca.LeaseLost("gone", execution_id="e1", task_id="load")
    assert not isinstance(error, Exception)
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), copied.execution_id, copied.task_id) == (
        cloaca.LeaseLost,
        "gone",
        "e1",
        "load",
    )
