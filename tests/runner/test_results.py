import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import cloaca
from tests.world import workflow_of


def give(context, *, n: int = 1):
    context["n"] = n
    context["nested"] = {"list": [n]}


def fail(context):
    context["lost"] = True
    raise ValueError("no such city: 'Atlantis'")


@pytest.fixture
def good(runner):
    workflow_of("good", give)
    return runner.execute("good", {"given": "ü"})


@pytest.fixture
def bad(runner):
    workflow_of("bad", fail)
    return runner.execute("bad", {"given": 1})


def test_a_result_has_everything_a_caller_asks_for(good):
    assert isinstance(good, cloaca.WorkflowResult)
    assert (good.status, good.error_message, good.error) == ("Completed", None, None)
    assert good.workflow_name == "good"
    assert isinstance(good.execution_id, str)
    assert good.final_context.data == {"given": "ü", "n": 1, "nested": {"list": [1]}}
    assert repr(good) == "WorkflowResult(status=Completed, error=None)"


def test_both_names_are_one_class():
    assert cloaca.PipelineResult is cloaca.WorkflowResult


def test_times_are_utc_and_their_difference_is_the_duration(good):
    now = datetime.now(UTC)
    assert now - timedelta(minutes=1) < good.start_time <= good.end_time <= now
    assert good.start_time.tzinfo is UTC
    assert good.end_time - good.start_time == good.duration
    assert good.duration.total_seconds() >= 0


def test_a_key_reads_the_final_context(good):
    assert (good["n"], good["given"]) == (1, "ü")
    with pytest.raises(KeyError, match="absent"):
        good["absent"]


def test_what_a_result_hands_out_does_not_change_it(good):
    good.final_context.data["n"] = 9
    assert good.final_context.data["n"] == 1


def test_tasks_are_records_by_id(good):
    record = good.tasks["give"]
    assert isinstance(record, cloaca.TaskRecord)
    assert (record.id, record.status, record.reason, record.error) == ("give", "Completed", None, None)
    assert [attempt.attempt for attempt in record.attempts] == [1]
    assert good.start_time - timedelta(seconds=1) <= record.started_at <= record.finished_at


def test_a_failure_is_reported_and_not_raised(bad):
    assert bad.status == cloaca.Status.FAILED == "Failed"
    assert bad.error_message == bad.error == "task 'fail' failed: ValueError: no such city: 'Atlantis'"
    assert repr(bad) == f"WorkflowResult(status=Failed, error={bad.error_message})"


def test_a_failed_body_leaves_nothing_in_the_context(bad):
    assert bad.final_context.data == {"given": 1}


@pytest.mark.parametrize("error", [cloaca.WorkflowExecutionError, RuntimeError, cloaca.CloacaException])
def test_raise_for_status_raises_what_failed(bad, error):
    with pytest.raises(error, match="task 'fail' failed: ValueError: no such city") as raised:
        bad.raise_for_status()
    assert (raised.value.workflow_name, raised.value.execution_id) == ("bad", bad.execution_id)


def test_raise_for_status_raises_nothing_where_nothing_failed(good):
    assert good.raise_for_status() is None


def test_check_raises_what_raise_for_status_does(runner, bad):
    with pytest.raises(cloaca.WorkflowExecutionError, match="task 'fail' failed"):
        runner.execute("bad", check=True)
    workflow_of("good", give)
    assert runner.execute("good", check=True)["n"] == 1


def test_a_task_that_timed_out_is_raised_as_such(runner):
    async def hang(context):
        await asyncio.Event().wait()

    workflow_of("hangs", hang, timeout_seconds=0.01)
    with pytest.raises(
        cloaca.TaskTimeoutError, match="task 'hang' failed: TaskTimeoutError: the body took"
    ) as raised:
        runner.execute("hangs", check=True)
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.task_id == "hang"


def test_a_result_read_from_the_database_is_as_good_as_one_at_hand(make_runner, good, bad):
    other = make_runner()
    for fresh in (good, bad):
        stored = other.get_handle(fresh.execution_id).result(5)
        assert type(stored) is type(fresh)
        for name in (
            "status",
            "error_message",
            "workflow_name",
            "execution_id",
            "tasks",
            "start_time",
            "end_time",
        ):
            assert getattr(stored, name) == getattr(fresh, name), name
        assert stored.final_context == fresh.final_context
        assert stored.duration == fresh.duration
