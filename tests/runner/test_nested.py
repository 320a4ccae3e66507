"""Executions started by bodies."""

import asyncio
import threading

import pytest

from tests.world import SOON, workflow_of


@pytest.fixture(autouse=True)
def children():
    """What the workflow ``child`` was run with."""
    runs = []

    def child(context, *, n: int = 0):
        runs.append(n)
        context["n"] = n * 2

    workflow_of("child", child)
    return runs


def test_a_body_executes_another_workflow(runner):
    workflow_of(
        "parent", lambda context: context.set("sum", runner.execute("child", {"n": 4})["n"]), id="parent"
    )
    assert runner.execute("parent")["sum"] == 8


def test_a_child_is_an_execution_of_its_own(runner):
    workflow_of(
        "parent", lambda context: context.set("child", runner.execute("child").execution_id), id="parent"
    )
    child = runner.execute("parent")["child"]
    assert [summary.workflow_name for summary in runner.list_executions()] == ["child", "parent"]
    assert runner.get_execution(child).status == "Completed"


@pytest.mark.parametrize("by", ["execute", "start"])
def test_four_slots_taken_by_four_parents_are_enough_for_their_children(make_runner, by):
    runner = make_runner(max_concurrent_tasks=4)
    all_inside = threading.Barrier(4)

    def parent(context):
        all_inside.wait(SOON)
        child = (
            runner.execute("child", {"n": 1}) if by == "execute" else runner.start("child", {"n": 1}).result()
        )
        context["child"] = child["n"]

    workflow_of("parent", parent)
    for handle in runner.start_many("parent", [None] * 4):
        assert handle.result(SOON)["child"] == 2


def test_one_slot_is_enough_for_executions_nested_ten_deep(make_runner):
    runner = make_runner(max_concurrent_tasks=1)

    def nest(context, *, depth: int):
        if depth:
            context["depths"] = [depth, *runner.execute("nest", {"depth": depth - 1})["depths"]]
        else:
            context["depths"] = [0]

    workflow_of("nest", nest)
    assert runner.start("nest", {"depth": 10}).result(SOON)["depths"] == list(range(10, -1, -1))


def test_waiting_for_a_child_lends_no_slot_twice(make_runner):
    """While one of two slots is lent and taken, no third body runs."""
    runner = make_runner(max_concurrent_tasks=2)
    lock, inside, most = threading.Lock(), [0], [0]

    def counted(work):
        def body(context):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with lock:
                inside[0] -= 1
            work()

        return body

    workflow_of("leaf", counted(lambda: None), id="leaf")
    workflow_of("tree", counted(lambda: runner.execute("leaf")), id="tree")
    for handle in runner.start_many("tree", [None] * 20):
        assert handle.result(SOON).status == "Completed"
    assert most[0] <= 2


def test_a_parent_that_is_retried_finds_the_children_it_has_started(runner, children):
    def parent(context, handle):
        context["children"] = [runner.execute("child", {"n": n})["n"] for n in (1, 2)]
        if handle.attempt == 1:
            raise ValueError("after its children")
        context["children"].append(runner.execute("child", {"n": 3})["n"])

    workflow_of("parent", parent, retry_attempts=1, retry_delay_ms=0)
    assert runner.execute("parent")["children"] == [2, 4, 6]
    assert children == [1, 2, 3]


def test_an_async_parent_that_is_retried_finds_its_children(runner, children):
    async def parent(context, handle):
        context["child"] = (await runner.execute_async("child", {"n": 5}))["n"]
        if handle.attempt == 1:
            raise ValueError("after its child")

    workflow_of("parent", parent, retry_attempts=1, retry_delay_ms=0)
    assert runner.execute("parent")["child"] == 10
    assert children == [5]


