"""on_success and on_failure: when, in which order, with what, and what they cannot break."""

import asyncio
import threading

import pytest

import cloaca
from tests.world import SOON, workflow_of


class Calls(list):
    """What was called back, in order."""

    def on_success(self, task_id, context):
        self.append(("success", task_id, context.to_dict()))

    def on_failure(self, task_id, error, context):
        self.append(("failure", task_id, error, context.to_dict()))


@pytest.fixture
def calls():
    return Calls()


def chain(name, *bodies, **options):
    """These functions as tasks, each after the one before."""
    with cloaca.WorkflowBuilder(name):
        before = []
        for body in bodies:
            before = [cloaca.task(dependencies=before, **options)(body)]


def test_a_task_that_completed_is_told_with_what_it_wrote(runner, calls):
    def add(context):
        context["total"] = context["a"] + 1

    workflow_of("sum", add, on_success=calls.on_success, on_failure=calls.on_failure)
    assert runner.execute("sum", {"a": 1}).status == "Completed"
    assert calls == [("success", "add", {"a": 1, "total": 2})]


def test_a_task_that_failed_is_told_once_after_its_last_retry_with_what_it_saw(runner, calls):
    def fail(context):
        context["lost"] = True
        raise ValueError("Intentional failure")

    workflow_of(
        "fails", fail, retry_attempts=2, retry_delay_ms=1,
        on_success=calls.on_success, on_failure=calls.on_failure,
    )  # fmt: skip
    runner.execute("fails", {"a": 1})
    assert calls == [("failure", "fail", "ValueError: Intentional failure", {"a": 1})]


def test_callbacks_follow_the_order_of_execution_and_come_before_dependents(runner, calls):
    order = []

    def first(context):
        order.append("first")

    def second(context):
        order.append("second")

    def told(task_id, context):
        order.append(f"{task_id} told")

    chain("pair", first, second, on_success=told)
    runner.execute("pair")
    assert order == ["first", "first told", "second", "second told"]


def test_only_what_depends_on_the_task_waits_for_its_callback(runner):
    beside_ran, told = threading.Event(), []

    def hold(task_id, context):
        told.append(beside_ran.wait(SOON))

    with cloaca.WorkflowBuilder("branches"):

        @cloaca.task(on_success=hold)
        def slow(context): ...

        @cloaca.task
        def quick(context): ...

        @cloaca.task(dependencies=[quick])
        def beside(context):
            beside_ran.set()

    runner.execute("branches")
    assert told == [True]


def test_a_join_waits_for_the_callbacks_of_all_it_depends_on(runner):
    told, seen = [], []
    is_second_done = threading.Event()

    def late(task_id, context):
        is_second_done.wait(SOON)
        told.append(task_id)

    with cloaca.WorkflowBuilder("join"):

        @cloaca.task(on_success=late)
        def one(context): ...

        @cloaca.task
        def other(context):
            is_second_done.set()

        @cloaca.task(dependencies=[one, other])
        def join(context):
            seen.extend(told)

    runner.execute("join")
    assert seen == ["one"]


def test_execute_and_handles_return_after_the_last_callback(runner):
    told = threading.Event()
    may_return = threading.Event()

    def slow(task_id, context):
        may_return.wait(SOON)
        told.set()

    workflow_of("last", lambda context: None, id="only", on_success=slow)
    handle = runner.start("last")
    timer = threading.Timer(0.1, may_return.set)
    timer.start()
    handle.result(SOON)
    assert told.is_set()
    timer.join()


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_callback_raises_is_logged_and_changes_nothing(runner, caplog, error):
    def broken(*_):
        raise error

    def after(context):
        context["after"] = True

    with cloaca.WorkflowBuilder("robust"):
        first = cloaca.task(id="first", on_success=broken)(lambda context: None)
        cloaca.task(dependencies=[first])(after)
    result = runner.execute("robust")
    assert (result.status, result["after"]) == ("Completed", True)
    assert f"on_success of task 'first' of execution {result.execution_id} raised" in caplog.text


def test_what_a_callback_writes_is_not_saved(runner):
    def write(task_id, context):
        context["callback"] = True

    workflow_of("quiet", lambda context: context.set("body", True), id="only", on_success=write)
    assert runner.execute("quiet").final_context.data == {"body": True}


def test_a_timeout_is_a_failure_that_is_told(runner, calls):
    release = threading.Event()
    workflow_of(
        "hangs", lambda context: release.wait(SOON) and None, id="hang", timeout_seconds=0.05, on_failure=calls.on_failure
    )  # fmt: skip
    runner.execute("hangs")
    release.set()
    ((kind, task_id, error, _),) = calls
    assert (kind, task_id) == ("failure", "hang")
    assert error.startswith("TaskTimeoutError: ")


def test_what_an_execution_had_not_settled_by_its_limit_is_told(make_runner, calls):
    runner = make_runner(workflow_timeout_seconds=0.1)
    release = threading.Event()
    workflow_of("slow", lambda context: release.wait(SOON) and None, on_failure=calls.on_failure, id="held")
    runner.execute("slow")
    release.set()
    ((kind, task_id, error, _),) = calls
    assert (kind, task_id) == ("failure", "held")
    assert error.startswith("WorkflowTimeoutError: ")


def test_a_task_that_is_skipped_is_not_told(runner, calls):
    def fail(context):
        raise ValueError

    def never(context): ...

    chain("skips", fail, never, on_failure=calls.on_failure, on_success=calls.on_success)
    runner.execute("skips")
    assert [call[:2] for call in calls] == [("failure", "fail")]


def test_async_callbacks_are_awaited(runner):
    told = []

    async def tell(task_id, context):
        await asyncio.sleep(0)
        told.append(task_id)

    workflow_of("async", lambda context: None, id="only", on_success=tell)
    runner.execute("async")
    assert told == ["only"]


@pytest.mark.parametrize("call", ["execute", "result", "wait"])
def test_waiting_in_a_callback_is_refused_and_names_start(runner, caplog, call):
    workflow_of("child", lambda context: None, id="child")
    handles = []

    def wait(task_id, context):
        handles.append(runner.start("child"))
        runner.execute("child") if call == "execute" else getattr(handles[0], call)()

    workflow_of("parent", lambda context: None, id="parent", on_success=wait)
    runner.execute("parent")
    assert f"{call}() was called in on_success, and would hold up every callback" in caplog.text
    assert "start() the execution there" in caplog.text
    assert handles[0].result(SOON).status == "Completed"


def test_the_callbacks_of_what_ended_run_before_a_shutdown_returns(make_runner, calls):
    runner = make_runner()
    workflow_of("last", lambda context: None, id="only", on_success=calls.on_success)
    handles = runner.start_many("last", [{}] * 20)
    assert handles[-1].wait(SOON)
    runner.shutdown()
    assert len(calls) == 20


@pytest.mark.parametrize("given", [3, "notify", ValueError])
def test_a_callback_that_cannot_be_called_is_refused(given):
    with pytest.raises(cloaca.TaskValidationError, match="on_failure must be a function"):
        cloaca.task(on_failure=given)(lambda context: None)
