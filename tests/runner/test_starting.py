import asyncio
import threading

import pytest

import cloaca
from tests.world import SOON, workflow_of


def double(context, *, n: int = 1):
    context["n"] = n * 2


async def triple(context, *, n: int = 1):
    await asyncio.sleep(0)
    context["n"] = n * 3


@pytest.fixture(autouse=True)
def _workflows():
    workflow_of("double", double)
    workflow_of("triple", triple)


@pytest.mark.parametrize("given", [{"n": 21}, cloaca.Context({"n": 21})], ids=["mapping", "context"])
def test_input_is_a_mapping_or_a_context(runner, given):
    assert runner.execute("double", given)["n"] == 42
    assert runner.start("double", given).result(SOON)["n"] == 42
    assert runner.start_many("double", [given])[0].result(SOON)["n"] == 42


def test_input_may_be_left_out(runner):
    assert runner.execute("double").final_context.data == {"n": 2}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1], "a context is a Context, a mapping or None, not a list"),
        ("text", "a context is a Context, a mapping or None, not a str"),
        ({1: 2}, "context keys are str: 1 is of type int"),
        ({"n": {1, 2}}, "context key 'n': a set cannot be stored as JSON"),
        ({"n": [float("nan")]}, r"context key 'n'\[0\]: nan cannot be stored as JSON"),
    ],
)
def test_input_that_cannot_be_stored_is_refused_where_it_is_given(runner, given, said):
    with pytest.raises(TypeError, match=said):
        runner.execute("double", given)
    with pytest.raises(TypeError, match=said):
        runner.start("double", given)
    with pytest.raises(TypeError, match=said):
        runner.start_many("double", [{"n": 1}, given])
    assert runner.list_executions() == []


def test_input_that_cannot_be_stored_is_refused_on_a_loop_too(runner):
    with pytest.raises(TypeError, match="a set cannot be stored"):
        asyncio.run(runner.execute_async("double", {"n": {1}}))


def test_encoders_convert_input_as_well_as_what_bodies_set(make_runner):
    runner = make_runner(encoders={set: sorted})
    workflow_of("keep", lambda context: context.set("kept", {3, 1}), id="keep")
    assert runner.execute("keep", {"given": {2, 1}}).final_context.data == {"given": [1, 2], "kept": [1, 3]}


def test_of_many_contexts_the_one_that_is_refused_is_named(runner):
    for contexts in ([{"n": 1}, {"n": {1}}, {}], ({"n": {1} if n else n} for n in range(3))):
        with pytest.raises(TypeError) as refused:
            runner.start_many("double", contexts)
        assert refused.value.__notes__ == ["this is context 2 of the list; none of them was started"]
    with pytest.raises(TypeError) as refused:
        runner.start("double", {"n": {1}})
    assert not hasattr(refused.value, "__notes__")
    assert runner.list_executions() == []


@pytest.mark.parametrize("error", [ValueError, KeyError, cloaca.WorkflowNotFoundError])
def test_an_unknown_workflow_names_the_nearest(runner, error):
    for call in (runner.execute, runner.start):
        with pytest.raises(error, match=r"workflow 'doubel' is not registered: did you mean 'double'\?"):
            call("doubel")
    with pytest.raises(error, match=r"did you mean 'double'\?"):
        runner.start_many("doubel", [None])


def test_a_workflow_that_was_built_and_not_registered_says_so(runner):
    cloaca.task(id="only")(lambda context: None)
    cloaca.WorkflowBuilder("built").add_task("only").build()
    with pytest.raises(
        cloaca.WorkflowNotFoundError, match=r"built but never registered.*pass the workflow itself"
    ):
        runner.execute("built")


def test_a_built_workflow_is_registered_on_the_way(runner):
    workflow = cloaca.WorkflowBuilder("built").add_task(cloaca.task(id="only")(double)).build()
    assert runner.execute(workflow, {"n": 2})["n"] == 4
    assert runner.execute("built", {"n": 3})["n"] == 6


def test_a_registered_name_wins_over_the_workflows_own(runner):
    workflow = cloaca.WorkflowBuilder("own").add_task(cloaca.task(id="only")(double)).build()
    cloaca.register_workflow_constructor("registered", lambda: workflow)
    result = runner.execute("registered")
    assert result.workflow_name == "registered"
    assert runner.get_execution(result.execution_id).workflow_name == "registered"


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (lambda: None, "None$"),
        (lambda: 7, "7$"),
        (lambda: double, "put @task above it"),
        (lambda: cloaca.task(double), "add the task to a WorkflowBuilder"),
        (lambda: cloaca.WorkflowBuilder("w"), r"call its build\(\)"),
    ],
)
def test_what_is_no_workflow_is_refused_with_what_to_do(runner, given, advice):
    with pytest.raises(TypeError, match=f"a workflow is a name or a built Workflow, not .*{advice}"):
        runner.execute(given())


def test_starting_a_runner_that_runs_changes_nothing_and_stopping_ends_it(make_runner):
    runner = make_runner()
    assert runner.start() is None
    assert runner.stop() is None
    assert runner.stop() is None
    assert not runner.is_running
    with pytest.raises(cloaca.RunnerError, match="create another one"):
        runner.start()


def test_a_constructor_that_raises_is_named(runner):
    cloaca.register_workflow_constructor("broken", lambda: 1 / 0)
    with pytest.raises(
        cloaca.WorkflowError, match="constructor of workflow 'broken' failed with ZeroDivisionError"
    ):
        runner.execute("broken")


