"""What a turn is worth when the database says something else than yes."""

import pytest

from cloaca.engine.events import Stop
from cloaca.errors import CommitUnknownError, DatabaseError, RunnerError
from cloaca.model.events import Failure
from cloaca.store.rows import Existing
from tests.engine.bench import chain, workflow


def leave_x(context):
    context["x"] = "REFUSED"


def refused(answers):
    assert len(answers) == 1
    return isinstance(answers[0], DatabaseError)


def test_a_lost_answer_is_found_out_before_anything_is_done(bench):
    hand = bench.hand()
    executions, answers = hand.ask(chain("a"))
    bench.fail("lost_done")
    hand.turn()
    assert answers == [{}]
    assert hand.submitted() == [("a", 1)]
    assert bench.execution(executions[0]).fence == 1


def test_a_commit_that_did_not_happen_is_tried_with_the_same_rows(bench):
    hand = bench.hand()
    executions, answers = hand.ask(chain("a"))
    bench.fail("lost_undone", "lost_undone")
    hand.turn()
    assert answers == [{}]
    assert bench.execution(executions[0]).owner == hand.core.runner
    assert hand.submitted() == [("a", 1)]


def test_a_settle_whose_answer_was_lost_is_not_written_twice(bench):
    hand = bench.hand()
    execution = hand.start(chain("a", "b"))
    hand.end(hand.begin())
    bench.fail("lost_done", "silent")
    hand.turn()
    assert hand.submitted() == [("a", 1), ("b", 1)]
    assert bench.execution(execution).fence == 1


def test_a_start_in_doubt_is_not_refused_because_it_may_come_back(bench):
    hand = bench.hand()
    executions, answers = hand.ask(chain("a"))
    bench.fail("lost_undone", "full", "full")
    hand.turn()
    assert answers == [{}]
    assert bench.execution(executions[0]) is not None


def test_nobody_waits_for_ever_for_a_start_in_doubt_and_it_still_happens_once(bench):
    hand = bench.hand()
    executions, answers = hand.ask(chain("a"))
    told = []
    hand.core.completions.wait(executions[0], told.append)
    later = []

    def is_away(_):
        if not answers:
            bench.fail("silent")
            later.append(hand.ask(chain("a"))[1])

    bench.paused = is_away
    began = bench.clock.monotonic()
    bench.fail("lost_undone")
    hand.turn()
    assert bench.clock.monotonic() - began == pytest.approx(30, abs=2)
    assert [type(answer) for answer in answers + told] == [CommitUnknownError] * 2
    assert "may have been started" in str(answers[0])
    hand.run()
    assert bench.execution(executions[0]).status == "Completed"
    assert {str(answer) for [answer] in later} == {
        "the execution was not started: the database was lost 30 s ago; start it again once it is back"
    }
    assert len(bench.database.rows("select id from cloaca_executions")) == 1


@pytest.mark.parametrize("fault", ["full", "locked"])
def test_a_database_without_space_or_locked_refuses_starts_with_a_typed_error(bench, fault):
    hand = bench.hand()
    executions, answers = hand.ask(chain("a"))
    bench.fail(fault)
    hand.turn()
    assert refused(answers)
    assert bench.execution(executions[0]) is None
    assert hand.submitted() == []
    assert hand.core.live == {}


def test_settles_are_tried_until_there_is_space_and_starts_are_refused_meanwhile(bench):
    hand = bench.hand()
    execution = hand.start(chain("a", "b"))
    hand.end(hand.begin())
    together, later = hand.ask(chain("a")), []
    bench.paused = lambda hand: later.append(hand.ask(chain("a")))
    bench.fail("full", "full", "full")
    hand.turn()
    bench.paused = lambda hand: None
    assert refused(together[1])
    assert [refused(answers) for _, answers in later] == [True, True, True]
    assert bench.attempts(execution) == [("a", 1, "Completed")]
    hand.run()
    assert bench.execution(execution).status == "Completed"


