"""Several processes on one SQLite file: each body once, nothing lost, whoever is killed."""

import os
import signal
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest

import cloaca
from tests.world import SOON, run, spawn

WORKER = """
import os, sys, threading
import cloaca

name, count = sys.argv[1], int(sys.argv[2])

def note(task, context):
    line = f"{context['n']} {task} {name}\\n".encode()
    file = os.open("journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)

with cloaca.WorkflowBuilder("chain"):
    @cloaca.task
    def one(context):
        note("one", context)

    @cloaca.task(dependencies=[one])
    def two(context):
        note("two", context)
        if name == "doomed" and context["n"].endswith("-3"):
            print("inside", flush=True)
            threading.Event().wait()

runner = cloaca.DefaultRunner("sqlite:///app.db")
print("ready", flush=True)
sys.stdin.readline()
handles = runner.start_many("chain", [{"n": f"{name}-{n}"} for n in range(count)])
print("started", flush=True)
for handle in handles:
    assert handle.result(60).status == "Completed"
print("done", flush=True)
sys.stdin.readline()
runner.shutdown()
"""


def say(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def heard(process):
    line = process.stdout.readline().strip()
    assert line, process.stderr.read()
    return line


def bodies():
    return [line.rsplit(" ", 1)[0] for line in Path("journal").read_text().splitlines()]


def await_all_but(number):
    """A body that has returned runs again if its process dies before that is committed."""
    with cloaca.Client("sqlite:///app.db") as client:
        for summary in client.list_executions():
            if client.get_execution(summary.execution_id).context["n"] != number:
                client.get_handle(summary.execution_id).result(SOON)


def chain():
    with cloaca.WorkflowBuilder("chain"):
        one = cloaca.task(id="one")(lambda context: None)
        cloaca.task(id="two", dependencies=[one])(lambda context: context.set("resumed", True))


def assert_whole(count):
    """The file passes its check, and every execution in it has completed both tasks."""
    db = sqlite3.connect("app.db")
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    assert db.execute("select status, count(*) from cloaca_executions group by 1").fetchall() == [
        ("Completed", count)
    ]
    assert db.execute("select count(*) from cloaca_attempts where status = 'Completed'").fetchone() == (
        2 * count,
    )
    db.close()


def test_four_processes_that_start_at_once_run_each_body_once():
    with ExitStack() as stack:
        workers = [stack.enter_context(spawn(WORKER, name, 25)) for name in "abcd"]
        assert [heard(worker) for worker in workers] == ["ready"] * 4
        for worker in workers:
            say(worker)
        for worker in workers:
            assert [heard(worker), heard(worker)] == ["started", "done"]
        for worker in workers:
            say(worker)
            assert worker.wait(SOON) == 0
    assert sorted(bodies()) == sorted(
        f"{name}-{n} {task}" for name in "abcd" for n in range(25) for task in ("one", "two")
    )
    assert_whole(100)


def test_what_a_killed_process_left_is_finished_by_the_other_while_it_works_on():
    with spawn(WORKER, "doomed", 8) as doomed, spawn(WORKER, "other", 8) as other:
        assert heard(doomed) == heard(other) == "ready"
        say(doomed)
        assert [heard(doomed), heard(doomed)] == ["started", "inside"]
        say(other)
        assert [heard(other), heard(other)] == ["started", "done"]
        await_all_but("doomed-3")
        os.kill(doomed.pid, signal.SIGKILL)
        doomed.wait(SOON)
        with cloaca.DefaultRunner("sqlite:///app.db") as reader:
            summaries = reader.list_executions()
            assert len(summaries) == 16
            for summary in summaries:
                assert reader.get_handle(summary.execution_id).result(SOON).status == "Completed"
        say(other)
        assert other.wait(SOON) == 0
    counted = {body: bodies().count(body) for body in bodies()}
    assert {body for body, count in counted.items() if count > 1} <= {"doomed-3 two"}
    assert len(counted) == 32
    assert_whole(16)


def test_one_that_may_only_read_reads_while_another_writes_and_is_told_it_cannot_run(runner):
    chain()
    runner.start("chain").result(SOON)
    script = """
import sqlite3
import cloaca
db = sqlite3.connect("file:app.db?mode=ro", uri=True)
print(*db.execute("select status from cloaca_executions").fetchone())
try:
    cloaca.DefaultRunner("sqlite:///app.db?mode=ro")
except cloaca.DatabaseError as error:
    print(error)
"""
    read, refused = run(script)[0].splitlines()
    assert read == "Completed"
    assert refused.endswith("app.db cannot be written: drop mode=ro from its URL, for a runner writes")
    assert runner.start("chain").result(SOON)["resumed"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_processes_that_are_ended_while_they_wait_keep_nobody_from_the_file(stop):
    chain()
    with ExitStack() as stack:
        workers = [stack.enter_context(spawn(WORKER, name, 1)) for name in "abc"]
        assert [heard(worker) for worker in workers] == ["ready"] * 3
        for worker in workers:
            worker.send_signal(stop)
        for worker in workers:
            worker.wait(SOON)
    with cloaca.DefaultRunner("sqlite:///app.db") as runner:
        assert runner.start("chain").result(SOON)["resumed"]
    assert_whole(1)


def test_a_runner_of_which_another_process_was_forked_is_refused_there_and_works_here(runner):
    chain()
    runner.start("chain").result(SOON)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        said = []
        for call in (
            lambda: runner.start("chain"),
            lambda: runner.execute("chain"),
            lambda: runner.start_many("chain", [{}]),
            lambda: runner.get_execution("x"),
            runner.list_executions,
            lambda: runner.get_handle("x"),
        ):
            try:
                call()
            except cloaca.RunnerError as error:
                said.append("make a runner here" in str(error))
            except BaseException as error:
                said.append(type(error).__name__)
        os.write(write, repr(said).encode())
        os._exit(0)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 1000).decode() == repr([True] * 6)
    os.close(read)
    assert runner.start("chain").result(SOON)["resumed"]
