"""What becomes of executions that were started under another version of their workflow."""

import logging
import threading

import pytest

import cloaca
from tests.anywhere import impatience  # noqa: F401 - a fixture
from tests.runner.test_recovery import DIES, until_logged
from tests.world import SOON, run, workflow_of


def chain(version, runs):
    """The workflow ``chain`` in one of its versions: the same tasks and dependencies, another description."""
    with cloaca.WorkflowBuilder("chain") as builder:
        builder.description(f"version {version}")

        @cloaca.task
        def first(context):
            runs.append((version, "first"))

        @cloaca.task(dependencies=[first])
        def second(context):
            runs.append((version, "second"))

    return builder.build()


def left_by(make_runner, workflow):
    """An execution that is stored and that nobody runs: it was started beyond the window of a runner that ended."""
    runner, may_end = make_runner(window=1), threading.Event()

    @cloaca.task
    def held(context):
        may_end.wait(SOON)

    runner.start(cloaca.WorkflowBuilder("held").add_task(held).build())
    handle = runner.start(workflow)
    runner.shutdown(timeout=0)
    may_end.set()
    return handle.execution_id


def test_told_to_wait_a_runner_leaves_what_a_dead_one_began_under_another_version(
    make_runner, database_url, caplog
):
    caplog.set_level(logging.WARNING, logger="cloaca")
    out, _ = run(DIES, database_url, status=9)
    execution_id = max(out.split(), key=len)
    new = chain(2, runs := [])
    runner = make_runner(on_version_change="wait")
    until_logged(
        runner,
        caplog,
        f"were started with a version other than the registered one, {new.version}, and on_version_change is 'wait'",
    )
    record = runner.get_execution(execution_id)
    assert record.finished_at is None
    assert record.waiting_for == (
        f"version {record.workflow_version} of workflow 'chain'; version {new.version} is registered here: run it "
        "with the code that started it, or with on_version_change='continue'"
    )
    assert runner.execute("chain").status == "Completed"
    assert runs == [(2, "first"), (2, "second")]
    runner.shutdown()
    assert make_runner().get_handle(execution_id).result(SOON).status == "Completed"
    assert runs[2:] == [(2, "second")]


@pytest.mark.usefixtures("impatience")
def test_it_goes_on_where_its_version_is_registered_again(make_runner):
    old = chain(1, runs := [])
    execution_id = left_by(make_runner, old)
    chain(2, runs)
    runner = make_runner(on_version_change="wait")
    assert runner.execute("chain").status == "Completed"
    assert runner.get_execution(execution_id).status == "Pending"
    cloaca.register_workflow_constructor("chain", lambda: old)
    assert runner.get_handle(execution_id).result(SOON).status == "Completed"
    assert runs == [(2, "first"), (2, "second"), (1, "first"), (1, "second")]


@pytest.mark.usefixtures("impatience")
def test_the_runner_beside_it_that_has_the_version_takes_it(make_runner):
    old = chain(1, runs := [])
    execution_id = left_by(make_runner, old)
    has_it = make_runner(on_version_change="wait")
    assert has_it.get_handle(execution_id).result(SOON).status == "Completed"
    assert runs == [(1, "first"), (1, "second")]


def test_what_runs_goes_on_with_its_version_when_another_is_registered_meanwhile(make_runner):
    runs = []
    runner = make_runner(on_version_change="wait")
    with cloaca.WorkflowBuilder("chain"):

        @cloaca.task
        def first(context):
            chain(2, runs)
            assert runner.start("chain").result(SOON).status == "Completed"

        @cloaca.task(dependencies=[first])
        def second(context):
            runs.append((1, "second"))

    assert runner.execute("chain", check=True).status == "Completed"
    assert runs == [(2, "first"), (2, "second"), (1, "second")]


@pytest.mark.usefixtures("impatience")
def test_an_execution_of_a_client_has_no_version_until_it_is_claimed(make_runner, database_url):
    new = chain(2, runs := [])
    with cloaca.Client(database_url) as client:
        handle = client.start("chain")
    runner = make_runner(on_version_change="wait")
    assert runner.get_handle(handle.execution_id).result(SOON).status == "Completed"
    assert runner.get_execution(handle.execution_id).workflow_version == new.version
    assert len(runs) == 2


@pytest.mark.usefixtures("impatience")
def test_many_of_another_version_hold_up_none_of_this_one(make_runner):
    old = chain(1, runs := [])
    starts = make_runner(window=1, on_version_change="wait")
    strays = starts.start_many(old, [{}] * 30)
    starts.shutdown(timeout=0)
    runs.clear()
    chain(2, runs)
    runner = make_runner(on_version_change="wait", window=1)
    for handle in runner.start_many("chain", [{}] * 3):
        assert runner.get_handle(handle.execution_id).result(SOON).status == "Completed"
    assert runs.count((2, "second")) == 3
    assert (1, "second") not in runs
    assert runner.get_execution(strays[-1].execution_id).waiting_for.startswith(f"version {old.version} of")
    workflow_of("other", lambda context: None, id="other")
    assert runner.execute("other").status == "Completed"