def test_a_start_after_the_space_has_come_back_is_taken(bench):
    hand = bench.hand()
    flow = chain("a")
    _, answers = hand.ask(flow)
    bench.fail("full")
    hand.turn()
    assert refused(answers)
    execution = hand.start(flow)
    hand.run()
    assert bench.execution(execution).status == "Completed"
    assert bench.observer.read_structures([flow.graph.structure])


def test_a_refused_row_fails_only_its_own_execution(bench):
    hand = bench.hand(slots=9)
    flow = workflow("w", {"a": lambda context: None, "b": lambda context: None}, b="a")
    innocent = [hand.start(flow) for _ in range(4)]
    guilty = hand.start(workflow("g", {"a": leave_x, "b": lambda context: None}, b="a"))
    for _ in range(5):
        hand.end(hand.begin())
    bench.faults.refused = ("REFUSED",)
    hand.turn()
    hand.turn()
    row = bench.execution(guilty)
    assert row.status == "Failed"
    assert "task 'a' failed: DatabaseError: the database refused what task 'a' left" in row.error
    hand.run()
    assert {bench.execution(execution).status for execution in innocent} == {"Completed"}
    assert hand.submitted().count(("a", 1)) == 5


def test_what_runs_beside_a_refused_task_goes_on(bench):
    hand = bench.hand()
    execution = hand.start(workflow("w", {"a": leave_x, "b": lambda context: context.set("y", 1)}))
    first, second = hand.begin(), hand.begin()
    hand.end(first)
    bench.faults.refused = ("REFUSED",)
    hand.turn()
    hand.turn()
    hand.end(second)
    hand.turn()
    assert bench.attempts(execution) == [("a", 1, "Failed"), ("b", 1, "Completed")]
    assert hand.submitted() == [("a", 1), ("b", 1)]
    failure = Failure.from_text(bench.observer.read_attempts(execution)[0].error)
    assert failure.type == "DatabaseError"


def test_of_starts_asked_for_together_all_are_refused_or_none(bench):
    hand = bench.hand()
    bench.faults.refused = ("REFUSED",)
    other, fine = hand.ask(chain("a"))
    executions, answers = hand.ask(chain("a"), {}, {"x": "REFUSED"}, {})
    hand.turn()
    assert refused(answers)
    assert [bench.execution(execution) for execution in executions] == [None] * 3
    assert fine == [{}]
    assert bench.execution(other[0]).owner == hand.core.runner
    assert len(hand.core.live) == 1


def test_a_graph_is_stored_with_the_first_start_that_is_not_refused(bench):
    hand = bench.hand()
    bench.faults.refused = ("REFUSED",)
    flow = chain("a")
    _, answers = hand.ask(flow, {"x": "REFUSED"})
    hand.turn()
    assert refused(answers)
    hand.start(flow)
    assert flow.graph.structure in bench.observer.read_structures([flow.graph.structure])


def test_a_key_gives_one_execution_also_in_a_turn_that_was_tried_again(bench):
    hand = bench.hand()
    flow = chain("a")
    first, answers = hand.ask(flow, {"n": 1}, key="k")
    again, answers_again = hand.ask(flow, {"n": 1}, key="k")
    bench.fail("lost_done", "silent")
    hand.turn()
    assert answers[0] == answers_again[0] == {again[0]: Existing(first[0], '{"n":1}')}
    assert list(hand.core.live) == first
    assert hand.submitted() == [("a", 1)]


def test_an_execution_that_is_somebody_elses_is_let_go_and_the_rest_commits(bench):
    hand = bench.hand()
    taken, kept = hand.start(chain("a")), hand.start(chain("b"))
    for _ in range(2):
        hand.end(hand.begin())
    bench.hand().store.release(hand.core.runner, [taken], now=0.0)
    hand.turn()
    assert bench.attempts(taken) == []
    assert bench.attempts(kept) == [("b", 1, "Completed")]
    assert hand.core.live == {}


