import asyncio
import sys
import threading
from types import ModuleType

import pytest

import cloaca
from tests.world import SOON, workflow_of


@pytest.fixture
def gate():
    """An event that the workflow ``gated`` waits for."""
    gate = threading.Event()

    def gated(context):
        gate.wait(SOON)
        context["passed"] = True

    workflow_of("gated", gated)
    yield gate
    gate.set()


def test_a_handle_knows_its_execution(runner, gate):
    handle = runner.start("gated")
    assert handle.workflow_name == "gated"
    assert handle.execution_id == runner.list_executions()[0].execution_id
    assert repr(handle) == f"ExecutionHandle('gated', '{handle.execution_id}')"


def test_its_status_is_the_one_of_the_moment(runner, gate):
    handle = runner.start("gated")
    assert handle.status is cloaca.Status.RUNNING
    gate.set()
    handle.result(SOON)
    assert handle.status is cloaca.Status.COMPLETED


def test_waiting_says_whether_it_has_ended(runner, gate):
    handle = runner.start("gated")
    assert handle.wait(0) is False
    assert handle.wait(timeout=0.01) is False
    gate.set()
    assert handle.wait(SOON) is True
    assert handle.wait() is True


def test_one_may_wait_while_another_thread_imports_asyncio(runner, gate, monkeypatch):
    handle = runner.start("gated")
    with monkeypatch.context() as patch:
        patch.setitem(
            sys.modules, "asyncio", ModuleType("asyncio")
        )  # as it is at the beginning of its import
        assert handle.wait(0.01) is False
    gate.set()
    assert handle.wait(SOON) is True


def test_a_wait_that_is_over_raises_and_the_execution_goes_on(runner, gate):
    handle = runner.start("gated")
    with pytest.raises(
        cloaca.WorkflowTimeoutError, match=r"'gated' has not ended after 0.01 s: it continues to run"
    ) as timed:
        handle.result(timeout=0.01)
    assert isinstance(timed.value, TimeoutError)
    assert timed.value.timeout_seconds == 0.01
    assert handle.execution_id in str(timed.value)
    gate.set()
    assert handle.result(SOON)["passed"]


def test_a_result_can_be_asked_for_again_and_from_many_threads(runner, gate):
    handle = runner.start("gated")
    results = []
    threads = [threading.Thread(target=lambda: results.append(handle.result(SOON))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert [result["passed"] for result in [*results, handle.result(), handle.result()]] == [True] * 10


def test_a_result_at_hand_is_not_asked_of_the_database(runner, gate, monkeypatch):
    gate.set()
    handle = runner.start("gated")
    assert handle.result()["passed"]
    for name in ("_watch", "_store"):
        monkeypatch.setattr(runner._waiting, name, None)
    assert handle.wait(timeout=0)
    assert handle.result()["passed"]
    assert asyncio.run(_awaited(handle))["passed"]


def test_a_handle_is_awaited_on_a_loop_that_was_not_there_at_the_start(runner, gate):
    handle = runner.start("gated")
    gate.set()

    async def main():
        return await handle

    assert asyncio.run(main())["passed"]


def test_a_handle_outlives_its_runner_where_the_execution_has_ended(make_runner, gate):
    runner = make_runner()
    handle = runner.start("gated")
    gate.set()
    assert handle.wait(SOON)
    runner.shutdown()
    assert handle.status == "Completed"
    assert handle.result(SOON)["passed"]


def test_a_handle_of_a_runner_that_ended_first_says_that_the_execution_goes_on(make_runner):
    goes_on = threading.Event()
    workflow_of("waits", lambda context: goes_on.wait(SOON) and None, id="waits")
    runner = make_runner()
    handle = runner.start("waits")
    runner.shutdown(timeout=0)
    with pytest.raises(cloaca.RunnerError, match="the next runner on this database continues"):
        handle.result(SOON)
    goes_on.set()
    assert make_runner().get_handle(handle.execution_id).result(SOON).status == "Completed"


def test_a_handle_on_an_execution_of_another_runner_sees_its_end(make_runner, gate):
    one, other = make_runner(), make_runner()
    handle = other.get_handle(one.start("gated").execution_id)
    assert handle.status == "Running"
    assert not handle.wait(0)
    gate.set()
    assert handle.result(SOON)["passed"]


def test_a_handle_on_an_execution_of_another_runner_is_awaited(make_runner, gate):
    one, other = make_runner(), make_runner()
    execution_id = one.start("gated").execution_id

    async def main():
        awaiting = asyncio.ensure_future(_awaited(other.get_handle(execution_id)))
        gate.set()
        return await awaiting

    assert asyncio.run(main())["passed"]


async def _awaited(handle):
    return await handle


def test_there_is_no_handle_on_an_execution_that_is_not_there(runner):
    with pytest.raises(cloaca.ExecutionNotFoundError, match=r"'nothing' is not in (sqlite|postgresql)://"):
        runner.get_handle("nothing")


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", True])
def test_a_timeout_that_is_no_time_is_refused(runner, gate, timeout):
    handle = runner.start("gated")
    for call in (handle.result, handle.wait):
        with pytest.raises(
            cloaca.ConfigurationError, match=r"timeout=.* must be a number of seconds from 0, or None"
        ):
            call(timeout=timeout)


def test_a_timeout_longer_than_any_clock_waits_for_the_end(runner, gate):
    handle = runner.start("gated")
    gate.set()
    assert handle.result(timeout=1e12)["passed"]
    assert handle.wait(timeout=float("inf"))
