"""What a body, and whoever waits, learns when its execution is steered; runners and databases as users have them."""

import asyncio
import contextlib
import threading

import pytest

import cloaca
from tests.world import SOON

SYNC, ASYNC, DEFERRED, NESTED = "sync", "async", "deferred", "nested"


@pytest.fixture(params=["the runner that owns it", "a client", "a handle"])
def steer(request, runner, client):
    """Steering an execution by its handle, in each of the ways that there are."""
    if request.param == "a handle":
        return lambda verb, handle: getattr(handle, verb)()
    steering = client if request.param == "a client" else runner
    return lambda verb, handle: getattr(steering, verb)(handle.execution_id)


class Body:
    """A workflow of two tasks: the first tells when it runs, learns what happens to it, and may end."""

    def __init__(self):
        self.runs = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.told = []
        self.second = threading.Event()

    def wait_until(self, semaphore):
        assert semaphore.acquire(timeout=SOON)

    @contextlib.contextmanager
    def _watched(self):
        self.runs.release()
        try:
            yield
        except BaseException as error:
            self.told.append(type(error))
            raise
        finally:
            self.ended.release()

    def sync(self, context, handle):
        with self._watched():
            while not self.may_end.wait(0.01):
                handle.raise_if_cancelled()
            context["first"] = 1

    async def asynchronous(self, context):
        with self._watched():
            while not self.may_end.is_set():  # noqa: ASYNC110 - it is set by another thread
                await asyncio.sleep(0.01)
            context["first"] = 1

    def deferred(self, context, handle):
        with self._watched():
            handle.defer_until(self.may_end.is_set, poll_interval_ms=20)
            context["first"] = 1

    def workflow(self, kind):
        bodies = {SYNC: self.sync, ASYNC: self.asynchronous, DEFERRED: self.deferred}
        with cloaca.WorkflowBuilder("held"):
            first = cloaca.task(id="first")(bodies[kind])

            @cloaca.task(dependencies=[first])
            def second(context):
                self.second.set()
                context["second"] = 2


@pytest.fixture
def body(impatience):
    return Body()


@pytest.mark.parametrize(
    ("kind", "learns"),
    [
        (SYNC, cloaca.ExecutionCancelled),
        (ASYNC, asyncio.CancelledError),
        (DEFERRED, cloaca.ExecutionCancelled),
    ],
)
def test_a_body_learns_that_its_execution_was_cancelled_and_nothing_runs_after_it(
    body, runner, steer, kind, learns
):
    body.workflow(kind)
    handle = runner.start("held")
    body.wait_until(body.runs)
    steer("cancel", handle)
    assert handle.status == "Cancelled"
    body.wait_until(body.ended)
    assert body.told == [learns]
    result = handle.result(SOON)
    assert (result.status, result.error_message) == ("Cancelled", "it was cancelled")
    assert result.final_context.data == {}
    with pytest.raises(cloaca.WorkflowExecutionError, match="it was cancelled"):
        result.raise_for_status()
    assert not body.second.is_set()


@pytest.mark.parametrize("kind", [SYNC, ASYNC, DEFERRED])
def test_what_a_body_leaves_while_its_execution_is_paused_is_kept(body, runner, steer, kind):
    body.workflow(kind)
    handle = runner.start("held")
    body.wait_until(body.runs)
    steer("pause", handle)
    assert handle.status == "Paused"
    body.may_end.set()
    body.wait_until(body.ended)
    assert body.told == []
    steer("resume", handle)
    result = handle.result(SOON)
    assert (result.status, result.final_context.data) == ("Completed", {"first": 1, "second": 2})
    assert len(result.tasks["first"].attempts) == 1


def test_one_that_waits_in_execute_is_told_of_a_cancel(body, runner, steer):
    body.workflow(SYNC)
    ended = []
    caller = threading.Thread(target=lambda: ended.append(runner.execute("held")))
    caller.start()
    body.wait_until(body.runs)
    [summary] = runner.list_executions()
    steer("cancel", runner.get_handle(summary.execution_id))
    caller.join(SOON)
    assert [result.status for result in ended] == ["Cancelled"]
    body.wait_until(body.ended)


