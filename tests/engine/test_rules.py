"""When rules are asked, and what of the answer a crash leaves."""

import pytest

from cloaca.model.retry import RetryPolicy
from cloaca.model.rules import all_of, always, context_value, none_of, task_failed, task_skipped, task_success
from cloaca.store.rows import Existing
from tests.engine.bench import workflow
from tests.engine.faults import Crash


def nothing(context): ...


def broken(context):
    raise ValueError("no")


def sets_n(context):
    context["n"] = 3


def ruled(rule, function=nothing):
    return {"function": function, "trigger_rules": rule}


def fallback(first, name="w", **options):
    """``first``, a task for when it fails, one for when it does not, and one after each without a rule."""
    return workflow(
        name,
        {
            "first": {"function": first, **options},
            "mend": ruled(task_failed("first"), lambda context: context.set("mended", True)),
            "use": ruled(task_success("first")),
            "after_mend": nothing,
            "after_use": nothing,
        },
        mend="first", use="first", after_mend="mend", after_use="use",
    )  # fmt: skip


def test_a_skip_is_committed_with_what_decided_it(bench):
    hand = bench.hand()
    execution = hand.start(fallback(nothing))
    hand.end(hand.begin())
    assert bench.commits(hand.turn) == 1
    assert bench.attempts(execution) == [("first", 1, "Completed"), ("mend", 0, "Skipped")]
    reasons = {row.task: row.reason for row in bench.observer.read_attempts(execution)}
    assert reasons["mend"] == "rule task_failed('first') is false: 'first' is Completed"
    assert hand.submitted() == [("first", 1), ("use", 1), ("after_mend", 1)]


def test_a_skip_reaches_as_far_as_rules_let_it_in_one_commit(bench):
    flow = workflow(
        "w",
        {
            "a": sets_n,
            "b": ruled(context_value("n", ">", 3)),
            "c": ruled(all_of(task_skipped("b"), context_value("n", "!=", 3))),
            "d": ruled(none_of(task_skipped("c"))),
            "e": ruled(task_success("d")),
        },
        b="a", c="b", d="c", e="d",
    )  # fmt: skip
    hand = bench.hand()
    execution = hand.start(flow)
    hand.end(hand.begin())
    assert bench.commits(hand.turn) == 1
    assert bench.attempts(execution) == [("a", 1, "Completed")] + [(task, 0, "Skipped") for task in "bcde"]
    assert bench.execution(execution).status == "Completed"


@pytest.mark.parametrize("fault", ["crash_before", "crash_after"])
def test_a_crash_around_the_commit_of_a_skip_changes_no_decision(bench, fault):
    hand, flow = bench.hand(), fallback(broken)
    execution = hand.start(flow)
    hand.end(hand.begin())
    bench.fail(fault)
    with pytest.raises(Crash):
        hand.turn()
    bench.crash(hand)
    hand = bench.hand()
    hand.core.plan_of(flow)
    hand.take_over()
    hand.run()
    assert sorted(bench.attempts(execution)) == [
        ("after_mend", 1, "Completed"),
        ("after_use", 1, "Completed"),
        ("first", 1, "Failed"),
        ("mend", 1, "Completed"),
        ("use", 0, "Skipped"),
    ]
    row = bench.execution(execution)
    assert (row.status, row.error) == ("Completed", None)


def test_a_rule_is_not_asked_while_a_dependency_waits_for_its_retry(bench):
    hand = bench.hand()
    execution = hand.start(fallback(broken, retry=RetryPolicy(1, initial_delay=5)))
    hand.end(hand.begin())
    hand.turn()
    assert bench.attempts(execution) == [("first", 1, "Failed")]
    assert hand.submitted() == [("first", 1)]
    bench.clock.move(7)
    hand.run()
    assert ("mend", 1, "Completed") in bench.attempts(execution)


def root(rule, name="w"):
    return workflow(name, {"a": ruled(rule), "b": nothing, "c": nothing}, c="a")


def test_a_root_is_skipped_by_the_initial_context(bench):
    hand = bench.hand()
    execution = hand.start(root(context_value("dry", "NotExists")), {"dry": True})
    hand.run()
    assert sorted(bench.attempts(execution)) == [
        ("a", 0, "Skipped"),
        ("b", 1, "Completed"),
        ("c", 1, "Completed"),
    ]
    assert bench.execution(execution).status == "Completed"


def test_a_root_whose_rule_holds_costs_no_commit(bench):
    hand = bench.hand()

    def work():
        hand.start(workflow("w", {"a": ruled(context_value("dry", "NotExists"))}))
        hand.run()

    assert bench.commits(work) == 2


def test_an_execution_of_which_every_task_is_skipped_ends(bench):
    hand = bench.hand()
    execution = hand.start(workflow("w", {"a": ruled(context_value("x", "Exists"))}))
    hand.run()
    assert bench.execution(execution).status == "Completed"
    assert hand.core.live == {}


