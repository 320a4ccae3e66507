"""What a history tells, on both databases."""

import cloaca
from cloaca.insights.service import Insights
from tests.engine.bench import chain
from tests.insights.agreement import implied_status
from tests.world import SOON, workflow_of


def build(fails):
    """``b`` fails while the set is not empty."""
    with cloaca.WorkflowBuilder("w"):

        @cloaca.task
        def a(context):
            context["a"] = 1

        @cloaca.task(dependencies=[a])
        def b(context):
            if fails:
                raise OSError("no route")
            context["b"] = 2

        @cloaca.task(dependencies=[a])
        def beside(context):
            context["b"] = 3

        @cloaca.task(dependencies=[b])
        def c(context): ...


def told(history):
    assert [record.number for record in history] == list(range(1, len(history) + 1))
    return [(record.kind.value, record.task) for record in history]


def test_an_execution_that_is_retried_tells_how_each_round_went(runner):
    fails = {True}
    build(fails)
    handle = runner.start("w")
    handle.result(SOON)
    fails.clear()
    handle.retry()
    assert handle.result(SOON).status == "Completed"
    history = handle.get_history()
    one_round = [("AttemptCompleted", "beside"), ("AttemptFailed", "b"), ("Skipped", "c")]
    found = told(history)
    assert found[:3] == [("Started", None), ("Claimed", None), ("AttemptCompleted", "a")]
    assert sorted(found[3:6]) == sorted(one_round)
    assert found[6:] == [
        ("Ended", None), ("Retried", None), ("Claimed", None), ("AttemptCompleted", "b"), ("Conflict", "b"),
        ("AttemptCompleted", "c"), ("Ended", None),
    ]  # fmt: skip
    ended = history[6]
    assert ended.text == "it ended as Failed: task 'b' failed: OSError: no route"
    assert history[4].details.get("error", history[3].details.get("error")) == {
        "type": "OSError", "message": "no route",
    }  # fmt: skip
    assert history[7].text == "it was retried: round 2 began"
    assert implied_status(history) == "Completed"
    assert implied_status(history[:7]) == "Failed"
    assert implied_status(history[:8]) == "Running"


def test_a_fork_tells_what_it_has_kept(runner):
    build(set())
    first = runner.start("w")
    first.result(SOON)
    fork = first.fork("b")
    fork.result(SOON)
    history = fork.get_history()
    assert told(history)[:5] == [
        ("Started", None), ("Forked", None), ("Kept", "a"), ("Kept", "beside"), ("Claimed", None),
    ]  # fmt: skip
    assert history[1].text == f"it was forked from execution {first.execution_id} at task 'b'"
    assert told(history)[-1] == ("Ended", None)


def test_what_is_steered_before_anybody_claims_it_is_told(client):
    handle = client.start("nobody knows it")
    assert told(handle.get_history()) == [("Started", None)]
    handle.pause()
    handle.resume()
    assert implied_status(handle.get_history()) == "Pending"
    handle.cancel()
    assert told(client.get_history(handle.execution_id))[1:] == [
        ("Paused", None), ("Resumed", None), ("Cancelled", None), ("Ended", None),
    ]  # fmt: skip
    assert implied_status(handle.get_history()) == "Cancelled"


def test_who_has_claimed_it_first_is_told_once_it_is_known(runner):
    workflow_of("one", lambda context: None, id="one")
    handle = runner.start("one")
    handle.result(SOON)
    assert [record.text for record in handle.get_history()] == [
        "a runner started an execution of workflow 'one'",
        "a runner claimed it",
        "task 'one', attempt 1, completed",
        "it ended as Completed",
    ]


def test_attempts_that_were_stored_before_they_had_fences_come_after_the_first_claim(bench):
    hand = bench.hand()
    execution = hand.start(chain("a", "b"))
    hand.run()
    bench.database.rows("update cloaca_attempts set fence = 0 returning 1")
    history = Insights(bench.observer).history(execution)
    assert told(history) == [
        ("Started", None), ("Claimed", None), ("AttemptCompleted", "a"), ("AttemptCompleted", "b"), ("Ended", None),
    ]  # fmt: skip


def test_each_runner_that_had_it_is_told_once_it_is_known(bench):
    first = bench.hand()
    execution = first.start(chain("a"))
    first.engine.ownership.leave()
    second = bench.hand()
    second.engine.core.plan_of(chain("a"))
    second.take_over()
    bench.crash(second)
    third = bench.hand()
    third.engine.core.plan_of(chain("a"))
    third.take_over()
    third.turn()
    texts = [record.text for record in Insights(bench.observer).history(execution)]
    assert [text.replace(first.core.runner, "1").replace(second.core.runner, "2") for text in texts[:5]] == [
        "runner 1 started an execution of workflow 'chain'", "runner 1 claimed it", "runner 1handed it over",
        "runner 2 claimed it", "it was taken over from runner 2, which was considered dead",
    ]  # fmt: skip
