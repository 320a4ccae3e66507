"""Bodies that end in no ordinary way: the task fails, recorded by type, and the runner lives."""

import asyncio
import sys
import threading

import pytest

import cloaca
from tests.world import SOON, run, spawn, workflow_of


class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


class Quitter(Exception):
    def __str__(self):  # noqa: PLE0307 - that is its fault
        sys.exit("in str")


class Liar(Exception):
    def __str__(self):
        return 7  # noqa: PLE0307 - that is its fault


class Endless(BaseException):
    pass


RAISED = {
    "str raises": (Mute, "Mute: <its message cannot be shown: str() raised ValueError>"),
    "str exits": (Quitter, "Quitter: <its message cannot be shown: str() raised SystemExit>"),
    "str is no str": (Liar, "Liar: <its message cannot be shown: str() raised TypeError>"),
    "SystemExit": (lambda: SystemExit(3), "SystemExit: 3"),
    "KeyboardInterrupt": (KeyboardInterrupt, "KeyboardInterrupt"),
    "MemoryError": (MemoryError, "MemoryError"),
    "GeneratorExit": (GeneratorExit, "GeneratorExit"),
    "CancelledError": (lambda: asyncio.CancelledError("mine"), "CancelledError: mine"),
    "RecursionError": (lambda: RecursionError("too deep"), "RecursionError: too deep"),
    "BaseException": (lambda: Endless("odd"), "Endless: odd"),
    "NUL": (lambda: ValueError("a\0b"), "ValueError: a\\x00b"),
    "surrogate": (lambda: ValueError("\ud800"), "ValueError: \\ud800"),
    "group": (
        lambda: ExceptionGroup("many", [ValueError("one"), KeyError("two")]),
        "ExceptionGroup: many (2 sub-exceptions)",
    ),
}


def sync_body(make):
    def body(context):
        raise make()

    return body


def async_body(make):
    async def body(context):
        await asyncio.sleep(0)
        raise make()

    return body


@pytest.mark.parametrize("kind", [sync_body, async_body])
@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_body_raises_its_task_fails_by_type_and_the_runner_lives(
    make_runner, database_url, name, kind
):
    runner = make_runner(database_url, max_concurrent_tasks=1, max_concurrent_async_tasks=1)
    make, said = RAISED[name]
    workflow_of("bad", kind(make), id="bad")

    def fine(context):
        context["ran"] = True

    async def fine_too(context):
        context["ran"] = True

    workflow_of("good", fine if kind is sync_body else fine_too)
    result = runner.start("bad").result(SOON)
    assert (result.status, result.error_message) == ("Failed", f"task 'bad' failed: {said}")
    record = runner.get_execution(result.execution_id)
    assert record.error_message == result.error_message
    assert record.tasks["bad"].error.type == said.split(":")[0]
    assert runner.start("good").result(SOON)["ran"]


def test_sys_exit_in_a_body_ends_neither_its_thread_nor_the_process(make_runner):
    runner = make_runner(max_concurrent_tasks=1)
    threads = []

    def leaves(context):
        threads.append(threading.current_thread())
        sys.exit("enough")

    workflow_of("leaves", leaves)
    for _ in range(3):
        assert runner.start("leaves").result(SOON).error_message == "task 'leaves' failed: SystemExit: enough"
    assert len(set(threads)) == 1


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_a_task_that_an_async_body_has_made_does_not_end_the_loop(runner, error):
    """asyncio lets these two out of its loop, whoever awaits the task."""

    async def inner():
        raise error("inner")

    async def outer(context):
        await asyncio.gather(inner())

    async def fine(context):
        context["ran"] = True

    workflow_of("outer", outer)
    workflow_of("fine", fine)
    assert runner.start("outer").result(SOON).error_message == f"task 'outer' failed: {error.__name__}: inner"
    assert runner.start("fine").result(SOON)["ran"]


def test_a_body_that_stops_its_loop_does_not_stop_the_others(runner):
    async def stops(context):
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        context["went_on"] = True

    workflow_of("stops", stops)
    for _ in range(2):
        assert runner.start("stops").result(SOON)["went_on"]


def test_a_body_that_cancels_itself_has_failed(runner):
    async def body(context):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    workflow_of("body", body)
    assert runner.start("body").result(SOON).error_message == "task 'body' failed: CancelledError"


def test_a_recursion_without_end_fails_its_task(runner):
    def endless(context):
        endless(context)

    workflow_of("endless", endless)
    assert "RecursionError" in runner.start("endless").result(SOON).error_message


def test_a_message_of_a_megabyte_is_kept_within_bounds(runner):
    workflow_of("long", sync_body(lambda: ValueError("x" * 1_000_000)), id="long")
    result = runner.start("long").result(SOON)
    assert result.error_message.startswith("task 'long' failed: ValueError: xxx")
    assert len(result.error_message) < 20_000
    assert len(result.tasks["long"].error.traceback) < 100_000
    assert runner.get_execution(result.execution_id).error_message == result.error_message


