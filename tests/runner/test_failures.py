import threading

import pytest

import cloaca
from cloaca.model.shown import kind_of
from tests.world import SOON, workflow_of


def raises(error):
    def body(context):
        raise error

    return body


@pytest.fixture
def result(runner):
    """``broken`` fails; ``after`` and ``last`` depend on it; ``beside`` and ``behind`` do not."""
    with cloaca.WorkflowBuilder("branches"):
        broken = cloaca.task(id="broken")(raises(OSError("disk on fire")))
        beside = cloaca.task(id="beside")(lambda context: context.set("beside", True))
        cloaca.task(id="behind", dependencies=[beside])(lambda context: context.set("behind", True))
        after = cloaca.task(id="after", dependencies=[broken])(lambda context: context.set("after", True))
        cloaca.task(id="last", dependencies=[beside, after])(lambda context: context.set("last", True))
    return runner.execute("branches")


def test_dependents_are_skipped_with_the_reason(result):
    assert result.status == "Failed"
    assert {task.id: (task.status, task.reason) for task in result.tasks.values()} == {
        "broken": ("Failed", None),
        "beside": ("Completed", None),
        "behind": ("Completed", None),
        "after": ("Skipped", "upstream failed: 'broken'"),
        "last": ("Skipped", "upstream failed: 'broken'"),
    }


def test_independent_branches_go_on(result):
    assert result.final_context.data == {"beside": True, "behind": True}


def test_the_message_names_task_type_and_message(result):
    assert result.error_message == "task 'broken' failed: OSError: disk on fire"


def test_a_branch_that_is_under_way_is_not_cut_off(runner):
    inside, failing = threading.Event(), threading.Event()

    def slow(context):
        inside.set()
        failing.wait(SOON)
        context["slow"] = True

    def quick(context):
        inside.wait(SOON)
        failing.set()
        raise ValueError("quick")

    workflow_of("race", slow, quick)
    result = runner.execute("race")
    assert (result.status, result["slow"]) == ("Failed", True)


def test_all_that_failed_is_named_in_declared_order(runner):
    with cloaca.WorkflowBuilder("many"):
        cloaca.task(id="one")(raises(ZeroDivisionError("division")))
        cloaca.task(id="two")(raises(KeyError("absent")))
        cloaca.task(id="three")(raises(ValueError()))
    assert runner.execute("many").error_message == (
        "task 'one' failed: ZeroDivisionError: division; "
        "task 'two' failed: KeyError: 'absent'; "
        "task 'three' failed: ValueError"
    )


def test_the_traceback_begins_at_the_body(runner):
    def outer(context):
        inner()

    def inner():
        raise ValueError("deep")

    workflow_of("deep", outer)
    trace = runner.execute("deep").tasks["outer"].error.traceback
    assert trace.index("in outer") < trace.index("in inner") < trace.index("ValueError: deep")


def test_a_cause_is_part_of_the_traceback(runner):
    def chained(context):
        raise ValueError("no data") from OSError("cable cut")

    workflow_of("chained", chained)
    error = runner.execute("chained").tasks["chained"].error
    assert (error.type, error.message) == ("ValueError", "no data")
    assert "OSError: cable cut" in error.traceback


@pytest.mark.parametrize("returned", [7, "text", [1], object(), ("a", 1)])
def test_a_body_that_returns_something_else_fails_and_is_told_what_to_return(runner, returned):
    workflow_of("returns", lambda context: returned, id="returns")
    assert runner.execute("returns").error_message == (
        f"task 'returns' failed: TaskExecutionError: task 'returns' returned {kind_of(returned)}: "
        "return the context, a dict to merge into it, or nothing"
    )


def test_a_body_that_returns_a_coroutine_is_told_to_be_async(runner):
    async def inner():
        """Never awaited."""

    workflow_of("returns", lambda context: inner(), id="returns")
    assert "returned a coroutine: declare the body with async def" in runner.execute("returns").error_message


def test_what_a_body_returns_is_kept(runner):
    with cloaca.WorkflowBuilder("returns"):
        begin = cloaca.task(id="begin")(lambda context: {"a": 1, "b": [1]})
        same = cloaca.task(id="same", dependencies=[begin])(lambda context: context.set("c", 3) or context)
        cloaca.task(id="other", dependencies=[same])(lambda context: cloaca.Context({"b": [1], "d": 4}))
    assert runner.execute("returns", {"given": 0}).final_context.data == {"b": [1], "d": 4}


def test_the_runner_goes_on_after_a_failure(runner):
    workflow_of("bad", raises(ValueError("no")), id="bad")
    workflow_of("good", lambda context: None, id="good")
    for _ in range(3):
        assert runner.execute("bad").status == "Failed"
        assert runner.execute("good").status == "Completed"
