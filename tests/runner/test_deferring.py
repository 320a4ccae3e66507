"""defer_until: waiting for something outside without a slot."""

import threading
import time

import pytest

import cloaca
from tests.world import SOON, workflow_of


def await_that(holds):
    """Ask until it is so: the database is not told of by an event."""
    give_up = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < give_up
        threading.Event().wait(0.01)


class Condition:
    """True at the nth call; notes each."""

    def __init__(self, nth):
        self.calls = 0
        self._nth = nth

    def __call__(self):
        self.calls += 1
        return self.calls >= self._nth


def test_a_body_goes_on_once_its_condition_is_true(runner):
    condition = Condition(3)
    runs = []

    def wait(context, handle):
        runs.append(handle.is_slot_held())
        handle.defer_until(condition, poll_interval_ms=5)
        runs.append(handle.is_slot_held())
        context["went_on"] = True

    workflow_of("deferred", wait)
    assert runner.execute("deferred")["went_on"]
    assert (condition.calls, runs) == (3, [True, True])


def test_an_async_body_defers_without_a_thread_and_with_an_async_condition(runner):
    condition, is_held = Condition(3), []

    async def answer():
        is_held.append(handles[0].is_slot_held())
        return condition()

    handles = []

    async def wait(context, handle):
        handles.append(handle)
        await handle.defer_until_async(answer, poll_interval_ms=1)
        await handle.defer_until_async(condition, poll_interval_ms=1)
        context["went_on"] = True

    workflow_of("deferred", wait)
    assert runner.execute("deferred")["went_on"]
    assert (condition.calls, is_held) == (4, [False] * 3)


def test_other_tasks_have_the_slot_meanwhile(make_runner):
    runner = make_runner(max_concurrent_tasks=1)
    go_on, is_held = threading.Event(), []

    def wait(context, handle):
        def condition():
            is_held.append(handle.is_slot_held())
            return go_on.is_set()

        handle.defer_until(condition, poll_interval_ms=5)

    workflow_of("deferred", wait)
    workflow_of("other", lambda context: go_on.set(), id="other")
    handle = runner.start("deferred")
    assert runner.execute("other").status == "Completed"
    assert handle.result(SOON).status == "Completed"
    assert not any(is_held)


def test_it_goes_on_only_with_a_slot(make_runner):
    runner = make_runner(max_concurrent_tasks=1)
    is_busy, release, seen = threading.Event(), threading.Event(), []

    def wait(context, handle):
        handle.defer_until(is_busy.is_set, poll_interval_ms=1)
        seen.append(release.is_set())

    def busy(context):
        is_busy.set()
        asked_again.wait(SOON)
        release.set()

    asked_again = threading.Event()
    workflow_of("deferred", wait)
    workflow_of("busy", busy)
    handle = runner.start("deferred")
    other = runner.start("busy")
    assert is_busy.wait(SOON)
    assert not handle.wait(0.05)
    asked_again.set()
    assert other.result(SOON).status == handle.result(SOON).status == "Completed"
    assert seen == [True]


def test_what_the_condition_raises_fails_the_task(runner):
    def condition():
        raise LookupError("no such parcel")

    workflow_of("deferred", lambda context, handle: handle.defer_until(condition), id="wait")
    assert runner.execute("deferred").error_message == "task 'wait' failed: LookupError: no such parcel"


def test_the_wait_counts_towards_the_timeout_and_ends_with_it(runner):
    ended = threading.Event()

    def wait(context, handle):
        try:
            handle.defer_until(lambda: False, poll_interval_ms=3_600_000)
        except cloaca.TaskTimeoutError:
            ended.set()
            raise

    workflow_of("deferred", wait, timeout_seconds=0.05)
    assert "TaskTimeoutError" in runner.execute("deferred").error_message
    assert ended.wait(SOON), "an hour between two looks does not keep it"


