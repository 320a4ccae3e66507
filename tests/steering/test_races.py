"""A verb and the turn that settles the last task, in both orders, on both databases."""

import pytest

from cloaca.errors import ExecutionStateError
from cloaca.model.rules import always
from tests.engine.bench import chain, workflow
from tests.steering.scenes import VERBS, Fragile


@pytest.fixture
def hand(bench):
    return bench.hand()


@pytest.fixture
def steer(bench):
    """Somebody else's process steers."""

    def steer(execution, verb):
        return bench.observer.steering.apply(execution, VERBS[verb], bench.clock.now())

    return steer


def before_the_commit(monkeypatch, hand, work):
    """Have something happen when a turn has decided, and has not begun to write."""
    commit = hand.store.commit

    def commit_later(batch):
        monkeypatch.setattr(hand.store, "commit", commit)
        work()
        return commit(batch)

    monkeypatch.setattr(hand.store, "commit", commit_later)


def about_to_end(hand):
    execution = hand.start(chain("a"))
    hand.end(hand.begin())
    return execution


def test_a_cancel_that_comes_before_the_last_commit_wins(bench, hand, steer, monkeypatch):
    execution = about_to_end(hand)
    before_the_commit(monkeypatch, hand, lambda: steer(execution, "cancel"))
    told = []
    hand.core.completions.wait(execution, told.append)
    hand.turn()
    assert bench.execution(execution).status == "Cancelled"
    assert bench.attempts(execution) == []
    assert hand.core.live == {}
    assert len(told) == 1


def test_a_cancel_that_comes_after_the_last_commit_is_refused(bench, hand, steer):
    execution = about_to_end(hand)
    hand.turn()
    with pytest.raises(ExecutionStateError, match="is Completed and cannot be cancelled"):
        steer(execution, "cancel")
    assert bench.execution(execution).status == "Completed"


def test_a_pause_that_comes_before_the_last_commit_loses_nothing_and_has_nothing_to_hold(
    bench, hand, steer, monkeypatch
):
    execution = about_to_end(hand)
    before_the_commit(monkeypatch, hand, lambda: steer(execution, "pause"))
    hand.turn()
    assert bench.execution(execution).status == "Completed"
    assert bench.attempts(execution) == [("a", 1, "Completed")]
    assert hand.submitted() == [("a", 1)]


def test_a_pause_that_comes_before_the_commit_of_a_task_keeps_it_and_holds_the_next(
    bench, hand, steer, monkeypatch
):
    execution = hand.start(chain("a", "b"))
    hand.end(hand.begin())
    before_the_commit(monkeypatch, hand, lambda: steer(execution, "pause"))
    hand.turn()
    assert bench.attempts(execution) == [("a", 1, "Completed")]
    assert hand.submitted() == [("a", 1)]
    hand.turn()
    hand.turn()
    assert (hand.core.live, bench.execution(execution).owner) == ({}, None)
    steer(execution, "resume")
    bench.clock.move(2)
    hand.turn()
    hand.run()
    assert hand.submitted() == [("a", 1), ("b", 1)]
    assert bench.execution(execution).status == "Completed"


def test_a_pause_and_a_resume_between_two_turns_are_not_noticed(bench, hand, steer, monkeypatch):
    execution = hand.start(chain("a", "b"))
    hand.end(hand.begin())

    def both():
        steer(execution, "pause")
        steer(execution, "resume")

    before_the_commit(monkeypatch, hand, both)
    hand.turn()
    hand.run()
    assert hand.submitted() == [("a", 1), ("b", 1)]
    assert bench.execution(execution).status == "Completed"


def test_a_cancel_and_a_retry_between_two_turns_leave_nothing_of_the_first_round(
    bench, hand, steer, monkeypatch
):
    execution = hand.start(chain("a", "b"))
    hand.end(hand.begin())

    def both():
        steer(execution, "cancel")
        steer(execution, "retry")

    before_the_commit(monkeypatch, hand, both)
    hand.turn()
    assert bench.attempts(execution) == []
    bench.clock.move(2)
    hand.turn()
    hand.run()
    assert bench.execution(execution).status == "Completed"
    assert hand.submitted() == [("a", 1), ("a", 1), ("b", 1)]


