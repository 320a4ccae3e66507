"""What the next runner on a database does with what a dead one has left."""

import logging
import threading

import pytest

import cloaca
from tests.world import SOON, run, spawn, workflow_of

DIES = """
import os, sys, threading
import cloaca

is_told = threading.Event()

def tell(what):
    os.write(1, f"{what}\\n".encode())

with cloaca.WorkflowBuilder("chain"):
    @cloaca.task
    def first(context):
        context["first"] = os.getpid()

    @cloaca.task(dependencies=[first])
    def second(context):
        tell(context["first"])
        if "waits" in sys.argv:
            sys.stdin.read()
        is_told.wait(20)
        os._exit(9)

handle = cloaca.DefaultRunner(sys.argv[1]).start("chain", idempotency_key="k")
tell(handle.execution_id)
is_told.set()
handle.result()
"""


@pytest.fixture
def left(database_url):
    """An execution whose process died in its second task: its id, and what its first task left."""
    out, _ = run(DIES, database_url, status=9)
    return sorted(out.split(), key=len)[::-1]


def build_chain(runs=None):
    runs = [] if runs is None else runs
    with cloaca.WorkflowBuilder("chain") as builder:

        @cloaca.task
        def first(context):
            runs.append("first")

        @cloaca.task(dependencies=[first])
        def second(context, handle):
            runs.append(("second", handle.attempt))
            context["second"] = True

    return builder.build()


def build_other_structure():
    with cloaca.WorkflowBuilder("chain"):
        cloaca.task(id="first")(lambda context: None)


@pytest.mark.parametrize("order", ["before", "after"])
def test_what_a_dead_runner_left_goes_on_when_its_workflow_is_registered(make_runner, left, order):
    runs = []
    if order == "before":
        build_chain(runs)
    runner = make_runner()
    if order == "after":
        assert runner.execute(workflow_of("other", lambda context: None, id="other")).status == "Completed"
        build_chain(runs)
    result = runner.get_handle(left[0]).result(SOON)
    assert (result.status, result.final_context.data) == (
        "Completed",
        {"first": int(left[1]), "second": True},
    )
    assert runs == [("second", 1)]


def test_a_constructor_registered_before_is_called_for_what_waits(make_runner, left):
    cloaca.register_workflow_constructor("chain", build_chain)
    assert make_runner().get_handle(left[0]).result(SOON).status == "Completed"


def test_the_takeover_is_in_the_log(make_runner, left, caplog):
    build_chain()
    with caplog.at_level(logging.WARNING, logger="cloaca"):
        make_runner().get_handle(left[0]).result(SOON)
    assert any("is dead: taking over" in record.getMessage() for record in caplog.records)


def test_the_key_of_the_dead_finds_the_execution(make_runner, left):
    build_chain()
    handle = make_runner().start("chain", idempotency_key="k")
    assert handle.execution_id == left[0]
    assert handle.result(SOON)["second"]


def test_a_runner_that_is_told_not_to_leaves_the_dead_alone(make_runner, left):
    build_chain()
    runner = make_runner(enable_recovery=False)
    assert runner.execute("chain").status == "Completed"
    assert runner.get_execution(left[0]).status == "Running"
    assert make_runner().get_handle(left[0]).result(SOON).status == "Completed"


def test_an_execution_that_waits_for_its_code_says_so_in_its_record_and_the_log(make_runner, left, caplog):
    caplog.set_level(logging.WARNING, logger="cloaca")
    runner = make_runner()
    until_logged(runner, caplog, "executions of workflow 'chain' wait: it is not registered in this process")
    record = runner.get_execution(left[0])
    assert (record.status, record.waiting_for) == (
        "Running",
        "workflow 'chain' is not registered in this process: import its module",
    )
    build_chain()
    assert runner.get_handle(left[0]).result(SOON).status == "Completed"
    assert runner.get_execution(left[0]).waiting_for is None


def test_an_execution_whose_structure_changed_waits_and_says_so(make_runner, left, caplog):
    caplog.set_level(logging.WARNING, logger="cloaca")
    build_other_structure()
    runner = make_runner()
    until_logged(
        runner,
        caplog,
        "were started with different tasks, dependencies or rules than those of the registered workflow",
    )
    record = runner.get_execution(left[0])
    assert (record.status, record.finished_at) == ("Running", None)
    assert record.waiting_for == (
        "workflow 'chain' has different tasks, dependencies or rules here than when it was started: "
        "run it with the code that started it"
    )
    build_chain()
    assert runner.get_handle(left[0]).result(SOON).status == "Completed"