def test_start_returns_before_the_end(runner):
    goes_on = threading.Event()
    workflow_of("waits", lambda context: goes_on.wait(SOON) and None, id="waits")
    handle = runner.start("waits")
    assert handle.status == "Running"
    assert runner.get_execution(handle.execution_id).status == "Running"
    goes_on.set()
    assert handle.result(SOON).status == "Completed"


def test_start_many_keeps_the_order_of_its_inputs(runner):
    handles = runner.start_many("double", ({"n": n} for n in range(30)))
    assert [handle.result(SOON)["n"] for handle in handles] == [n * 2 for n in range(30)]
    assert len({handle.execution_id for handle in handles}) == 30


def test_start_many_of_nothing_starts_nothing(runner):
    assert runner.start_many("double", []) == []
    assert runner.list_executions() == []


@pytest.mark.parametrize("given", [{"n": 1}, cloaca.Context({"n": 1})])
def test_start_many_of_one_input_instead_of_many_says_so(runner, given):
    with pytest.raises(TypeError, match=r"start_many takes a list of contexts.*\[context\]"):
        runner.start_many("double", given)


def test_start_many_beyond_the_window_runs_all_of_it(make_runner):
    runner = make_runner(window=4)
    handles = runner.start_many("double", [{"n": n} for n in range(20)])
    assert [handle.result(SOON)["n"] for handle in handles] == [n * 2 for n in range(20)]


def test_an_event_loop_starts_and_awaits(runner):
    async def main():
        assert (await runner.execute_async("double", {"n": 5}))["n"] == 10
        handle = await runner.start_async("triple", {"n": 5})
        assert isinstance(handle, cloaca.ExecutionHandle)
        result = await handle
        assert result["n"] == 15
        assert (await handle)["n"] == 15

    asyncio.run(main())


def test_an_event_loop_goes_on_while_it_awaits(runner):
    goes_on = threading.Event()
    workflow_of("waits", lambda context: goes_on.wait(SOON) and None, id="waits")

    async def main():
        waiting = asyncio.ensure_future(runner.execute_async("waits"))
        other = await runner.execute_async("double")
        assert not waiting.done()
        goes_on.set()
        return other.status, (await waiting).status

    assert asyncio.run(main()) == ("Completed", "Completed")


def test_many_executions_are_awaited_at_once(runner):
    async def main():
        return await asyncio.gather(*(runner.execute_async("triple", {"n": n}) for n in range(50)))

    assert [result["n"] for result in asyncio.run(main())] == [n * 3 for n in range(50)]


def test_two_event_loops_share_a_runner(runner):
    for n in (1, 2):
        assert asyncio.run(runner.execute_async("triple", {"n": n}))["n"] == n * 3


def test_an_await_that_is_cancelled_leaves_the_execution_running(runner):
    goes_on, began = threading.Event(), threading.Event()

    def waits(context):
        began.set()
        goes_on.wait(SOON)

    workflow_of("waits", waits)

    async def main():
        handle = await runner.start_async("waits")
        awaiting = asyncio.ensure_future(_awaited(handle))
        await asyncio.to_thread(began.wait, SOON)
        awaiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaiting
        goes_on.set()
        return await handle

    assert asyncio.run(main()).status == "Completed"


async def _awaited(handle):
    return await handle


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda runner: runner.execute("double"), r"execute\(\) would block .*: await execute_async"),
        (lambda runner: runner.start("double"), r"start\(\) would block .*: await start_async"),
        (lambda runner: runner.start_many("double", [{}]), r"start_many\(\) would block .*to_thread"),
    ],
)
def test_a_blocking_call_on_an_event_loop_names_the_other(runner, call, instead):
    async def main():
        with pytest.raises(cloaca.RunnerError, match=instead):
            call(runner)

    asyncio.run(main())
    assert runner.list_executions() == []


def test_waiting_for_a_result_on_an_event_loop_names_await(runner):
    goes_on = threading.Event()
    workflow_of("waits", lambda context: goes_on.wait(SOON) and None, id="waits")

    async def main():
        handle = await runner.start_async("waits")
        with pytest.raises(cloaca.RunnerError, match=r"result\(\) would block .*: await the handle"):
            handle.result()
        with pytest.raises(cloaca.RunnerError, match=r"wait\(\) would block .*: await the handle"):
            handle.wait()
        assert not handle.wait(0)
        goes_on.set()
        assert (await handle).status == "Completed"
        assert handle.result(0).status == "Completed"

    asyncio.run(main())


def test_a_blocking_call_on_the_engines_thread_is_refused(runner):
    """A user's code gets there through nothing but the answer to a start, so it is taken there by hand."""
    raised = []

    def answer(_):
        for call in (runner.execute, runner.start):
            try:
                call("double")
            except cloaca.RunnerError as error:
                raised.append(str(error))
        done.set()

    done = threading.Event()
    request = runner._request("double", [None], None)
    request.answer = answer
    runner._put(request)
    assert done.wait(SOON)
    assert len(raised) == 2
    assert all(
        "on the engine's own thread" in message and "call it on another" in message for message in raised
    )


@pytest.mark.parametrize("option", ["check", "idempotency_key"])
def test_options_are_given_by_name(runner, option):
    call = runner.execute if option == "check" else runner.start
    with pytest.raises(TypeError, match="positional"):
        call("double", {}, True)


def test_a_schema_for_sqlite_is_refused(tmp_path):
    with pytest.raises(cloaca.ConfigurationError, match="needs a PostgreSQL URL"):
        cloaca.DefaultRunner(f"sqlite:///{tmp_path}/app.db", schema="tenant")
    assert not list(tmp_path.iterdir())
