"""What a body is given, and what it may do."""

import asyncio
import contextvars
import decimal
import threading

import pytest

import cloaca
from tests.world import SOON, workflow_of


def test_a_handle_tells_the_attempt(runner):
    seen = []

    def body(context, handle):
        seen.append(
            (handle.attempt, handle.execution_id, handle.idempotency_key, handle.cancelled, repr(handle))
        )
        if handle.attempt == 1:
            raise ValueError("once more")

    workflow_of("w", body, retry_attempts=1, retry_delay_ms=0)
    id = runner.execute("w").execution_id
    key = seen[0][2]
    assert id in key
    assert seen == [(n, id, key, False, f"TaskHandle(task='body', attempt={n})") for n in (1, 2)]


@pytest.mark.parametrize("name", ["handle", "task_handle"])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_second_parameter_of_either_name_is_a_handle(runner, name, kind):
    names = {}
    exec(f"{kind} body(context, {name}):\n    context['type'] = type({name}).__name__", names)
    workflow_of("w", names["body"])
    assert runner.execute("w")["type"] == "TaskHandle"


def test_idempotency_keys_differ_between_tasks_and_executions(runner):
    keys = []
    with cloaca.WorkflowBuilder("w"):
        for id in ("one", "two"):
            cloaca.task(id=id)(lambda context, handle: keys.append(handle.idempotency_key))
    runner.execute("w")
    runner.execute("w")
    assert len(set(keys)) == 4


def test_the_key_of_a_task_is_the_same_in_the_next_runner(make_runner):
    keys, inside, goes_on = [], threading.Event(), threading.Event()

    def body(context, handle):
        keys.append(handle.idempotency_key)
        inside.set()
        goes_on.wait(SOON)

    workflow_of("w", body)
    first = make_runner()
    handle = first.start("w")
    assert inside.wait(SOON)
    first.shutdown(timeout=0)
    goes_on.set()
    assert make_runner().get_handle(handle.execution_id).result(SOON).status == "Completed"
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_parameters_come_from_the_context(runner):
    def body(context, handle, *, rows: list[int], limit: int = 2):
        context["sum"] = sum(rows[:limit]) * handle.attempt

    workflow_of("w", body)
    assert runner.execute("w", {"rows": [1, 2, 4]})["sum"] == 3
    assert runner.execute("w", {"rows": [1, 2, 4], "limit": 3})["sum"] == 7


def test_a_missing_parameter_fails_the_task_and_names_who_could_have_set_it(runner):
    with cloaca.WorkflowBuilder("w"):
        fetch = cloaca.task(id="fetch")(lambda context: None)

        @cloaca.task(dependencies=[fetch])
        def use(context, *, rows): ...

    assert runner.execute("w").error_message.startswith(
        "task 'use' failed: TaskExecutionError: task 'use' needs 'rows', which is not in the context: none of 'fetch'"
    )


def test_async_bodies_are_awaited_and_beside_each_other(make_runner):
    runner = make_runner(max_concurrent_tasks=1)
    all_inside = []
    met = asyncio.Event()

    def meet(number):
        async def body(context):
            all_inside.append(number)
            if len(all_inside) == 20:
                met.set()
            await met.wait()
            context[f"n{number}"] = number

        return body

    with cloaca.WorkflowBuilder("w"):
        for number in range(20):
            cloaca.task(id=f"body{number}")(meet(number))
    assert runner.execute("w").final_context.data == {f"n{n}": n for n in range(20)}


def test_no_more_async_bodies_run_at_once_than_are_allowed(make_runner):
    runner = make_runner(max_concurrent_async_tasks=2)
    inside, most = [0], [0]

    async def body(context):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        for _ in range(3):
            await asyncio.sleep(0)
        inside[0] -= 1

    workflow_of("w", body)
    for handle in runner.start_many("w", [None] * 20):
        handle.result(SOON)
    assert most == [2]


def test_no_more_sync_bodies_run_at_once_than_are_allowed(make_runner):
    runner = make_runner(max_concurrent_tasks=3)
    lock, inside, most, three = threading.Lock(), [0], [0], threading.Barrier(3)

    def body(context):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        three.wait(SOON)
        with lock:
            inside[0] -= 1

    workflow_of("w", body)
    for handle in runner.start_many("w", [None] * 12):
        assert handle.result(SOON).status == "Completed"
    assert most == [3]


def test_sync_and_async_bodies_pass_the_context_on(runner):
    with cloaca.WorkflowBuilder("w"):

        @cloaca.task
        def one(context):
            context["steps"] = ["one"]

        @cloaca.task(dependencies=[one])
        async def two(context):
            await asyncio.sleep(0)
            context["steps"].append("two")

        @cloaca.task(dependencies=[two])
        def three(context):
            context["steps"].append("three")

    assert runner.execute("w")["steps"] == ["one", "two", "three"]


def test_a_runner_without_async_bodies_makes_no_loop(runner):
    workflow_of("w", lambda context: None, id="sync")
    runner.execute("w")
    assert "cloaca-async-bodies" not in [thread.name for thread in threading.enumerate()]


def test_context_variables_of_one_body_do_not_reach_the_next(make_runner):
    runner = make_runner(max_concurrent_tasks=1)
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    def body(context):
        seen.append((variable.get(), decimal.getcontext().prec))
        variable.set("by another body")
        decimal.getcontext().prec = 3

    workflow_of("w", body)
    runner.execute("w")
    runner.execute("w")
    assert seen == [("unset", 28), ("unset", 28)]