def test_a_body_that_waits_for_a_nested_execution_is_told_and_the_nested_one_goes_on(body, runner, steer):
    body.workflow(SYNC)
    told, ended = [], threading.Event()

    with cloaca.WorkflowBuilder("outer"):

        @cloaca.task
        def outer(context):
            try:
                runner.execute("held")
            except BaseException as error:
                told.append(type(error))
                raise
            finally:
                ended.set()

    handle = runner.start("outer")
    body.wait_until(body.runs)
    steer("cancel", handle)
    assert ended.wait(SOON)
    assert told == [cloaca.ExecutionCancelled]
    [inner] = runner.list_executions(workflow_name="held")
    assert inner.status == "Running"
    body.may_end.set()
    assert runner.get_handle(inner.execution_id).result(SOON).status == "Completed"


def test_tasks_that_wait_for_a_slot_do_not_start_once_it_is_paused(make_runner, impatience):
    runner = make_runner(max_concurrent_tasks=1)
    runs, may_end = [], threading.Semaphore(0)
    began = threading.Semaphore(0)

    def body(context, handle):
        runs.append(handle._job.task.id)
        began.release()
        may_end.acquire(timeout=SOON)

    with cloaca.WorkflowBuilder("wide"):
        for n in range(5):
            cloaca.task(id=f"t{n}")(body)
    handle = runner.start("wide")
    assert began.acquire(timeout=SOON)
    handle.pause()
    may_end.release()
    while runner._engine.core.live:
        threading.Event().wait(0.01)
    assert len(runs) == 1
    for _ in range(4):
        may_end.release()
    handle.resume()
    assert handle.result(SOON).status == "Completed"
    assert sorted(runs) == [f"t{n}" for n in range(5)]


def test_what_is_paused_takes_no_memory_and_outlives_its_runner(body, make_runner):
    runner = make_runner()
    body.workflow(SYNC)
    handle = runner.start("held")
    body.wait_until(body.runs)
    handle.pause()
    body.may_end.set()
    body.wait_until(body.ended)
    runner.shutdown()
    another = make_runner()
    again = another.get_handle(handle.execution_id)
    assert again.status == "Paused"
    again.resume()
    result = again.result(SOON)
    assert result.final_context.data == {"first": 1, "second": 2}
    assert len(result.tasks["first"].attempts) == 1


def test_a_slot_is_free_again_once_a_cancelled_body_has_ended(body, make_runner):
    runner = make_runner(max_concurrent_tasks=1)
    body.workflow(SYNC)
    handle = runner.start("held")
    body.wait_until(body.runs)
    handle.cancel()
    body.may_end.set()
    assert runner.execute("held").status == "Completed"


def test_a_paused_execution_ends_a_wait_with_a_limit_and_no_other(body, runner):
    body.workflow(SYNC)
    handle = runner.start("held")
    body.wait_until(body.runs)
    handle.pause()
    assert not handle.wait(0.05)
    handle.resume()
    body.may_end.set()
    assert handle.wait(SOON)


async def _cancelled_on_a_loop(runner, handle):
    with pytest.raises(
        cloaca.RunnerError, match=r"would block the event loop of this thread: await asyncio\.to_thread"
    ):
        handle.cancel()
    await asyncio.to_thread(handle.cancel)
    return await handle


def test_an_event_loop_steers_in_a_thread_and_awaits_the_end(body, runner):
    body.workflow(ASYNC)
    handle = runner.start("held")
    body.wait_until(body.runs)
    assert asyncio.run(_cancelled_on_a_loop(runner, handle)).status == "Cancelled"


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "delete"])
@pytest.mark.parametrize(
    "id", ["", "no such", "\ud800", "x" * 70_000, "'; drop table cloaca_executions; --", None, 5]
)
def test_what_is_no_id_of_an_execution_is_not_found(runner, client, verb, id):
    for steering in (runner, client):
        with pytest.raises(
            cloaca.ExecutionNotFoundError, match="check the id, and that this is its database"
        ):
            getattr(steering, verb)(id)


def test_nobody_steers_by_a_runner_that_was_shut_down(runner):
    with cloaca.WorkflowBuilder("quick"):

        @cloaca.task
        def quick(context): ...

    handle = runner.start("quick")
    handle.wait(SOON)
    runner.shutdown()
    for verb in ("cancel", "pause", "resume", "retry", "delete"):
        with pytest.raises(cloaca.RunnerError, match="was shut down"):
            getattr(runner, verb)(handle.execution_id)
    with pytest.raises(cloaca.RunnerError, match="was shut down"):
        handle.fork("quick")