def test_one_that_is_steered_does_not_spoil_the_turn_of_the_others(bench, hand, steer, monkeypatch):
    executions = [hand.start(chain("a", "b")) for _ in range(3)]
    for _ in executions:
        hand.end(hand.begin())

    def both():
        steer(executions[0], "cancel")
        steer(executions[1], "pause")

    before_the_commit(monkeypatch, hand, both)
    commits = bench.faults.commits
    hand.turn()
    assert [bench.execution(one).status for one in executions] == ["Cancelled", "Paused", "Running"]
    assert [len(bench.attempts(one)) for one in executions] == [0, 1, 1]
    assert hand.submitted().count(("b", 1)) == 1
    assert bench.faults.commits - commits <= 2


def test_a_retry_that_is_due_is_not_handed_out_when_somebody_has_paused_it(bench, hand, steer):
    code = Fragile(retry_attempts=1)
    code.fails = True
    execution = hand.start(code.workflow)
    hand.end(hand.begin())
    hand.turn()
    bench.clock.move(59.9)
    hand.turn()
    steer(execution, "pause")
    bench.clock.move(0.2)
    hand.turn()
    assert hand.begin() is None
    hand.turn()
    assert hand.core.live == {}


def test_a_takeover_of_a_paused_execution_leaves_it_paused(bench, hand, steer):
    execution = hand.start(chain("a", "b"))
    hand.begin()
    steer(execution, "pause")
    bench.crash(hand)
    other = bench.hand()
    other.core.plan_of(chain("a", "b"))
    other.take_over()
    other.run()
    row = bench.execution(execution)
    assert (row.status, row.owner) == ("Paused", None)
    assert other.submitted() == []
    steer(execution, "resume")
    bench.clock.move(100)
    other.turn()
    other.run()
    bench.clock.move(100)
    other.turn()
    other.run()
    assert bench.execution(execution).status == "Completed"


def test_a_cancel_of_what_a_dead_runner_owns_stands_when_it_is_taken_over(bench, hand, steer):
    execution = hand.start(chain("a"))
    hand.begin()
    bench.crash(hand)
    steer(execution, "cancel")
    other = bench.hand()
    other.core.plan_of(chain("a"))
    other.take_over()
    other.run()
    assert bench.execution(execution).status == "Cancelled"
    assert other.submitted() == []


def test_a_time_limit_does_not_count_while_it_is_paused_and_counts_anew_then(bench, steer):
    hand = bench.hand(workflow_timeout_seconds=10)
    execution = hand.start(chain("a", "b"))
    hand.begin()
    steer(execution, "pause")
    bench.clock.move(2)
    hand.turn()
    bench.clock.move(20)
    hand.turn()
    assert bench.execution(execution).status == "Paused"
    steer(execution, "resume")
    bench.clock.move(2)
    hand.turn()
    hand.turn()
    assert bench.execution(execution).status == "Running"
    bench.clock.move(9)
    hand.turn()
    assert bench.execution(execution).status == "Failed"


def test_a_time_limit_ends_what_waits_for_another_task_beyond_one_that_is_kept(bench, steer):
    def broken(context):
        raise ValueError

    hand = bench.hand(workflow_timeout_seconds=10)
    cleanup = {"function": lambda context: None, "trigger_rules": always()}
    bodies = {"bad": broken, "cleanup": cleanup, "last": broken, "end": lambda context: None}
    execution = hand.start(workflow("w", bodies, cleanup="bad", last="cleanup", end="last"))
    hand.run()
    steer(execution, "retry")
    bench.clock.move(2)
    hand.turn()
    hand.turn()
    assert hand.submitted() == [("bad", 1), ("cleanup", 1), ("last", 1), ("bad", 2)]
    bench.clock.move(11)
    hand.turn()
    assert bench.execution(execution).status == "Failed"
    assert bench.attempts(execution)[-4:] == [
        ("end", 0, "Skipped"),
        ("end", 1, "Skipped"),
        ("last", 1, "Failed"),
        ("last", 2, "Skipped"),
    ]
