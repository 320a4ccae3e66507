"""Steering while processes die, databases cannot be read, and nobody is told."""

import pytest

from cloaca.engine.events import Steered
from cloaca.model.steering import check_deletable
from tests.engine.bench import chain, workflow
from tests.steering.scenes import VERBS


def steer(bench, verb, execution):
    """Somebody steers of whom no runner is told."""
    bench.observer.steering.apply(execution, VERBS[verb], bench.clock.now())


def fails_once(*, rest=2):
    """A chain whose first task fails the first time."""
    runs = []

    def first(context):
        runs.append(context)
        if len(runs) == 1:
            raise ValueError("no")

    tasks = {"a": first} | {f"b{n}": lambda context: None for n in range(rest)}
    names = list(tasks)
    return workflow("w", tasks, **dict(zip(names[1:], names, strict=False)))


def replaced(bench, hand, flow):
    """The process of a runner dies, and another takes over."""
    bench.crash(hand)
    hand = bench.hand()
    hand.core.plan_of(flow)
    hand.take_over()
    hand.turn()
    return hand


def test_what_a_round_has_opened_stays_open_when_another_runner_goes_on_with_it(bench):
    flow, hand = fails_once(), bench.hand()
    execution = hand.start(flow)
    hand.run()
    assert bench.execution(execution).status == "Failed"
    steer(bench, "retry", execution)
    hand.engine.ownership.announced()
    hand.turn()
    hand.end(hand.begin())
    hand.turn()
    hand = replaced(bench, hand, flow)
    hand.run()
    assert bench.execution(execution).status == "Completed"
    last = {task: status for task, _, status in bench.attempts(execution)}
    assert last == {"a": "Completed", "b0": "Completed", "b1": "Completed"}


def test_what_a_round_has_opened_and_a_cancel_left_open_runs_in_the_next(bench):
    flow, hand = fails_once(), bench.hand()
    execution = hand.start(flow)
    hand.run()
    steer(bench, "retry", execution)
    hand.engine.ownership.announced()
    hand.turn()
    hand.end(hand.begin())
    hand.turn()
    for verb in ("cancel", "retry"):
        steer(bench, verb, execution)
        hand.turn(Steered([execution]))
    bench.clock.move(2)
    hand.turn()
    hand.run()
    assert bench.execution(execution).status == "Completed"
    assert hand.submitted() == [("a", 1), ("a", 2), ("b0", 1), ("b0", 1), ("b1", 1)]


def test_a_body_that_may_have_killed_its_process_in_a_later_round_is_a_suspect(bench):
    flow, hand = fails_once(), bench.hand()
    execution = hand.start(flow)
    hand.run()
    steer(bench, "retry", execution)
    hand.engine.ownership.announced()
    hand.turn()
    hand.begin()
    hand = replaced(bench, hand, flow)
    suspects = [(task, attempt) for task, attempt, status in bench.attempts(execution) if status == "Running"]
    assert suspects == [("a", 2)]
    hand.run()
    assert bench.execution(execution).status == "Completed"


def test_a_body_that_was_cancelled_and_may_kill_its_process_when_it_runs_again_is_a_suspect(bench):
    flow, hand = chain("a", timeout_seconds=60.0), bench.hand()
    execution = hand.start(flow)
    hand.begin()
    bench.clock.move(0.2)
    hand.turn()
    for verb in ("cancel", "retry"):
        steer(bench, verb, execution)
        hand.turn(Steered([execution]))
    bench.clock.move(2)
    hand.turn()
    hand.begin()
    hand = replaced(bench, hand, flow)
    assert bench.attempts(execution) == [("a", 1, "Cancelled"), ("a", 2, "Running")]
    hand.run()
    assert bench.attempts(execution) == [("a", 1, "Cancelled"), ("a", 2, "Completed")]


def test_suspects_that_are_resumed_while_a_turn_commits_run(bench):
    flow = workflow("w", {"a": lambda context: None, "b": lambda context: None})
    hand = bench.hand()
    execution = hand.start(flow)
    hand.begin()
    hand.begin()
    hand = replaced(bench, hand, flow)
    first = hand.begin()
    steer(bench, "pause", execution)
    hand.turn(Steered([execution]))
    steer(bench, "resume", execution)
    hand.end(first)
    hand.turn()
    hand.run()
    assert bench.execution(execution).status == "Completed"


