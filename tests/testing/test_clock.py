"""Clock, and a runner that goes by one."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

import cloaca
from cloaca.testing import Clock
from cloaca.testing import clocked_runner as clocked_module
from cloaca.testing.clocked_runner import ClockedRunner
from tests.world import SOON, workflow_of

HOURLY = {
    "retry_attempts": 2, "retry_delay_ms": 3_600_000, "retry_backoff": "fixed", "retry_jitter": False,
}  # fmt: skip


def _failing(attempts):
    def load(context, handle):
        if handle.attempt <= attempts:
            raise ConnectionError("gone")

    return load


def test_it_stands_still_until_it_is_moved():
    clock = Clock()
    assert clock.time == datetime(2024, 1, 1, tzinfo=UTC)
    assert clock.now() == clock.now()
    before = clock.monotonic()
    clock.move(1.5)
    assert (clock.time, clock.monotonic() - before) == (datetime(2024, 1, 1, 0, 0, 1, 500_000, UTC), 1.5)


def test_it_begins_where_it_is_told():
    start = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert Clock(start).time == start


@pytest.mark.parametrize("start", [datetime(2031, 5, 6), 3, None])  # noqa: DTZ001 - what is refused
def test_a_start_without_a_zone_is_refused(start):
    with pytest.raises(cloaca.ConfigurationError, match="must be a datetime with a time zone"):
        Clock(start)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True, "1", None])
def test_it_does_not_go_back(seconds):
    with pytest.raises(cloaca.ConfigurationError, match="time does not go back"):
        Clock().move(seconds)


def test_retries_are_due_when_it_is_moved(cloaca_runner, cloaca_clock):
    workflow_of("w", _failing(2), **HOURLY)
    handle = cloaca_runner.start("w")
    cloaca_clock.move(3599)
    assert len(cloaca_runner.get_execution(handle.execution_id).tasks["load"].attempts) == 1
    cloaca_clock.move(1)
    assert len(cloaca_runner.get_execution(handle.execution_id).tasks["load"].attempts) == 2
    cloaca_clock.move(3600)
    assert handle.status == "Completed"


def test_one_move_goes_over_all_that_is_due_each_at_its_time(cloaca_runner, cloaca_clock):
    workflow_of("w", _failing(2), **HOURLY)
    handle = cloaca_runner.start("w")
    cloaca_clock.move(86_400)
    tasks = handle.result(SOON).tasks
    assert [f"{attempt.started_at:%H:%M:%S}" for attempt in tasks["load"].attempts] == [
        "00:00:00", "01:00:00", "02:00:00",
    ]  # fmt: skip


def test_what_waits_is_waited_for_side_by_side(cloaca_runner, cloaca_clock):
    async def nap(context):
        await asyncio.sleep(100)

    def wait(context, handle):
        handle.defer_until(lambda: cloaca_clock.monotonic() >= 1050, poll_interval_ms=1000)

    async def wait_async(context, handle):
        await handle.defer_until_async(lambda: cloaca_clock.monotonic() >= 1075, poll_interval_ms=25_000)

    workflow_of("w", nap, wait, wait_async)
    handle = cloaca_runner.start("w")
    cloaca_clock.move(99)
    assert handle.status == "Running"
    cloaca_clock.move(1)
    times = {id: f"{task.finished_at:%M:%S}" for id, task in handle.result(SOON).tasks.items()}
    assert times == {"nap": "01:40", "wait": "00:50", "wait_async": "01:15"}


def test_bodies_time_out_by_it(cloaca_runner, cloaca_clock):
    async def sleep(context):
        await asyncio.Event().wait()

    def wait(context, handle):
        handle.defer_until(lambda: False)

    workflow_of("w", sleep, wait, timeout_seconds=60)
    handle = cloaca_runner.start("w")
    cloaca_clock.move(60)
    assert {task.error.type for task in handle.result(SOON).tasks.values()} == {"TaskTimeoutError"}


def test_a_body_that_moves_it_takes_so_long(cloaca_runner, cloaca_clock):
    workflow_of("w", lambda context: cloaca_clock.move(61), id="slow", timeout_seconds=60)
    assert cloaca_runner.execute("w").tasks["slow"].error.type == "TaskTimeoutError"


def test_a_callback_may_move_it(cloaca_runner, cloaca_clock):
    workflow_of("w", lambda context: None, id="one", on_success=lambda task_id, context: cloaca_clock.move(5))
    cloaca_runner.execute("w")
    assert cloaca_clock.time.second == 5


def test_a_nested_execution_is_waited_for_over_its_retries(cloaca_runner, cloaca_clock):
    workflow_of("child", _failing(1), **HOURLY)
    workflow_of(
        "parent",
        lambda context: {"got": cloaca_runner.execute("child").status},
        id="one",
        timeout_seconds=7200,
    )
    handle = cloaca_runner.start("parent")
    cloaca_clock.move(3600)
    assert handle.result(SOON)["got"] == "Completed"


def test_what_is_steered_goes_by_it(cloaca_runner, cloaca_clock):
    def load(context):
        raise ConnectionError

    workflow_of("etl", load, id="load", retry_attempts=5, retry_delay_ms=60_000, retry_backoff="fixed")
    execution = cloaca_runner.start("etl")
    cloaca_clock.move(90)
    cloaca_runner.pause(execution.execution_id)
    cloaca_clock.move(3600)
    assert len(cloaca_runner.get_execution(execution.execution_id).tasks["load"].attempts) == 2
    cloaca_runner.resume(execution.execution_id)
    cloaca_clock.move(3600)
    assert len(execution.result(timeout=0).tasks["load"].attempts) == 6
    cloaca_runner.retry(execution.execution_id)
    cloaca_clock.move(90)
    cloaca_runner.cancel(execution.execution_id)
    cloaca_clock.move(3600)
    assert execution.result(timeout=0).status == "Cancelled"
    other = cloaca_runner.fork(execution.execution_id, "load")
    cloaca_clock.move(3600)
    assert other.result(timeout=0).status == "Failed"
    cloaca_runner.delete(execution.execution_id)


def test_what_a_client_starts_and_steers_goes_by_it(cloaca_runner, cloaca_clock, cloaca_database_url):
    workflow_of("w", _failing(2), **HOURLY)
    with cloaca.Client(cloaca_database_url) as client:
        execution = client.start("w")
        cloaca_clock.move(1800)
        client.pause(execution.execution_id)
        cloaca_clock.move(3600)
        assert len(client.get_execution(execution.execution_id).tasks["load"].attempts) == 1
        client.resume(execution.execution_id)
        cloaca_clock.move(3600)
        assert client.get_execution(execution.execution_id).status == "Completed"


def test_many_executions_are_at_rest_before_it_moves(cloaca_runner, cloaca_clock):
    workflow_of("w", _failing(1), **HOURLY)
    handles = cloaca_runner.start_many("w", [None] * 200)
    cloaca_clock.move(3600)
    assert {handle.status for handle in handles} == {"Completed"}


def test_a_body_that_does_not_end_holds_it_up_for_a_while(cloaca_runner, cloaca_clock, monkeypatch):
    go_on = threading.Event()
    workflow_of("w", lambda context: go_on.wait(SOON) and None, id="stuck")
    handle = cloaca_runner.start("w")
    with monkeypatch.context() as patch:
        patch.setattr(clocked_module.ClockedRunner.settle, "__defaults__", (0.05,))
        with pytest.raises(cloaca.RunnerError, match="real time 'stuck' still runs"):
            cloaca_clock.move(1)
    go_on.set()
    cloaca_clock.move(1)
    assert handle.status == "Completed"


def test_a_runner_ends_although_bodies_wait_for_it():
    told = threading.Event()

    def wait(context, handle):
        try:
            handle.defer_until(lambda: False)
        except cloaca.LeaseLost:
            told.set()
            raise

    async def sleep(context):
        await asyncio.Event().wait()

    workflow_of("w", wait, sleep)
    clock = Clock()
    with ClockedRunner("sqlite:///w.db", clock=clock) as runner:
        handle = runner.start("w")
        clock.move(0)
    assert told.wait(SOON)
    clock.move(10)
    with cloaca.Client("sqlite:///w.db") as client:
        assert "a runner with capacity" in client.get_execution(handle.execution_id).waiting_for


def test_two_runners_go_by_one_clock():
    workflow_of("w", _failing(1), **HOURLY)
    clock = Clock()
    with (
        ClockedRunner("sqlite:///a.db", clock=clock) as one,
        ClockedRunner("sqlite:///b.db", clock=clock) as two,
    ):
        handles = [one.start("w"), two.start("w")]
        clock.move(3600)
        assert [handle.status for handle in handles] == ["Completed"] * 2
