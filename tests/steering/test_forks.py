"""Forks: new executions that keep what others have done."""

import threading

import pytest

import cloaca
from cloaca.errors import ExecutionStateError, TaskNotFoundError
from tests.steering.test_rounds import Code, run
from tests.world import SOON


@pytest.fixture
def code():
    code = Code()
    code.keys = []
    return code


@pytest.fixture
def diamond(code):
    with cloaca.WorkflowBuilder("w"):
        start = code.task("start")
        left, right = code.task("left", start), code.task("right", start)
        code.task("join", left, right)


def test_a_fork_keeps_what_does_not_come_after_its_task(runner, code, diamond):
    handle = run(runner, "w", {"n": 1})
    code.ran.clear()
    fork = handle.fork("left")
    result = fork.result(SOON)
    assert code.ran == ["left", "join"]
    assert result["log"] == ["start", "left", "right", "join"]
    assert fork.execution_id != handle.execution_id
    assert handle.result(SOON)["log"] == ["start", "left", "right", "join"]


def test_the_edited_keys_replace_what_anybody_has_written(runner, code, diamond):
    handle = run(runner, "w", {"n": 1, "kept": True})
    fork = handle.fork("left", {"start": "edited", "n": 2, "new": [1]})
    result = fork.result(SOON)
    assert code.seen["left"]["start"] == "edited"
    assert (result["start"], result["n"], result["new"], result["kept"]) == ("edited", 2, [1], True)


def test_an_edited_list_is_extended_by_what_runs_and_by_nothing_that_is_kept(runner, code, diamond):
    handle = run(runner, "w")
    result = handle.fork("join", {"log": ["edited"]}).result(SOON)
    assert result["log"] == ["edited", "join"]


def test_a_fork_of_a_failed_execution_runs_what_failed_with_other_data(runner):
    with cloaca.WorkflowBuilder("w"):

        @cloaca.task
        def extract(context):
            context["rows"] = [1, "x", 3]

        @cloaca.task(dependencies=[extract])
        def load(context):
            context["sum"] = sum(context["rows"])

    handle = run(runner, "w")
    assert handle.status == "Failed"
    assert handle.fork("load", {"rows": [1, 2, 3]}).result(SOON)["sum"] == 6
    assert handle.status == "Failed"


def test_a_fork_of_one_that_still_runs_keeps_what_has_completed_by_now(runner, code, diamond):
    may_end, runs = threading.Event(), threading.Event()

    with cloaca.WorkflowBuilder("slow"):
        first = code.task("first")

        @cloaca.task(dependencies=[first])
        def second(context):
            runs.set()
            may_end.wait(SOON)

    handle = runner.start("slow")
    assert runs.wait(SOON)
    fork = handle.fork("second")
    may_end.set()
    assert fork.result(SOON).status == handle.result(SOON).status == "Completed"
    assert code.ran == ["first"]


def test_a_fork_outlives_its_source(runner, code, diamond):
    handle = run(runner, "w")
    fork = handle.fork("join")
    fork.wait(SOON)
    handle.delete()
    assert fork.result(SOON)["log"] == ["start", "left", "right", "join"]
    again = fork.fork("right")
    assert again.result(SOON)["log"] == ["start", "left", "right", "join"]


def test_a_client_forks_for_whoever_claims_it(impatience, runner, client, code, diamond):
    handle = run(runner, "w")
    code.ran.clear()
    fork = client.fork(handle.execution_id, "join")
    assert fork.result(SOON).status == "Completed"
    assert code.ran == ["join"]


def test_a_task_that_does_not_exist_is_named_with_the_nearest_one(runner, code, diamond):
    handle = run(runner, "w")
    with pytest.raises(TaskNotFoundError, match="task 'jion' is not in workflow 'w': did you mean 'join'"):
        handle.fork("jion")
    with pytest.raises(TaskNotFoundError, match="it has 'start', 'left', 'right', 'join'"):
        handle.fork(None)


def test_a_value_that_cannot_be_stored_is_refused_and_nothing_is_started(runner, code, diamond):
    handle = run(runner, "w")
    with pytest.raises(TypeError, match="'when'"):
        handle.fork("join", {"when": object()})
    assert len(runner.list_executions()) == 1


def test_one_that_nobody_has_claimed_cannot_be_forked(client):
    handle = client.start("unknown here")
    with pytest.raises(ExecutionStateError, match="has not been claimed by a runner"):
        handle.fork("a")


def test_a_source_that_is_deleted_meanwhile_is_not_found_and_nothing_is_left(
    runner, code, diamond, monkeypatch
):
    handle = run(runner, "w")
    read = runner._store.read_attempts

    def read_and_lose(execution):
        attempts = read(execution)
        monkeypatch.undo()
        handle.delete()
        return attempts

    monkeypatch.setattr(runner._store, "read_attempts", read_and_lose)
    with pytest.raises(cloaca.ExecutionNotFoundError):
        handle.fork("join")
    assert runner.list_executions() == []


def test_a_fork_is_entered_in_as_few_statements_where_it_keeps_more(runner, code, monkeypatch):
    table = type(runner._store.steering)
    in_transaction, statements = table._in_transaction, []

    def counted(self, work, **how):
        def count(run):
            return work(lambda name, parameters: statements.append(name) or run(name, parameters))

        return in_transaction(self, count, **how)

    counts = []
    for length in (2, 20):
        with cloaca.WorkflowBuilder(f"chain of {length}"):
            last = code.task("t0")
            for number in range(1, length):
                last = code.task(f"t{number}", last)
        handle = run(runner, f"chain of {length}")
        monkeypatch.setattr(table, "_in_transaction", counted)
        fork = handle.fork(f"t{length - 1}", {"t0": "edited"})
        monkeypatch.undo()
        counts.append(len(statements))
        statements.clear()
        assert fork.result(SOON)["log"] == [f"t{number}" for number in range(length)]
        assert fork.result(SOON)["t0"] == "edited"
    assert counts == [3, 3]


def test_what_is_kept_beside_an_edited_key_is_the_same_text(runner):
    left = {
        "nul": "a\0b",
        "lone": "\ud800",
        "quotes": "\"'\\u0000 \\",
        "big": 2**64,
        "nested": {"a\0": [1e22, -0.0, None]},
        "\0": 1,
    }
    with cloaca.WorkflowBuilder("w"):

        @cloaca.task
        def first(context):
            for key, value in {**left, "edited": 1}.items():
                context[key] = value

        @cloaca.task(dependencies=[first])
        def second(context):
            pass

    handle = run(runner, "w")
    result = handle.fork("second", {"edited": 2}).result(SOON)
    assert result.final_context.to_dict() == {**left, "edited": 2}
    assert str(result.final_context.to_dict()["nested"]) == str(left["nested"])
