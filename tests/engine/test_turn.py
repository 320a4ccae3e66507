"""What a turn does, one at a time."""

from cloaca.executors.job import Outcome
from cloaca.model.delta import Delta
from cloaca.model.events import Failure
from cloaca.model.retry import RetryPolicy
from tests.engine.bench import chain, seconds_to_wait, workflow


def broken(context):
    raise ValueError("no")


def test_a_chain_of_three_costs_four_commits(bench):
    hand = bench.hand()

    def work():
        hand.start(chain("a", "b", "c"))
        hand.run()

    assert bench.commits(work) == 4


def test_a_turn_commits_all_that_has_come(bench):
    hand = bench.hand(slots=50)
    for _ in range(50):
        hand.ask(chain("a", "b"))
    assert bench.commits(hand.turn) == 1
    for _ in range(50):
        hand.end(hand.begin())
    assert bench.commits(hand.turn) == 1


def test_nothing_is_submitted_before_its_commit(bench):
    hand = bench.hand()
    hand.ask(chain("a", "b"))
    bench.paused = lambda hand: seen.append(hand.submitted())
    seen = []
    bench.fail("lost_undone", "silent", "full")
    hand.turn()
    assert seen == [[], [], []]
    assert hand.submitted() == [("a", 1)]
    hand.end(hand.begin())
    bench.fail("lost_done")
    hand.turn()
    assert seen[-1] == [("a", 1)]
    assert hand.submitted() == [("a", 1), ("b", 1)]


def test_an_outcome_of_another_attempt_changes_nothing(bench):
    hand = bench.hand()
    policy = RetryPolicy(2, initial_delay=0)
    execution = hand.start(workflow("w", {"a": {"function": broken, "retry": policy}}))
    first = hand.end(hand.begin())
    hand.turn()
    hand.turn()
    assert hand.submitted() == [("a", 1), ("a", 2)]
    assert bench.commits(lambda: hand.turn(first, first)) == 0
    assert bench.attempts(execution) == [("a", 1, "Failed")]


def test_an_outcome_under_another_fence_changes_nothing(bench):
    hand = bench.hand()
    execution = hand.start(chain("a"))
    job = hand.begin()
    job.claim -= 1
    hand.inbox.put(Outcome(job, Delta({}), None, job.started_at))
    assert bench.commits(hand.turn) == 0
    assert bench.attempts(execution) == []


def test_an_outcome_of_an_execution_that_ended_changes_nothing(bench):
    hand = bench.hand()
    hand.start(chain("a"))
    outcome = hand.end(hand.begin())
    hand.turn()
    assert bench.commits(lambda: hand.turn(outcome)) == 0


def test_a_body_that_ended_before_its_limit_is_not_timed_out_in_the_same_turn(bench):
    hand = bench.hand()
    execution = hand.start(chain("a", timeout_seconds=5.0))
    job = hand.begin()
    bench.clock.move(4.9)
    hand.end(job)
    bench.clock.move(60)
    hand.turn()
    assert bench.attempts(execution) == [("a", 1, "Completed")]


def test_a_body_that_ends_after_its_limit_has_failed(bench):
    hand = bench.hand()
    execution = hand.start(chain("a", timeout_seconds=5.0))
    job = hand.begin()
    bench.clock.move(5.1)
    hand.end(job)
    hand.turn()
    assert bench.attempts(execution) == [("a", 1, "Failed")]
    assert "TaskTimeoutError" in bench.execution(execution).error


def test_a_body_that_never_ends_loses_its_slot_at_its_limit(bench):
    hand = bench.hand(slots=1)
    execution = hand.start(chain("a", timeout_seconds=5.0))
    job = hand.begin()
    for _ in range(20):
        if bench.execution(execution).finished_at is None:
            bench.clock.move(seconds_to_wait(hand.engine))
            hand.turn()
    assert bench.clock.monotonic() - job.started == 5.0
    assert hand.executor.slots.idle
    assert job.cancelled


def test_an_attempt_noted_and_timed_out_in_one_turn_fails_alone(bench):
    hand = bench.hand()
    slow = hand.start(chain("a", timeout_seconds=1.0))
    other = hand.start(chain("b"))
    hand.begin()
    ended = hand.begin()
    bench.clock.move(1.5)
    hand.end(ended)
    assert bench.commits(hand.turn) <= 2
    assert bench.attempts(slow) == [("a", 1, "Failed")]
    assert bench.attempts(other) == [("b", 1, "Completed")]
    assert bench.execution(other).fence == 1


