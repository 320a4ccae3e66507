import asyncio
import logging
import threading

import pytest

import cloaca
from tests.world import SOON, workflow_of


@pytest.fixture
def release():
    """An event that ends the bodies that hang."""
    release = threading.Event()
    yield release
    release.set()


def test_a_sync_body_that_hangs_loses_its_slot_and_is_reported_as_stuck(make_runner, release, caplog):
    runner = make_runner(max_concurrent_tasks=1)

    def hang(context):
        release.wait(SOON)
        context["late"] = True

    workflow_of("hangs", hang, timeout_seconds=0.05)
    workflow_of("next", lambda context: context.set("ran", True), id="next")
    with caplog.at_level(logging.WARNING, logger="cloaca"):
        result = runner.execute("hangs")
    assert result.error_message == (
        "task 'hang' failed: TaskTimeoutError: the body took longer than its timeout_seconds of 0.05"
    )
    (stuck,) = [record.getMessage() for record in caplog.records if "stuck" in record.getMessage()]
    assert stuck.startswith(
        f"task 'hang' of execution {result.execution_id} is stuck: its thread still runs after 0.0"
    )
    assert runner.execute("next")["ran"]


def test_what_a_body_leaves_after_its_time_is_dropped(runner, release):
    ended = threading.Event()

    def hang(context):
        release.wait(SOON)
        context["late"] = True
        ended.set()

    workflow_of("hangs", hang, timeout_seconds=0.05)
    result = runner.execute("hangs")
    release.set()
    assert ended.wait(SOON)
    workflow_of("next", lambda context: None, id="next")
    runner.execute("next")
    record = runner.get_execution(result.execution_id)
    assert (record.status, record.context.data) == ("Failed", {})
    assert [attempt.status for attempt in record.tasks["hang"].attempts] == ["Failed"]


def test_a_handle_says_that_nobody_waits_any_more(runner, release):
    seen = []

    def watch(context, handle):
        seen.append(handle.cancelled)
        while not handle.cancelled:
            release.wait(0.001)
        seen.append(handle.cancelled)
        release.set()

    workflow_of("watches", watch, timeout_seconds=0.05)
    assert runner.execute("watches").status == "Failed"
    assert release.wait(SOON)
    assert seen == [False, True]


def test_an_async_body_that_hangs_is_cancelled(runner):
    cancelled = threading.Event()

    async def hang(context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    workflow_of("hangs", hang, timeout_seconds=0.05)
    result = runner.execute("hangs")
    assert cancelled.wait(SOON)
    assert "TaskTimeoutError: the body took longer than its timeout_seconds of 0.05" in result.error_message
    assert result.tasks["hang"].attempts[0].status == "Failed"


def test_an_async_body_that_swallows_its_cancellation_has_failed_all_the_same(make_runner):
    runner = make_runner(max_concurrent_async_tasks=1)

    async def stubborn(context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            context["late"] = True

    async def after(context):
        context["ran"] = True

    workflow_of("stubborn", stubborn, timeout_seconds=0.05)
    workflow_of("after", after)
    result = runner.execute("stubborn")
    assert (result.status, result.final_context.data) == ("Failed", {})
    assert runner.execute("after")["ran"]


def test_a_timeout_is_retried_like_any_failure(runner, release):
    def slow_once(context, handle):
        if handle.attempt == 1:
            release.wait(SOON)
        context["attempt"] = handle.attempt

    workflow_of("slow", slow_once, timeout_seconds=0.05, retry_attempts=1, retry_delay_ms=0)
    result = runner.execute("slow")
    assert result["attempt"] == 2
    assert [attempt.status for attempt in result.tasks["slow_once"].attempts] == ["Failed", "Completed"]


def test_the_runners_timeout_is_for_tasks_that_say_nothing(make_runner, release):
    runner = make_runner(task_timeout_seconds=0.05)
    workflow_of("silent", lambda context: release.wait(SOON) and None, id="silent")
    workflow_of("says", lambda context: None, id="says", timeout_seconds=30)
    assert "timeout_seconds of 0.05" in runner.execute("silent").error_message
    assert runner.execute("says").status == "Completed"


def test_the_time_waiting_for_a_slot_does_not_count(make_runner, release):
    runner = make_runner(max_concurrent_tasks=1)
    workflow_of("holds", lambda context: release.wait(SOON) and None, id="holds")
    workflow_of("waits", lambda context: None, id="waits", timeout_seconds=0.05)
    holding, waiting = runner.start("holds"), runner.start("waits")
    assert not waiting.wait(0.15)
    release.set()
    assert (holding.result(SOON).status, waiting.result(SOON).status) == ("Completed", "Completed")


@pytest.mark.parametrize("setting", ["workflow_timeout_seconds", "pipeline_timeout_seconds"])
def test_an_execution_that_takes_too_long_fails_and_the_rest_is_skipped(make_runner, release, setting):
    runner = make_runner(**{setting: 0.1})
    with cloaca.WorkflowBuilder("long"):
        quick = cloaca.task(id="quick")(lambda context: context.set("quick", True))
        hang = cloaca.task(id="hang", dependencies=[quick])(lambda context: release.wait(SOON) and None)
        cloaca.task(id="after", dependencies=[hang])(lambda context: None)
    result = runner.execute("long")
    assert result.error_message == (
        "task 'hang' failed: WorkflowTimeoutError: the execution took longer than its workflow_timeout_seconds of 0.1"
    )
    assert {task.id: task.status for task in result.tasks.values()} == {
        "quick": "Completed", "hang": "Failed", "after": "Skipped",
    }  # fmt: skip
    assert result["quick"]
    with pytest.raises(cloaca.WorkflowTimeoutError, match="took longer") as raised:
        result.raise_for_status()
    assert raised.value.partial_result is result


def test_an_execution_within_its_time_is_left_alone(make_runner):
    runner = make_runner(workflow_timeout_seconds=60)
    workflow_of("short", lambda context: None, id="short")
    assert runner.execute("short").status == "Completed"