@pytest.mark.parametrize("interval", [0, -1, "5", None, True, float("nan"), float("inf"), 2**31])
def test_an_interval_that_cannot_be_is_refused(runner, interval):
    workflow_of(
        "deferred", lambda context, handle: handle.defer_until(lambda: True, poll_interval_ms=interval), id="wait"
    )  # fmt: skip
    assert "must be a number of milliseconds above 0" in runner.execute("deferred").error_message


def test_a_condition_that_is_no_function_is_refused(runner):
    workflow_of("deferred", lambda context, handle: handle.defer_until(3 > 2), id="wait")

    async def wait(context, handle):
        await handle.defer_until_async(None)

    workflow_of("async", wait)
    assert (
        "called again and again, not True: write lambda: before it"
        in runner.execute("deferred").error_message
    )
    assert "called again and again, not None" in runner.execute("async").error_message


def test_a_sync_body_that_would_not_wait_is_told_so(runner):
    workflow_of("deferred", lambda context, handle: handle.defer_until_async(lambda: True), id="wait")
    assert (
        "in a sync body, which cannot await it: call defer_until(...)"
        in runner.execute("deferred").error_message
    )


def test_a_handle_is_of_use_in_its_body_alone(runner):
    handles = []
    workflow_of("kept", lambda context, handle: handles.append(handle), id="keep")
    runner.execute("kept")
    assert not handles[0].is_slot_held()
    with pytest.raises(ValueError, match="on the handle of task 'keep' after its body had returned"):
        handles[0].defer_until(lambda: True)


def test_blocking_an_event_loop_is_refused_and_names_the_async_method(runner):
    async def wait(context, handle):
        handle.defer_until(lambda: True)

    workflow_of("deferred", wait)
    assert "await defer_until_async(...)" in runner.execute("deferred").error_message


def test_an_async_condition_of_a_sync_body_is_refused(runner):
    async def condition():
        return False

    workflow_of("deferred", lambda context, handle: handle.defer_until(condition), id="wait")
    assert "the condition of defer_until is an async function" in runner.execute("deferred").error_message


def test_a_thousand_deferred_bodies_leave_the_slots_to_others(make_runner):
    runner = make_runner("sqlite:///:memory:", max_concurrent_tasks=4)
    go_on = threading.Event()
    workflow_of(
        "deferred", lambda context, handle: handle.defer_until(go_on.is_set, poll_interval_ms=500), id="wait"
    )  # fmt: skip
    workflow_of("other", lambda context: None, id="other")
    handles = runner.start_many("deferred", [{}] * 1000)
    assert runner.execute("other").status == "Completed"
    go_on.set()
    assert all(handle.result(SOON).status == "Completed" for handle in handles)


def test_a_deferred_body_that_lost_its_execution_ends(make_runner):
    runner = make_runner()
    waiting, ended = threading.Event(), threading.Event()

    def wait(context, handle):
        try:
            handle.defer_until(lambda: waiting.set() or False, poll_interval_ms=3_600_000)
        except cloaca.LeaseLost:
            ended.set()
            raise

    workflow_of("deferred", wait)
    runner.start("deferred")
    assert waiting.wait(SOON)
    runner.shutdown(timeout=0)
    assert ended.wait(SOON)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_body_that_is_deferred_is_seen_to_be(make_runner, is_async):
    runner = make_runner()
    go_on, is_active = threading.Event(), threading.Event()

    def wait(context, handle):
        handle.defer_until(go_on.is_set, poll_interval_ms=5)
        while not is_active.wait(0.01):
            handle.raise_if_cancelled()

    async def wait_on_a_loop(context, handle):
        await handle.defer_until_async(go_on.is_set, poll_interval_ms=5)
        await handle.defer_until_async(is_active.is_set, poll_interval_ms=5)

    workflow_of("deferred", wait_on_a_loop if is_async else wait, id="wait")
    handle = runner.start("deferred")

    def sub_status():
        return runner.get_execution(handle.execution_id).tasks["wait"].sub_status

    await_that(lambda: sub_status() == "Deferred")
    go_on.set()
    if not is_async:
        await_that(lambda: sub_status() == "Active")
    is_active.set()
    assert handle.result(SOON).status == "Completed"
    assert sub_status() is None