def test_a_body_that_lasts_is_noted_as_running(bench):
    hand = bench.hand()
    execution = hand.start(chain("a"))
    job = hand.begin()
    bench.clock.move(0.2)
    hand.turn()
    assert bench.attempts(execution) == [("a", 1, "Running")]
    hand.end(job)
    hand.turn()
    assert bench.attempts(execution) == [("a", 1, "Completed")]


def test_a_body_that_lasts_does_not_wake_the_engine_before_its_limit(bench):
    hand = bench.hand(patrol_seconds=1e6, heartbeat_seconds=1e6)
    hand.turn()
    bench.clock.move(1e6)
    hand.start(chain("a", timeout_seconds=100.0))
    hand.begin()
    bench.clock.move(0.2)
    hand.turn()
    assert 99 < seconds_to_wait(hand.engine) < 100


def test_a_wait_for_a_retry_survives_a_crash(bench):
    hand = bench.hand()
    policy = RetryPolicy(1, initial_delay=10, with_jitter=False)
    flow = workflow("w", {"a": {"function": broken, "retry": policy}})
    execution = hand.start(flow)
    hand.end(hand.begin())
    hand.turn()
    bench.crash(hand)
    bench.clock.move(4)
    hand = bench.hand()
    hand.core.plan_of(flow)
    hand.engine.ownership.registered("w")
    hand.turn()
    assert hand.submitted() == []
    bench.clock.move(5.9)
    hand.turn()
    assert hand.submitted() == []
    bench.clock.move(0.2)
    hand.turn()
    assert hand.submitted() == [("a", 2)]
    hand.run()
    assert bench.attempts(execution) == [("a", 1, "Failed"), ("a", 2, "Failed")]


def test_starts_beyond_the_window_commit_without_an_owner_and_are_claimed_later(bench):
    hand = bench.hand(window=2)
    executions, answers = hand.ask(chain("a"), {}, {}, {}, {}, {})
    hand.turn()
    assert answers == [{}]
    owners = [bench.execution(execution).owner for execution in executions]
    assert owners[:2] == [hand.core.runner] * 2
    assert owners[2:] == [None] * 3
    for _ in range(20):
        hand.run()
        hand.turn()
    assert {bench.execution(execution).status for execution in executions} == {"Completed"}


def test_an_execution_that_takes_too_long_fails_as_a_whole(bench):
    hand = bench.hand(workflow_timeout_seconds=5.0, slots=1)
    execution = hand.start(workflow("w", {"a": print, "b": print, "c": print}, c="a b"))
    job = hand.begin()
    bench.clock.move(5.1)
    hand.turn()
    row = bench.execution(execution)
    assert row.status == "Failed"
    assert "workflow_timeout_seconds of 5" in row.error
    assert bench.attempts(execution) == [("a", 1, "Failed"), ("b", 1, "Failed"), ("c", 0, "Skipped")]
    assert hand.executor.slots.idle
    assert bench.commits(lambda: hand.end(job) and hand.turn()) == 0


def test_a_message_of_a_failure_that_is_no_unicode_is_stored(bench):
    def body(context):
        raise ValueError("\udc80")

    hand = bench.hand()
    execution = hand.start(workflow("w", {"a": body}))
    hand.run()
    assert bench.execution(execution).error == "task 'a' failed: ValueError: \\udc80"


def test_an_answer_that_nobody_takes_does_not_end_the_engine(bench):
    hand = bench.hand()
    hand.ask(chain("a"))
    request = hand.inbox.get()
    request.answer = broken
    hand.turn(request)
    hand.core.completions.wait(request.executions[0].id, broken)
    hand.run()
    assert bench.execution(request.executions[0].id).status == "Completed"


def test_a_failure_leaves_its_type_message_and_traceback(bench):
    hand = bench.hand()
    execution = hand.start(workflow("w", {"a": broken}))
    hand.run()
    failure = Failure.from_text(bench.observer.read_attempts(execution)[0].error)
    assert failure[:2] == ("ValueError", "no")
    assert "broken" in failure.traceback