def test_a_body_that_runs_out_of_threads_of_its_own_leaves_the_runner_alone(runner):
    """Threads that a body starts, and what goes wrong in them, are its own."""
    ended = threading.Event()

    def body(context):
        thread = threading.Thread(target=ended.wait, args=(SOON,))
        thread.start()
        context["thread"] = thread.name

    workflow_of("body", body)
    assert runner.start("body").result(SOON)["thread"]
    ended.set()


def test_a_thread_of_a_body_is_not_the_body(runner):
    """What it executes is nobody's child, and no slot is lent for it."""
    workflow_of("child", lambda context: context.set("ran", True), id="child")
    results = []

    def body(context):
        thread = threading.Thread(target=lambda: results.append(runner.execute("child")))
        thread.start()
        thread.join(SOON)

    workflow_of("body", body)
    assert runner.start("body").result(SOON).status == "Completed"
    assert results[0]["ran"]


def test_threads_of_a_body_do_not_hold_up_the_end_of_the_interpreter_when_they_are_daemons():
    script = """
import threading
import cloaca
with cloaca.WorkflowBuilder("starts"):
    @cloaca.task
    def starts(context):
        threading.Thread(target=threading.Event().wait, daemon=True).start()

with cloaca.DefaultRunner("sqlite:///app.db") as runner:
    print(runner.execute("starts").status)
"""
    assert run(script)[0] == "Completed\n"


FORKS = """
import os, sys
import cloaca

with cloaca.WorkflowBuilder("other"):
    @cloaca.task
    def other(context): ...

with cloaca.WorkflowBuilder("forks"):
    @cloaca.task
    {kind} forks(context):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            try:
                runner.list_executions()
            except cloaca.RunnerError as error:
                os.write(write, str(error).encode())
            {leave}
        os.close(write)
        context["said"] = os.read(read, 1000).decode()
        context["status"] = os.waitpid(child, 0)[1]

runner = cloaca.DefaultRunner("sqlite:///app.db")
result = runner.execute("forks")
print(result.error_message, result["status"])
print(result["said"])
print(runner.execute("other").status, len(runner.list_executions()))
runner.shutdown()
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("leave", "status"),
    [
        ("os._exit(0)", 0),
        ("sys.exit()", 0),
        ("sys.exit(3)", 3 << 8),
        ("sys.exit('no')", 1 << 8),
        ("return", 0),
        ("1 / 0", 1 << 8),
    ],
)
def test_a_body_that_forks_keeps_its_runner_and_the_child_cannot_use_it(kind, leave, status):
    """A child that leaves the body ends there: it tells the database nothing, and waits for no other task."""
    out, err = run(FORKS.replace("{kind}", kind).replace("{leave}", leave))
    ended, said, after = out.splitlines()
    assert ended == f"None {status}"
    assert ("ZeroDivisionError" in err, "no\n" in err) == (leave == "1 / 0", "'no'" in leave)
    assert "of which this one was forked: make a runner here" in said
    assert after == "Completed 2"


def test_a_child_that_lives_on_does_not_keep_a_dead_runner_alive():
    """The lock that proves a runner's life is not inherited."""
    script = """
import os, sys, threading
import cloaca

with cloaca.WorkflowBuilder("forks"):
    @cloaca.task
    def forks(context):
        if os.path.exists("forked"):
            return
        open("forked", "w").close()
        if not os.fork():
            os.close(1)
            os.close(2)
            sys.stdin.read()
            os._exit(0)
        os._exit(9)

cloaca.DefaultRunner("sqlite:///app.db").start("forks", idempotency_key="k").result()
"""
    with spawn(script) as process:
        assert process.wait(SOON) == 9
        workflow_of("forks", lambda context: context.set("resumed", True), id="forks")
        with cloaca.DefaultRunner("sqlite:///app.db") as runner:
            assert runner.start("forks", idempotency_key="k").result(SOON)["resumed"]


def test_an_interrupted_wait_leaves_the_execution_running():
    script = """
import os, signal, threading
import cloaca

goes_on = threading.Event()

with cloaca.WorkflowBuilder("interrupts"):
    @cloaca.task
    def interrupts(context):
        os.kill(os.getpid(), signal.SIGINT)
        goes_on.wait()
        context["whole"] = True

with cloaca.DefaultRunner("sqlite:///app.db") as runner:
    handle = None
    try:
        handle = runner.start("interrupts")
        handle.result()
    except KeyboardInterrupt:
        goes_on.set()
    while handle is None:
        handle = runner.get_handle(runner.list_executions()[0].execution_id)
    print(handle.result()["whole"])
"""
    assert run(script) == ("True\n", "")
