import asyncio
import threading

import pytest

import cloaca
from tests.world import SOON, run, workflow_of

runs = []


def count(context):
    runs.append(context.get("n"))


@pytest.fixture(autouse=True)
def _workflows():
    runs.clear()
    workflow_of("count", count)
    workflow_of("other", count)


def test_one_key_is_one_execution(runner):
    one = runner.start("count", {"n": 1}, idempotency_key="k")
    two = runner.start("count", {"n": 1}, idempotency_key="k")
    one.result(SOON)
    three = runner.start("count", {"n": 1}, idempotency_key="k")
    assert one.execution_id == two.execution_id == three.execution_id
    assert three.result(SOON).status == "Completed"
    assert runs == [1]


def test_without_a_key_every_start_is_another_execution(runner):
    assert len({runner.start("count").execution_id for _ in range(3)}) == 3


def test_a_key_is_one_execution_on_an_event_loop_too(runner):
    async def main():
        one = await runner.start_async("count", {"n": 1}, idempotency_key="k")
        two = await runner.start_async("count", {"n": 1}, idempotency_key="k")
        await two
        return one, two

    one, two = asyncio.run(main())
    assert one.execution_id == two.execution_id
    assert runs == [1]


def test_keys_are_per_workflow(runner):
    one = runner.start("count", idempotency_key="k")
    two = runner.start("other", idempotency_key="k")
    assert one.execution_id != two.execution_id


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": 1, "b": {"x": 1, "y": 2}}, {"b": {"y": 2, "x": 1}, "a": 1}),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        (None, {}),
        ({"a": "ä"}, cloaca.Context({"a": "ä"})),
    ],
    ids=["order of keys", "tuple and list", "nothing and empty", "mapping and context"],
)
def test_inputs_are_the_same_when_their_json_is(runner, first, second):
    one = runner.start("count", first, idempotency_key="k")
    assert runner.start("count", second, idempotency_key="k").execution_id == one.execution_id


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": "1"}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": None}, {}),
    ],
    ids=str,
)
def test_another_input_under_a_key_is_an_error(runner, first, second):
    one = runner.start("count", first, idempotency_key="k")
    with pytest.raises(cloaca.IdempotencyError, match="use another key, or give the same input") as refused:
        runner.start("count", second, idempotency_key="k")
    assert isinstance(refused.value, ValueError)
    assert "'k' of workflow 'count'" in str(refused.value)
    assert one.execution_id in str(refused.value)
    assert len(runner.list_executions()) == 1


@pytest.mark.parametrize("key", ["", 7, b"k", True])
def test_a_key_that_is_none_is_refused(runner, key):
    with pytest.raises(cloaca.IdempotencyError, match="must be a string that is not empty: leave it out"):
        runner.start("count", idempotency_key=key)
    with pytest.raises(cloaca.IdempotencyError, match="must be a string that is not empty: leave it out"):
        asyncio.run(runner.start_async("count", idempotency_key=key))
    assert runner.list_executions() == []


def test_a_key_holds_across_runners(make_runner):
    first = make_runner()
    one = first.start("count", {"n": 1}, idempotency_key="k")
    one.result(SOON)
    first.shutdown()
    second = make_runner()
    assert second.start("count", {"n": 1}, idempotency_key="k").execution_id == one.execution_id
    with pytest.raises(cloaca.IdempotencyError):
        second.start("count", {"n": 2}, idempotency_key="k")
    assert runs == [1]


def test_a_key_gives_the_result_of_an_execution_that_failed(make_runner):
    def fail(context):
        raise ValueError("once")

    workflow_of("fail", fail)
    one = make_runner().start("fail", idempotency_key="k")
    one.result(SOON)
    two = make_runner().start("fail", idempotency_key="k")
    assert two.execution_id == one.execution_id
    assert two.result(SOON).error_message == "task 'fail' failed: ValueError: once"


def test_a_key_holds_across_processes(runner, database_url):
    script = """
import sys
import cloaca

with cloaca.WorkflowBuilder("count"):
    @cloaca.task
    def count(context): raise SystemExit("never")

with cloaca.DefaultRunner(sys.argv[1]) as runner:
    handle = runner.start("count", {"n": 1}, idempotency_key="k")
    print(handle.execution_id, handle.result()["n"])
"""
    one = runner.start("count", {"n": 1}, idempotency_key="k")
    one.result(SOON)
    assert run(script, database_url)[0].split() == [one.execution_id, "1"]
    assert runs == [1]


def test_sixty_four_threads_with_one_key_start_one_execution(runner):
    all_ready, handles = threading.Barrier(64), []

    def start():
        all_ready.wait(SOON)
        handles.append(runner.start("count", {"n": 1}, idempotency_key="k"))

    threads = [threading.Thread(target=start) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({handle.execution_id for handle in handles}) == 1
    assert handles[0].result(SOON).status == "Completed"
    assert (runs, len(runner.list_executions())) == ([1], 1)


def test_of_two_inputs_under_one_key_at_once_one_is_refused(runner):
    both_ready, outcomes = threading.Barrier(2), []

    def start(n):
        both_ready.wait(SOON)
        try:
            outcomes.append(runner.start("count", {"n": n}, idempotency_key="k").result(SOON).status)
        except cloaca.IdempotencyError:
            outcomes.append("refused")

    threads = [threading.Thread(target=start, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["Completed", "refused"]


def test_start_many_takes_no_keys(runner):
    with pytest.raises(TypeError, match="idempotency_key"):
        runner.start_many("count", [{}], idempotency_key="k")
