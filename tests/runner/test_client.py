"""Executions that are started, found and awaited from a process that runs none."""

import asyncio
from datetime import date

import pytest

import cloaca
from tests.anywhere import impatience  # noqa: F401 - a fixture
from tests.world import SOON, run, workflow_of

pytestmark = pytest.mark.usefixtures("impatience")


def test_what_it_starts_waits_until_a_runner_takes_it(client, make_runner):
    handle = client.start("double", {"n": 21})
    assert (handle.workflow_name, handle.status, handle.wait(0)) == ("double", "Pending", False)
    record = client.get_execution(handle.execution_id)
    assert (record.started_at, record.tasks, record.context.data) == (None, {}, {"n": 21})
    assert record.waiting_for == "a runner with capacity in a process that has registered workflow 'double'"
    workflow_of("double", lambda context: context.set("n", context["n"] * 2), id="double")
    make_runner()
    assert handle.result(SOON)["n"] == 42
    assert client.get_execution(handle.execution_id).waiting_for is None


def test_a_result_is_as_good_as_the_runners(client, runner, double):
    mine = client.start("double", {"n": 5}).result(SOON)
    theirs = runner.get_handle(mine.execution_id).result(SOON)
    assert type(mine) is cloaca.WorkflowResult
    assert (mine.status, mine.final_context, mine.tasks) == (
        theirs.status,
        theirs.final_context,
        theirs.tasks,
    )
    assert client.result(mine.execution_id)["n"] == 10
    assert client.wait(mine.execution_id, timeout=0)


def test_a_workflow_may_be_given_as_it_was_built(client, runner, double):
    assert client.start(double, {"n": 2}).result(SOON)["n"] == 4
    assert [handle.result(SOON)["n"] for handle in client.start_many(double, [{"n": 3}])] == [6]


def test_a_failure_is_a_result(client, runner):
    workflow_of("fails", lambda context: 1 / 0, id="fails")
    result = client.start("fails").result(SOON)
    assert result.error_message == "task 'fails' failed: ZeroDivisionError: division by zero"


def test_what_a_runner_started_is_found(client, runner, double):
    result = runner.execute("double", {"n": 4})
    assert client.get_handle(result.execution_id).status == "Completed"
    assert client.result(result.execution_id, timeout=SOON)["n"] == 8
    assert client.list_executions() == runner.list_executions()
    assert client.list_executions(workflow_name="other") == client.list_executions(status="Failed") == []


def test_an_execution_that_is_claimed_while_it_is_read_is_read_as_it_was(client, make_runner, double):
    handle = client.start("double")
    read = client._store.read_execution

    def read_and_run(execution_id):
        row = read(execution_id)
        make_runner().get_handle(execution_id).result(SOON)
        return row

    client._store.read_execution = read_and_run
    record = client.get_execution(handle.execution_id)
    assert (record.status, record.tasks, record.context.data) == ("Pending", {}, {})
    client._store.read_execution = read
    assert client.get_execution(handle.execution_id).context["n"] == 2


def test_an_execution_that_is_not_there_is_not_waited_for(client):
    for call in (client.get_execution, client.get_handle, client.result, client.wait):
        with pytest.raises(cloaca.ExecutionNotFoundError, match="execution 'absent' is not in"):
            call("absent")


def test_a_wait_that_is_over_says_so_and_the_execution_goes_on(client):
    execution_id = client.start("double").execution_id
    assert not client.wait(execution_id, timeout=0.01)
    with pytest.raises(
        cloaca.WorkflowTimeoutError, match=r"has not ended after 0\.01 s: it continues to run"
    ):
        client.result(execution_id, 0.01)


def test_many_are_started_in_order_and_together(client, runner, double):
    handles = client.start_many("double", ({"n": n} for n in range(30)))
    assert [handle.result(SOON)["n"] for handle in handles] == [n * 2 for n in range(30)]
    assert client.start_many("double", []) == []
    assert len(client.list_executions(limit=99)) == 30


def test_of_many_of_which_one_cannot_be_stored_none_is_started(client):
    with pytest.raises(TypeError, match="a set cannot be stored"):
        client.start_many("double", [{"n": 1}, {"n": {1}}])
    with pytest.raises(TypeError, match=r"start_many takes a list of contexts.*\[context\]"):
        client.start_many("double", {"n": 1})
    assert client.list_executions() == []


