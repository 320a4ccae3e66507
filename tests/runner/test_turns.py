"""Which thread takes a turn, and what follows where one breaks."""

import threading
import time

import pytest

import cloaca
from cloaca.engine.engine import Engine
from cloaca.engine.events import StartRequest
from tests.world import SOON, runners, workflow_of


@pytest.fixture
def runner():
    with runners("sqlite:///app.db") as make:
        yield make(max_concurrent_tasks=1)


def chain(name, *bodies):
    with cloaca.WorkflowBuilder(name):
        before = []
        for number, body in enumerate(bodies):
            before = [cloaca.task(id=f"t{number}", dependencies=before)(body)]


def until_free(runner):
    """A body that returns when no turn is being taken."""

    def body(context):
        give_up = time.monotonic() + SOON
        while runner._engine._turning.locked():
            assert time.monotonic() < give_up

    return body


def settled_by(monkeypatch):
    """From now on: the name of the thread that takes the turn in which each task is settled."""
    names, settle = {}, Engine._settle

    def noted(engine, outcome, turn):
        names[outcome.job.task.id] = threading.current_thread().name
        settle(engine, outcome, turn)

    monkeypatch.setattr(Engine, "_settle", noted)
    return names


def test_the_turns_of_a_chain_are_taken_where_its_bodies_run(runner, monkeypatch):
    ran_on = {}

    def note(name):
        def body(context):
            ran_on[name] = threading.current_thread().name

        return body

    names = settled_by(monkeypatch)
    chain("chain", until_free(runner), note("t1"), note("t2"))

    def is_on_one_thread():
        runner.execute("chain")
        return ran_on == {"t1": names["t0"], "t2": names["t1"]} and names["t0"].startswith("cloaca-body")

    # The engine's own thread may look at what is due in just that moment.
    assert any(is_on_one_thread() for _ in range(50))


def test_a_thread_that_has_a_body_to_run_leaves_the_turn_to_the_engines(runner, monkeypatch):
    names = settled_by(monkeypatch)
    with cloaca.WorkflowBuilder("two"):
        cloaca.task(id="one")(until_free(runner))
        cloaca.task(id="other")(lambda context: None)
    runner.execute("two")
    assert names["one"] == "cloaca-engine"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_of_the_engine_in_a_bodys_thread_stops_it_and_tells_who_waits(runner, monkeypatch, caplog):
    turn = Engine.turn

    def broken(engine, messages):
        messages = list(messages)
        if messages and threading.current_thread().name != "cloaca-engine":
            raise ZeroDivisionError("a mistake of ours")
        turn(engine, messages)

    workflow_of("any", until_free(runner), id="only")
    monkeypatch.setattr(Engine, "turn", broken)
    with pytest.raises(cloaca.RunnerError, match="stopped because of an internal error: ZeroDivisionError"):
        runner.execute("any")
    assert not runner.is_running
    assert "the engine stopped" in caplog.text
    with pytest.raises(cloaca.RunnerError, match="stopped because of an internal error"):
        runner.start("any")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_start_whose_turn_broke_is_answered(runner, monkeypatch):
    def broken(engine, messages):
        if any(isinstance(message, StartRequest) for message in messages):
            raise ZeroDivisionError("a mistake of ours")

    workflow_of("any", lambda context: None, id="only")
    monkeypatch.setattr(Engine, "turn", broken)
    with pytest.raises(cloaca.RunnerError, match="stopped because of an internal error: ZeroDivisionError"):
        runner.start("any")


def test_bodies_run_while_a_crowded_runner_pauses(monkeypatch):
    """So their threads take no turns there, which would have them sleep."""
    with runners("sqlite:///app.db") as make:
        runner, _ = make(), make()
        runner._engine.core.crowded = True
        names = settled_by(monkeypatch)
        chain("chain", until_free(runner), until_free(runner))
        runner.execute("chain")
    assert set(names.values()) == {"cloaca-engine"}


def test_what_a_turn_in_a_bodys_thread_sets_for_soon_is_not_slept_over(runner):
    runs = []

    def fail_once(context):
        runs.append(None)
        if len(runs) == 1:
            raise ValueError

    workflow_of("retried", fail_once, retry_attempts=1, retry_delay_ms=20, retry_jitter=False)
    result = runner.start("retried").result(SOON)
    first, second = result.tasks["fail_once"].attempts
    assert 0.02 <= (second.started_at - first.finished_at).total_seconds() < 0.5
