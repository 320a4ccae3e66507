import os
import threading

import pytest

import cloaca
from tests.world import SOON, run, workflow_of


def hello(context):
    context["said"] = "hello"


def test_shutdown_may_be_called_again_and_from_many_threads(make_runner):
    runner = make_runner()
    threads = [threading.Thread(target=runner.shutdown) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runner.shutdown()
    assert not runner.is_running
    with pytest.raises(cloaca.RunnerError, match="the runner was shut down"):
        runner.execute("hello")


def test_a_database_in_memory_is_said_to_be_gone_after_its_runner_and_results_stay():
    workflow_of("hello", hello)
    with cloaca.DefaultRunner(":memory:") as runner:
        handle = runner.start("hello")
        handle.result()
    assert handle.result().status == handle.status == "Completed"
    for read in (runner.list_executions, runner.list_cron_schedules, runner.list_trigger_schedules):
        with pytest.raises(cloaca.DatabaseError, match="is gone, its runner was shut down: use a file"):
            read()


def test_shutdown_has_ended_when_any_call_of_it_returns(make_runner):
    """The second caller does not go on while the first still hands over."""
    inside, goes_on, second_returned = threading.Event(), threading.Event(), threading.Event()

    def body(context):
        inside.set()
        goes_on.wait(SOON)

    workflow_of("slow", body)
    runner = make_runner()
    handle = runner.start("slow")
    assert inside.wait(SOON)
    first = threading.Thread(target=runner.shutdown)
    first.start()
    while not runner._closed:
        threading.Event().wait(0.001)
    second = threading.Thread(target=lambda: (runner.shutdown(), second_returned.set()))
    second.start()
    assert not second_returned.wait(0.05)
    goes_on.set()
    first.join(SOON)
    second.join(SOON)
    assert second_returned.is_set()
    assert handle.status == "Completed"


def test_shutdown_waits_for_bodies_that_run(make_runner):
    inside, goes_on = threading.Event(), threading.Event()

    def body(context):
        inside.set()
        goes_on.wait(SOON)
        context["whole"] = True

    workflow_of("slow", body)
    runner = make_runner()
    handle = runner.start("slow")
    assert inside.wait(SOON)
    ending = threading.Thread(target=runner.shutdown)
    ending.start()
    goes_on.set()
    ending.join(SOON)
    assert handle.result(SOON)["whole"]


def test_shutdown_starts_no_more_bodies(make_runner):
    inside, goes_on, runs = threading.Event(), threading.Event(), []
    with cloaca.WorkflowBuilder("chain"):

        @cloaca.task
        def first(context):
            inside.set()
            goes_on.wait(SOON)

        @cloaca.task(dependencies=[first])
        def second(context):
            runs.append(1)

    runner = make_runner()
    handle = runner.start("chain")
    assert inside.wait(SOON)
    ending = threading.Thread(target=runner.shutdown)
    ending.start()
    while not runner._engine.core.stopping:
        threading.Event().wait(0.001)
    goes_on.set()
    ending.join(SOON)
    assert runs == []
    record = runner.get_execution(handle.execution_id)
    assert [task.status for task in record.tasks.values()] == ["Completed", "Ready"]
    assert make_runner().get_handle(handle.execution_id).result(SOON).status == "Completed"


@pytest.mark.parametrize("timeout", [-1, "soon", float("nan")])
def test_a_timeout_that_is_none_is_refused_and_nothing_is_shut_down(runner, timeout):
    workflow_of("hello", hello)
    with pytest.raises(cloaca.ConfigurationError, match="must be a number of seconds from 0"):
        runner.shutdown(timeout)
    assert runner.execute("hello")["said"] == "hello"


def test_every_use_after_shutdown_says_what_to_do(make_runner):
    workflow_of("hello", hello)
    runner = make_runner()
    runner.shutdown()
    for call in (lambda: runner.execute("hello"), lambda: runner.start("hello")):
        with pytest.raises(cloaca.RunnerError, match="was shut down: create another one"):
            call()
    with pytest.raises(cloaca.RunnerError, match="was shut down: create another one"):
        runner.start_many("hello", [None])


def test_threads_of_a_runner_end_with_it(make_runner):
    before = set(threading.enumerate())

    async def body(context): ...

    workflow_of("both", hello, body)
    runner = make_runner()
    runner.execute("both")
    runner.shutdown()
    for thread in set(threading.enumerate()) - before:
        thread.join(SOON)
        assert not thread.is_alive(), thread


def test_a_shutdown_from_a_body_is_refused_as_it_would_wait_for_itself(runner):
    workflow_of("ends", lambda context: runner.shutdown(), id="ends")
    workflow_of("hello", hello)
    assert runner.execute("ends").error_message == (
        "task 'ends' failed: RunnerError: shutdown() was called in a body of this runner, "
        "which would wait for itself: call it outside"
    )
    assert runner.execute("hello")["said"] == "hello"


def test_a_forgotten_runner_is_shut_down_at_the_end_of_the_interpreter(database_url):
    script = """
import sys
import cloaca
with cloaca.WorkflowBuilder("slow"):
    @cloaca.task
    def slow(context):
        inside.set()
        goes_on.wait(20)
        print("whole", flush=True)

import threading
inside, goes_on = threading.Event(), threading.Event()
runner = cloaca.DefaultRunner(sys.argv[1])
handle = runner.start("slow")
inside.wait(20)
threading.Thread(target=lambda: (threading.main_thread().join(), goes_on.set())).start()
"""
    out, err = run(script, database_url)
    assert (out, err) == ("whole\n", "")
    assert os.listdir() == [] or os.listdir("app.db-locks") == ["gate"]
    with cloaca.DefaultRunner(database_url) as runner:
        assert runner.list_executions()[0].status == "Completed"


def test_the_end_of_the_interpreter_does_not_wait_for_ever(database_url):
    script = """
import sys
import threading
import cloaca
with cloaca.WorkflowBuilder("hangs"):
    @cloaca.task
    def hangs(context):
        inside.set()
        threading.Event().wait()

inside = threading.Event()
runner = cloaca.DefaultRunner(sys.argv[1], cloaca.DefaultRunnerConfig(shutdown_timeout_seconds=0.1))
runner.start("hangs")
inside.wait(20)
"""
    run(script, database_url)


def test_a_thread_that_outlives_the_main_one_can_still_execute(database_url):
    script = """
import sys
import threading
import cloaca
with cloaca.WorkflowBuilder("hello"):
    @cloaca.task
    def hello(context): ...

runner = cloaca.DefaultRunner(sys.argv[1])

def late():
    threading.main_thread().join()
    print(runner.execute("hello").status)

threading.Thread(target=late).start()
"""
    out, err = run(script, database_url)
    assert out == "Completed\n"
    assert err == ""


FORKS = """
import os, sys
import cloaca

with cloaca.WorkflowBuilder("hello"):
    @cloaca.task
    def hello(context):
        context["said"] = "hello"

runner = cloaca.DefaultRunner(sys.argv[1])
handle = runner.start("hello")
handle.result()
sys.stdout.flush()
if not (child := os.fork()):
    for use in (
        lambda: runner.execute("hello"), lambda: runner.start("hello"), lambda: runner.start_many("hello", [None]),
        lambda: runner.get_execution(handle.execution_id), lambda: runner.list_executions(),
        lambda: runner.get_handle(handle.execution_id), lambda: handle.result(), lambda: handle.wait(),
        lambda: handle.status,
    ):
        try:
            use()
        except cloaca.RunnerError as error:
            print(error, flush=True)
    runner.shutdown()
    with cloaca.DefaultRunner(sys.argv[1]) as own:
        print(own.execute("hello")["said"], flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print(runner.execute("hello")["said"])
print(len(runner.list_executions()))
runner.shutdown()
"""


def test_every_use_in_a_forked_child_is_refused_and_a_runner_made_there_works(database_url):
    check_forks(database_url, executions=3)


def test_every_use_of_a_runner_in_memory_is_refused_in_a_forked_child_too():
    check_forks("sqlite:///:memory:", executions=2)


def check_forks(url, *, executions):
    out, _ = run(FORKS, url)
    *refused, child, parent, count = out.splitlines()
    assert len(refused) == 9
    for line in refused:
        assert "of which this one was forked: make a runner here" in line
    assert (child, parent, count) == ("hello", "hello", str(executions))