def test_what_a_body_left_is_kept_while_it_cannot_be_read_where_its_execution_stands(bench):
    hand = bench.hand()
    execution = hand.start(chain("a", "b"))
    job = hand.begin()
    steer(bench, "pause", execution)
    bench.fail("unreadable")
    hand.end(job)
    hand.turn()
    assert bench.attempts(execution) == [("a", 1, "Completed")]
    assert hand.pauses


def test_a_start_that_is_steered_before_its_answer_arrives_goes_on(bench):
    hand, steered = bench.hand(), []

    def pause(_):
        steered.append(steer(bench, "pause", execution))
        bench.paused = lambda hand: None

    [execution], answers = hand.ask(chain("a", "b"))
    bench.paused = pause
    bench.fail("lost_done")
    hand.turn()
    assert len(steered) == len(answers) == 1
    hand.turn()
    steer(bench, "resume", execution)
    bench.clock.move(2)
    hand.run()
    assert bench.execution(execution).status == "Completed"


def test_a_start_whose_key_was_deleted_meanwhile_waits_for_a_database_that_takes_it(bench):
    hand = bench.hand()
    first = hand.start(chain("a"), key="k")
    hand.run()

    def delete(_):
        bench.paused = lambda hand: None
        bench.observer.steering.delete(first, lambda standing: None)

    _, answers = hand.ask(chain("a"), key="k")
    bench.paused = delete
    bench.fail("lost_done", "full")
    hand.turn()
    [answer] = answers
    for _ in range(2):
        bench.clock.move(2)
        hand.turn()
    hand.run()
    [(found, status)] = bench.database.rows("select id, status from cloaca_executions")
    assert found in {existing.id for existing in answer.values()}
    assert status == "Completed"


def test_being_told_twice_of_a_cancelled_execution_is_as_good_as_once(bench):
    hand = bench.hand()
    execution = hand.start(chain("a"))
    steer(bench, "cancel", execution)
    hand.turn(Steered([execution, execution]), Steered([execution]))
    assert hand.core.live == {}


def test_an_execution_that_was_cancelled_and_retried_unheard_is_claimed_again_and_held_once(bench):
    hand = bench.hand()
    execution = hand.start(workflow("w", {"a": lambda context: None, "b": lambda context: None}))
    hand.begin()
    steer(bench, "pause", execution)
    hand.turn(Steered([execution]))
    for verb in ("cancel", "retry"):
        steer(bench, verb, execution)
    hand.engine.ownership.announced()
    hand.turn()
    assert [job.claim for job in hand.executor.slots.running() if not job.cancelled] == []
    hand.run()
    assert bench.execution(execution).status == "Completed"
    assert bench.attempts(execution) == [("a", 1, "Completed"), ("b", 1, "Completed")]


def test_what_was_noted_for_a_runner_goes_with_it(bench):
    one, two = bench.hand(), bench.hand()
    for hand in (one, two):
        hand.start(chain("a", "b"))
    for execution in [*one.core.live, *two.core.live]:
        steer(bench, "pause", execution)
    assert len(bench.database.rows("select * from cloaca_steered")) == 2
    one.engine.ownership.leave()
    assert len(bench.database.rows("select * from cloaca_steered")) == 1
    bench.crash(two)
    bench.hand().take_over()
    assert bench.database.rows("select * from cloaca_steered") == []


@pytest.mark.parametrize("how", ["deleted", "pruned", "pruned in parts"])
def test_a_runner_hears_of_what_was_cancelled_and_removed_before_it_looked(bench, how):
    hand, table = bench.hand(), bench.observer.steering
    execution = hand.start(chain("a", "b"))
    job = hand.begin()
    bench.clock.move(2)
    hand.turn()
    # From here on the runner has nothing to write until the body ends.
    assert bench.attempts(execution) == [("a", 1, "Running")]
    steer(bench, "cancel", execution)
    if how == "deleted":
        assert table.delete(execution, check_deletable)
    else:
        (row,) = table.oldest(after=0, limit=10)
        assert table.remove([row], is_large="parts" in how) == [execution]
    bench.clock.move(2)
    hand.turn()
    hand.turn()
    assert job.cancelled
    assert hand.core.live == {}
    assert bench.database.rows("select * from cloaca_steered where runner <> ''") == []