def until_logged(runner, caplog, message):
    """Wait until the engine has logged something, without a clock: each execution makes it look again."""
    workflow_of("look", lambda context: None, id="look")
    for _ in range(2000):
        if any(message in record.getMessage() for record in caplog.records):
            return
        runner.execute("look")
    raise AssertionError(f"never logged: {message}")


def test_a_changed_structure_does_not_keep_a_key_from_its_execution(make_runner, left):
    build_other_structure()
    handle = make_runner().start("chain", idempotency_key="k")
    assert handle.execution_id == left[0]
    with pytest.raises(cloaca.WorkflowTimeoutError, match=r"has not ended after 0\.01 s"):
        handle.result(timeout=0.01)


def test_a_workflow_whose_constructor_fails_waits_and_the_runner_goes_on(make_runner, left, caplog):
    caplog.set_level(logging.WARNING, logger="cloaca")
    broken = [True]

    def constructor():
        if broken:
            raise ImportError("no module named 'pandas'")
        return build_chain()

    cloaca.register_workflow_constructor("chain", constructor)
    runner = make_runner()
    until_logged(runner, caplog, "the registered workflow 'chain' cannot be built: its executions wait")
    waiting_for = runner.get_execution(left[0]).waiting_for
    assert waiting_for == (
        "workflow 'chain' cannot be built here, the constructor of workflow 'chain' failed with ImportError: "
        "no module named 'pandas': fix its constructor and register it again"
    )
    broken.clear()
    cloaca.register_workflow_constructor("chain", constructor)
    assert runner.get_handle(left[0]).result(SOON).status == "Completed"


def test_a_second_live_runner_takes_nothing_that_is_alive(make_runner, database_url):
    build_chain(runs := [])
    with spawn(DIES, database_url, "waits") as process:
        execution_id = sorted(
            [process.stdout.readline().strip(), process.stdout.readline().strip()], key=len
        )[1]
        runner = make_runner()
        for _ in range(3):
            assert runner.execute("chain").status == "Completed"
        assert runner.get_execution(execution_id).status == "Running"
        assert runs == ["first", ("second", 1)] * 3
        process.stdin.close()
        assert process.wait(SOON) == 9
        # Dead now, and taken over by the runner that lives.
        assert runner.get_handle(execution_id).result(SOON).status == "Completed"
    assert runs[-1] == ("second", 1)


def test_two_live_runners_in_one_process_run_each_body_once(make_runner):
    runs, lock = [], threading.Lock()

    def body(context, *, n: int):
        with lock:
            runs.append(n)

    workflow_of("count", body)
    one, two = make_runner(), make_runner()
    handles = [runner.start("count", {"n": n}) for n in range(40) for runner in (one, two)]
    for handle in handles:
        assert handle.result(SOON).status == "Completed"
    assert sorted(runs) == sorted([*range(40), *range(40)])


def test_what_a_runner_hands_over_is_taken_by_one_that_lives(make_runner):
    inside, goes_on = threading.Event(), threading.Event()

    def body(context, handle):
        inside.set()
        goes_on.wait(SOON)
        context["attempt"] = handle.attempt

    workflow_of("slow", body)
    one, two = make_runner(), make_runner()
    handle = one.start("slow")
    assert inside.wait(SOON)
    one.shutdown(timeout=0)
    goes_on.set()
    assert two.get_handle(handle.execution_id).result(SOON)["attempt"] == 1


def test_a_fixed_body_is_what_goes_on(make_runner):
    """Only the structure must be the same: a body may change between one run and the next."""
    inside = threading.Event()
    goes_on = threading.Event()

    def before(context):
        inside.set()
        goes_on.wait(SOON)
        raise ValueError("the bug")

    workflow_of("fixed", before, id="task")
    one = make_runner()
    handle = one.start("fixed")
    assert inside.wait(SOON)
    one.shutdown(timeout=0)
    workflow_of("fixed", lambda context: context.set("fixed", True), id="task", retry_attempts=2)
    result = make_runner().get_handle(handle.execution_id).result(SOON)
    goes_on.set()
    assert result["fixed"]
