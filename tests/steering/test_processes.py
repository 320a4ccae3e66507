"""Steering what another process runs, and by a process that ends at once."""

import json
import subprocess
import sys

import pytest

import cloaca
from tests.store.steps import until
from tests.world import SOON, environment, spawn

WORKER = """
import sys, threading
import cloaca
told = []
with cloaca.WorkflowBuilder("held"):
    @cloaca.task
    def first(context, handle):
        print("runs", flush=True)
        try:
            handle.defer_until(lambda: context.get("go") or (go.is_set()), poll_interval_ms=10)
        except BaseException as error:
            print(type(error).__name__, flush=True)
            raise
        context["first"] = 1
    @cloaca.task(dependencies=[first])
    def second(context):
        print("second", flush=True)
go = threading.Event()
runner = cloaca.DefaultRunner(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    go.set()
runner.shutdown()
"""

STEER = """
import sys, cloaca
with cloaca.Client(sys.argv[1]) as client:
    getattr(client, sys.argv[2])(sys.argv[3])
    print(client.get_handle(sys.argv[3]).status.value)
"""


@pytest.fixture
def worker(database_url):
    process = spawn(WORKER, database_url)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.stdin.close()
    process.wait(timeout=SOON)
    process.stdout.close()
    assert process.returncode == 0, process.stderr.read()
    process.stderr.close()


def steer(url, verb, execution):
    """In a process of its own."""
    command = [sys.executable, "-c", STEER, url, verb, execution]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=SOON, check=False
    )
    assert not done.stderr
    return done.stdout.strip()


def test_a_body_in_another_process_is_told_of_a_cancel(worker, client, database_url):
    handle = client.start("held")
    assert worker.stdout.readline() == "runs\n"
    assert steer(database_url, "cancel", handle.execution_id) == "Cancelled"
    assert worker.stdout.readline() == "ExecutionCancelled\n"
    assert handle.result(SOON).status == "Cancelled"


def test_a_body_in_another_process_is_told_of_a_cancel_although_the_execution_is_deleted_at_once(
    worker, client
):
    handle = client.start("held")
    assert worker.stdout.readline() == "runs\n"
    # From then on its runner has nothing to write until the body ends.
    until(
        lambda: (
            "Running" in [task.status for task in client.get_execution(handle.execution_id).tasks.values()]
        ),
        "it is noted",
    )
    handle.cancel()
    handle.delete()
    assert worker.stdout.readline() == "ExecutionCancelled\n"


def test_another_process_keeps_what_it_ran_during_a_pause_and_goes_on_afterwards(
    worker, client, database_url
):
    handle = client.start("held")
    assert worker.stdout.readline() == "runs\n"
    assert steer(database_url, "pause", handle.execution_id) == "Paused"
    worker.stdin.write("go\n")
    worker.stdin.flush()
    steer(database_url, "resume", handle.execution_id)
    assert worker.stdout.readline() == "second\n"
    result = handle.result(SOON)
    assert (result.status, len(result.tasks["first"].attempts)) == ("Completed", 1)


def test_a_retry_from_a_process_that_has_ended_is_run_by_one_that_lives(worker, client, database_url):
    handle = client.start("held")
    assert worker.stdout.readline() == "runs\n"
    steer(database_url, "cancel", handle.execution_id)
    assert worker.stdout.readline() == "ExecutionCancelled\n"
    worker.stdin.write("go\n")
    worker.stdin.flush()
    steer(database_url, "retry", handle.execution_id)
    assert handle.result(SOON).status == "Completed"


def test_whoever_waits_in_another_process_is_told_of_a_cancel(worker, client, database_url):
    handle = client.start("held")
    assert worker.stdout.readline() == "runs\n"
    with cloaca.Client(database_url) as other:
        waiting = spawn(
            "import sys, cloaca\n"
            "with cloaca.Client(sys.argv[1]) as client:\n"
            "    print('waits', flush=True)\n"
            "    print(client.get_handle(sys.argv[2]).result(20).status.value, flush=True)",
            database_url,
            handle.execution_id,
        )
        assert waiting.stdout.readline() == "waits\n"
        other.cancel(handle.execution_id)
        out, err = waiting.communicate(timeout=SOON)
    assert (json.dumps(out), err) == (json.dumps("Cancelled\n"), "")
    assert worker.stdout.readline() == "ExecutionCancelled\n"