def test_encoders_convert_what_is_started_with(database_url):
    with cloaca.Client(database_url, encoders={date: date.isoformat}) as client:
        handle = client.start("double", {"day": date(2026, 1, 2)})
        assert client.get_execution(handle.execution_id).context["day"] == "2026-01-02"
    with pytest.raises(cloaca.ConfigurationError, match="encoders=7 must be a mapping of types to functions"):
        cloaca.Client(database_url, encoders=7)


# -- idempotency keys --------------------------------------------------------------------------------------------------


def test_one_key_is_one_execution_whoever_starts_it(client, runner, double):
    one = client.start("double", {"n": 1}, idempotency_key="k")
    two = runner.start("double", {"n": 1}, idempotency_key="k")
    one.result(SOON)
    three = client.start("double", {"n": 1}, idempotency_key="k")
    assert one.execution_id == two.execution_id == three.execution_id
    assert client.start("other", {"n": 1}, idempotency_key="k").execution_id != one.execution_id


def test_another_input_under_a_key_is_an_error(client):
    one = client.start("double", {"n": 1}, idempotency_key="k")
    with pytest.raises(
        cloaca.IdempotencyError, match=f"'k' of workflow 'double' belongs to .*{one.execution_id}"
    ):
        client.start("double", {"n": 2}, idempotency_key="k")
    assert len(client.list_executions()) == 1


SIXTY_FOUR = """
import os, sys
import cloaca

cloaca.Client(sys.argv[1])  # which loads the driver, once for all
goes, go = os.pipe()
out, into = os.pipe()
for _ in range(64):
    if not os.fork():
        os.close(go)
        client = cloaca.Client(sys.argv[1])
        client.list_executions()
        os.write(into, b".")
        os.read(goes, 1)
        found = client.start("double", {"n": 1}, idempotency_key="k").execution_id
        client.close()
        os.write(into, found.encode())
        os._exit(0)
os.close(into)
ready = b""
while len(ready) < 64:
    ready += os.read(out, 64)
os.close(go)
found = open(out, "rb").read().decode()
assert all(os.wait()[1] == 0 for _ in range(64))
print(*{found[at : at + 36] for at in range(0, len(found), 36)}, len(found))
"""


def test_sixty_four_processes_that_start_one_key_at_once_get_one_execution(runner, client, database_url):
    runs = []
    workflow_of("double", lambda context: runs.append(context["n"]), id="double")
    execution_id, size = run(SIXTY_FOUR, database_url)[0].split()
    assert int(size) == 64 * 36
    assert client.result(execution_id, SOON).status == "Completed"
    assert (runs, len(client.list_executions())) == ([1], 1)


# -- event loops -------------------------------------------------------------------------------------------------------


def test_an_event_loop_starts_and_awaits(database_url, runner, double):
    async def main():
        async with cloaca.Client(database_url) as client:
            handle = await client.start_async("double", {"n": 5}, idempotency_key="k")
            assert (await handle)["n"] == 10
            assert (await client.result_async(handle.execution_id))["n"] == 10
            same = await client.start_async("double", {"n": 5}, idempotency_key="k")
            assert same.execution_id == handle.execution_id
            handles = await asyncio.gather(*(client.start_async("double", {"n": n}) for n in range(20)))
            assert [result["n"] for result in await asyncio.gather(*map(awaited, handles))] == [
                n * 2 for n in range(20)
            ]
        with pytest.raises(cloaca.RunnerError, match="was closed: create another one"):
            await client.start_async("double")

    asyncio.run(main())


async def awaited(handle):
    return await handle


def test_an_await_is_bounded_as_any_other(client):
    async def main():
        handle = await client.start_async("double")
        async with asyncio.timeout(0.01):
            await client.result_async(handle.execution_id)

    with pytest.raises(TimeoutError):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda client: client.start("double"), r"start\(\) would block .*: await start_async"),
        (lambda client: client.start_many("double", [{}]), r"start_many\(\) would block .*to_thread"),
        (lambda client: client.result("id"), r"result\(\) would block .*: await result_async"),
        (lambda client: client.wait("id"), r"wait\(\) would block .*: await result_async"),
    ],
    ids=["start", "start_many", "result", "wait"],
)
def test_a_blocking_call_on_an_event_loop_names_the_other(client, call, instead):
    async def main():
        with pytest.raises(cloaca.RunnerError, match=instead):
            call(client)

    asyncio.run(main())
    assert client.list_executions() == []