def test_a_runner_that_was_declared_dead_forgets_everything_and_joins_anew(bench):
    hand, other = bench.hand(), bench.hand()
    before = hand.core.runner
    execution = hand.start(chain("a", "b"))
    job = hand.begin()
    hand.store.look_dead()
    other.take_over()
    assert bench.execution(execution).owner is None
    asked, answers = hand.ask(chain("c"))
    hand.turn()
    assert job.cancelled
    late = hand.executor.end(job)
    assert bench.commits(lambda: hand.turn(late)) == 2, (
        "a claim, then the start of both executions' first tasks"
    )
    assert hand.core.runner != before
    assert bench.execution(execution).owner == hand.core.runner
    assert bench.attempts(execution) == [("a", 1, "Running")], (
        "the late outcome of the first claim is dropped"
    )
    assert answers == [{}]
    assert bench.execution(asked[0]).owner == hand.core.runner


def test_a_runner_that_was_declared_dead_notices_without_having_anything_to_commit(bench):
    hand, other = bench.hand(), bench.hand()
    hand.core.plan_of(chain("a"))
    before = hand.core.runner
    hand.store.look_dead()
    other.take_over()
    hand.turn()
    assert hand.core.runner != before


def test_a_start_committed_before_its_runner_was_declared_dead_is_not_run_beside_its_new_owner(bench):
    hand, other = bench.hand(), bench.hand()
    other.core.plan_of(chain("a"))
    executions, answers = hand.ask(chain("a"))

    def take_over(_):
        bench.paused = lambda hand: None
        hand.store.look_dead()
        other.take_over()

    bench.paused = take_over
    bench.fail("lost_done")
    hand.turn()
    hand.turn()
    assert answers == [{executions[0]: Existing(executions[0], "{}")}]
    assert bench.execution(executions[0]).owner == other.core.runner
    assert hand.submitted() == []


def test_joining_again_waits_until_the_database_is_there(bench):
    hand, other = bench.hand(), bench.hand()
    hand.store.look_dead()
    other.take_over()
    join = hand.engine.ownership.join

    def hard_to_join():
        bench.fail(*hindrances)
        hindrances.clear()
        join()

    hindrances = ["locked", "locked", "lost_undone", "lost_done"]
    hand.engine.ownership.join = hard_to_join
    executions, answers = hand.ask(chain("a"))
    hand.turn()
    hand.turn()
    assert answers == [{}]
    execution = executions[0]
    hand.run()
    assert bench.execution(execution).status == "Completed"


def test_a_claim_whose_answer_was_lost_is_given_back_and_claimed(bench):
    gone = bench.hand()
    executions, _ = gone.ask(chain("a"), {}, {}, {})
    gone.turn()
    bench.crash(gone)
    hand = bench.hand()
    hand.core.plan_of(chain("a"))
    bench.clock.move(1.5)
    hand.core.backlog = True
    bench.fail("lost_done")
    hand.turn()
    bench.clock.move(1.5)
    hand.turn()
    hand.turn()
    hand.run()
    assert {bench.execution(execution).status for execution in executions} == {"Completed"}
    assert len(hand.submitted()) == 3


def test_an_unreadable_database_does_not_end_the_engine(bench):
    hand = bench.hand()
    execution = hand.start(chain("a"))
    for _ in range(3):
        bench.clock.move(1.5)
        bench.fail("unreadable", "unreadable", "unreadable")
        hand.turn()
    bench.faults.coming.clear()
    hand.run()
    assert bench.execution(execution).status == "Completed"


def test_a_runner_that_is_to_stop_does_not_wait_for_ever_for_the_database(bench):
    hand = bench.hand()
    execution = hand.start(chain("a"))
    hand.end(hand.begin())
    asked = []

    def stop(_):
        hand.inbox.put(Stop(1.0))
        asked.append(hand.ask(chain("b"))[1])

    bench.paused = stop
    bench.fail(*["locked"] * 100)
    hand.turn()
    assert len(bench.faults.coming) > 50
    assert bench.attempts(execution) == []


def test_a_start_that_is_left_in_doubt_at_the_end_says_so(bench):
    hand = bench.hand()
    _, answers = hand.ask(chain("a"))

    def stop(_):
        hand.inbox.put(Stop(1.0))
        bench.fail(*["locked"] * 10)

    bench.paused = stop
    bench.fail("lost_undone")
    hand.turn()
    assert isinstance(answers[0], RunnerError)
    assert "may have been started" in str(answers[0])