def test_a_start_that_loses_to_an_earlier_one_of_its_key_is_answered_and_writes_nothing(bench):
    hand, flow = bench.hand(), root(context_value("x", "Exists"))
    first, _ = hand.ask(flow, key="k")
    again, answers = hand.ask(flow, key="k")
    hand.turn()
    hand.run()
    assert answers == [{again[0]: Existing(first[0], "{}")}]
    assert bench.attempts(again[0]) == []
    assert bench.execution(first[0]).status == "Completed"


def test_a_root_is_skipped_by_whoever_claims_its_execution(bench):
    hand = bench.hand(window=1)
    executions, _ = hand.ask(root(context_value("x", "Exists")), {}, {}, {"x": 1})
    hand.turn()
    for _ in range(9):
        hand.run()
        hand.turn()
    assert [{task: status for task, _, status in bench.attempts(e)}["a"] for e in executions] == [
        "Skipped",
        "Skipped",
        "Completed",
    ]


def test_a_suspect_that_turns_out_to_be_skipped_never_runs(bench):
    hand, flow = bench.hand(), root(context_value("x", "Exists"))
    execution = hand.start(flow)
    bench.crash(hand)
    hand = bench.hand()
    hand.core.plan_of(flow)
    hand.take_over()
    assert ("a", 1, "Suspect") in bench.attempts(execution) or ("a", 1, "Skipped") in bench.attempts(
        execution
    )
    for _ in range(9):
        hand.run()
        bench.clock.move(2)
        hand.turn()
    assert "a" not in [task for task, _ in hand.submitted()]
    assert sorted(bench.attempts(execution)) == [
        ("a", 1, "Skipped"),
        ("b", 1, "Completed"),
        ("c", 1, "Completed"),
    ]
    bench.crash(hand)


def test_what_is_restored_comes_to_the_same_decisions(bench):
    flow = workflow(
        "w",
        {
            "a": sets_n,
            "b": broken,
            "both": ruled(all_of(task_success("a"), task_failed("b"), context_value("n", "==", 3))),
            "not_both": ruled(none_of(task_success("a"), task_failed("b"))),
            "last": ruled(always()),
        },
        both="a b", not_both="a b", last="both not_both",
    )  # fmt: skip
    hand = bench.hand()
    execution = hand.start(flow)
    for _ in range(6):
        if bench.execution(execution).finished_at is None:
            job = hand.begin()
            if job is not None:
                hand.end(job)
                hand.turn()
        bench.crash(hand)
        hand = bench.hand()
        hand.core.plan_of(flow)
        hand.take_over()
        hand.turn()
        bench.clock.move(61)
    hand.run()
    statuses = {task: status for task, _, status in bench.attempts(execution)}
    assert statuses == {
        "a": "Completed",
        "b": "Failed",
        "both": "Completed",
        "not_both": "Skipped",
        "last": "Completed",
    }
    assert bench.execution(execution).status == "Completed"


def test_nothing_starts_once_the_execution_has_taken_too_long_whatever_its_rule(bench):
    hand = bench.hand(workflow_timeout_seconds=5.0)
    execution = hand.start(fallback(nothing))
    hand.begin()
    bench.clock.move(5.1)
    hand.turn()
    assert sorted(bench.attempts(execution)) == [
        ("after_mend", 0, "Skipped"),
        ("after_use", 0, "Skipped"),
        ("first", 1, "Failed"),
        ("mend", 0, "Skipped"),
        ("use", 0, "Skipped"),
    ]
    row = bench.execution(execution)
    assert row.status == "Failed"
    assert "workflow_timeout_seconds of 5" in row.error
    assert hand.submitted() == [("first", 1)]


def test_a_failure_is_handled_by_a_task_that_asked_for_it_and_completed(bench):
    flow = workflow(
        "w",
        {
            "a": broken,
            "b": broken,
            "mends_a": ruled(task_failed("a")),
            "fails_to_mend_b": ruled(task_failed("b"), broken),
        },
        mends_a="a b", fails_to_mend_b="b",
    )  # fmt: skip
    hand = bench.hand()
    execution = hand.start(flow)
    hand.run()
    row = bench.execution(execution)
    assert (row.status, row.error) == (
        "Failed",
        "task 'b' failed: ValueError: no; task 'fails_to_mend_b' failed: ValueError: no",
    )


def test_a_task_that_runs_whatever_happens_does_not_handle_a_failure(bench):
    flow = workflow(
        "w", {"a": broken, "b": ruled(always()), "c": ruled(none_of(task_success("a")))}, b="a", c="a"
    )
    hand = bench.hand()
    execution = hand.start(flow)
    hand.run()
    assert sorted(bench.attempts(execution)) == [
        ("a", 1, "Failed"),
        ("b", 1, "Completed"),
        ("c", 1, "Completed"),
    ]
    assert bench.execution(execution).error == "task 'a' failed: ValueError: no"