def test_a_parent_that_runs_again_in_the_next_runner_finds_its_child(make_runner, children):
    inside, goes_on = threading.Event(), threading.Event()
    runners = [make_runner()]

    def parent(context):
        context["child"] = runners[-1].execute("child", {"n": 7})["n"]
        inside.set()
        goes_on.wait(SOON)

    workflow_of("parent", parent)
    handle = runners[0].start("parent")
    assert inside.wait(SOON)
    runners[0].shutdown(timeout=0)
    goes_on.set()
    runners.append(make_runner())
    assert runners[1].get_handle(handle.execution_id).result(SOON)["child"] == 14
    assert children == [7]


def test_a_retried_parent_that_asks_for_something_else_is_told_so(runner):
    def parent(context, handle):
        runner.execute("child", {"n": handle.attempt})
        raise ValueError("again")

    workflow_of("parent", parent, retry_attempts=1, retry_delay_ms=0)
    assert runner.execute("parent").error_message == (
        "task 'parent' failed: IdempotencyError: in an earlier run of task 'parent' call 1 of execute had another input: "
        "a body has to make the same calls in the same order with the same input, or to use start with a key of its own"
    )


def test_a_child_that_fails_is_a_result_or_with_check_an_error(runner):
    workflow_of("bad", lambda context: 1 / 0, id="bad")
    workflow_of("looks", lambda context: context.set("child", str(runner.execute("bad").status)), id="looks")
    workflow_of("checks", lambda context: runner.execute("bad", check=True) and None, id="checks")
    assert runner.execute("looks")["child"] == "Failed"
    assert runner.execute("checks").error_message == (
        "task 'checks' failed: WorkflowExecutionError: task 'bad' failed: ZeroDivisionError: division by zero"
    )


def test_an_async_body_is_told_to_await(runner):
    async def parent(context):
        runner.execute("child")

    workflow_of("parent", parent)
    assert "execute() would block the event loop of this thread: await execute_async(...)" in (
        runner.execute("parent").error_message
    )


def test_async_parents_await_children_of_either_kind_at_once(make_runner):
    runner = make_runner(max_concurrent_async_tasks=2)

    async def leaf(context, *, n: int):
        await asyncio.sleep(0)
        context["n"] = n

    async def parent(context):
        results = await asyncio.gather(
            *(runner.execute_async(name, {"n": n}) for name in ("leaf", "child") for n in range(5))
        )
        context["all"] = [result["n"] for result in results]

    workflow_of("leaf", leaf)
    workflow_of("parent", parent)
    for handle in runner.start_many("parent", [None] * 4):
        assert handle.result(SOON)["all"] == [0, 1, 2, 3, 4, 0, 2, 4, 6, 8]


def test_an_async_parent_awaits_a_handle_without_holding_its_slot(make_runner):
    runner = make_runner(max_concurrent_async_tasks=1)

    async def leaf(context):
        context["n"] = 1

    async def parent(context):
        context["child"] = (await (await runner.start_async("leaf")))["n"]

    workflow_of("leaf", leaf)
    workflow_of("parent", parent)
    assert runner.start("parent").result(SOON)["child"] == 1


def test_a_child_started_and_not_waited_for_goes_on_after_its_parent(runner):
    goes_on = threading.Event()
    workflow_of("slow", lambda context: goes_on.wait(SOON) and None, id="slow")
    workflow_of("parent", lambda context: context.set("id", runner.start("slow").execution_id), id="parent")
    child = runner.get_handle(runner.execute("parent")["id"])
    assert child.status == "Running"
    goes_on.set()
    assert child.result(SOON).status == "Completed"


def test_a_child_in_another_database_is_found_again_too(make_runner, children):
    runner, other = make_runner(), make_runner("sqlite:///other.db")

    def parent(context, handle):
        context["child"] = other.execute("child", {"n": 1})["n"]
        if handle.attempt == 1:
            raise ValueError("again")

    workflow_of("parent", parent, retry_attempts=1, retry_delay_ms=0)
    assert runner.execute("parent")["child"] == 2
    assert children == [1]