def test_a_runner_leaves_nothing_behind_that_it_owns_without_knowing(bench):
    hand = bench.hand()
    execution = hand.start(chain("a"))
    hand.core.live.clear()
    hand.engine.ownership.leave()
    assert bench.execution(execution).owner is None
    assert bench.observer.other_runners() == []


def test_a_runner_that_is_silent_for_its_lease_is_replaced_without_suspecting_what_it_ran(bench):
    """As one does that is stopped: it holds its lock. When it goes on it writes nothing of what it had."""
    stopped, other = bench.hand(lease_seconds=5.0), bench.hand(lease_seconds=5.0)
    execution = stopped.start(chain("a"))
    job, before = stopped.begin(), stopped.core.runner
    other.core.plan_of(chain("a"))
    for _ in range(4):
        bench.clock.move(1.25)
        other.turn()
        assert bench.execution(execution).owner == before
    bench.clock.move(1.25)
    other.turn()
    assert bench.execution(execution).owner == other.core.runner
    assert bench.attempts(execution) == []
    stopped.turn(stopped.executor.end(job))
    assert stopped.core.runner != before
    assert bench.attempts(execution) == []
    other.run()
    assert bench.attempts(execution) == [("a", 1, "Completed")]


def test_a_runner_that_was_stopped_for_its_lease_starts_no_body_before_it_knows_what_it_still_owns(bench):
    settings = {"heartbeat_seconds": 2.0, "lease_seconds": 5.0}
    stopped, other = bench.hand(**settings), bench.hand(**settings)
    taken, kept = stopped.start(chain("a", "b")), chain("c")
    other.core.plan_of(chain("a", "b"))
    for _ in range(5):
        bench.clock.move(1.25)
        other.turn()
    assert bench.execution(taken).owner == other.core.runner
    other.run()
    assert stopped.begin() is None
    stopped.turn()
    assert stopped.begin() is None
    execution = stopped.start(kept)
    bench.clock.move(5.0)
    assert stopped.begin() is None
    stopped.engine.heartbeat.beat(bench.clock.monotonic())
    assert stopped.begin().execution_id == execution


def test_a_runner_that_was_stopped_before_it_read_what_it_had_claimed_starts_nothing_of_it(bench):
    leaving, stopped = bench.hand(), bench.hand(heartbeat_seconds=2.0, lease_seconds=5.0)
    execution = leaving.start(chain("a"))
    leaving.engine.ownership.leave()
    stopped.core.plan_of(chain("a"))
    claim = stopped.store.claim

    def claim_and_stop(*known, **how):
        claimed = claim(*known, **how)
        bench.clock.move(5.0)
        return claimed

    stopped.store.claim = claim_and_stop
    bench.clock.move(1.25)
    stopped.turn()
    assert bench.execution(execution).owner == stopped.core.runner
    assert stopped.begin() is None
    stopped.turn()
    assert stopped.begin().execution_id == execution


def test_a_failed_commit_that_another_crash_brings_back_does_not_unseat_the_runner(bench):
    """An I/O error, a full disk, and then the log is recovered with what was refused."""
    hand, other = bench.hand(), bench.hand()
    before = hand.core.runner
    bench.fail("lost_undone", "full")
    bench.clock.move(10.0)
    hand.turn()
    bench.clock.move(1.0)
    hand.turn()
    assert not bench.faults.coming
    bench.crash(other)
    execution = hand.start(chain("a"))
    assert hand.core.runner == before
    hand.run()
    assert bench.attempts(execution) == [("a", 1, "Completed")]


def test_a_database_that_stays_away_is_reported_once_a_minute(bench, caplog):
    hand = bench.hand()
    execution = hand.start(chain("a"))
    hand.end(hand.begin())
    bench.fail(*["locked"] * 90)
    hand.turn()
    assert bench.execution(execution).status == "Completed"
    reports = [
        record for record in caplog.records if record.getMessage().startswith("a turn could not be committed")
    ]
    assert len(reports) == 2
