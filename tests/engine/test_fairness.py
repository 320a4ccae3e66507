"""Who gets the next slot."""

from cloaca.engine.executors import Executors
from cloaca.executors.job import Job
from cloaca.model.view import View
from tests.engine.bench import chain, workflow
from tests.engine.hands import HandClock, HandExecutor


def test_a_chain_behind_a_wide_fan_out_is_not_held_up(bench):
    hand = bench.hand(slots=2)
    fan = workflow("fan", {f"t{n}": print for n in range(2000)})
    wide = hand.start(fan)
    narrow = hand.start(chain("a", "b", "c"))
    bodies = 0
    while bench.execution(narrow).finished_at is None:
        hand.end(hand.begin())
        hand.turn()
        bodies += 1
    assert bodies <= 7
    assert bench.execution(wide).finished_at is None


def test_executions_take_turns_and_each_keeps_its_order(bench):
    hand = bench.hand(slots=10)
    flow = workflow("w", {"a": print, "b": print, "c": print})
    one, two = hand.start(flow), hand.start(flow)
    begun = [(job.execution_id, job.task.id) for job in (hand.begin() for _ in range(6))]
    assert begun == [(one, "a"), (two, "a"), (one, "b"), (two, "b"), (one, "c"), (two, "c")]


def test_no_more_bodies_run_than_there_are_slots(bench):
    hand = bench.hand(slots=2)
    hand.start(workflow("w", {"a": print, "b": print, "c": print}))
    first = hand.begin()
    assert hand.begin() is not None
    assert hand.begin() is None
    hand.end(first)
    assert hand.begin() is not None


def test_an_execution_that_is_given_up_leaves_the_queue(bench):
    hand = bench.hand(slots=1, workflow_timeout_seconds=5.0)
    hand.start(workflow("w", {"a": print, "b": print}))
    hand.begin()
    bench.clock.move(6)
    hand.turn()
    assert hand.begin() is None


def test_an_executor_made_while_the_others_are_held_is_held_too():
    clock = HandClock()
    late = HandExecutor(clock)
    executors = Executors(HandExecutor(clock), lambda: late)

    async def body(context): ...

    job = job_of(workflow("w", {"a": body}))
    executors.hold()
    executors.submit([job])
    assert late.take() is None
    executors.resume()
    assert late.take() is job


def job_of(flow):
    return Job("e", flow.name, 0, 1, 1, flow.bound[0], View.initial({}), 1.0)


def test_what_waits_for_a_slot_is_given_to_a_runner_that_joins(bench):
    ran = []
    flow = workflow("w", {"a": lambda context: ran.append("a"), "b": lambda context: ran.append("b")}, b="a")
    alone = bench.hand(slots=2)
    started = [alone.start(flow) for _ in range(12)]
    running = [alone.begin(), alone.begin()]
    other = bench.hand(slots=2)
    other.core.plan_of(flow)
    bench.clock.move(2)
    for _ in range(4):
        alone.turn()
    assert list(alone.core.live) == started[:6]
    assert {bench.execution(id).owner for id in started[6:]} == {None}
    bench.clock.move(2)
    other.turn()
    assert list(other.core.live) == started[6:10]
    for job in running:
        alone.end(job)
    for _ in range(12):
        for hand in (alone, other):
            hand.run()
            bench.clock.move(2)
            hand.turn()
    assert {bench.execution(id).status for id in started} == {"Completed"}
    assert sorted(ran) == ["a"] * 12 + ["b"] * 12


def test_an_execution_of_which_something_runs_is_kept(bench):
    alone = bench.hand(slots=1)
    wide = [alone.start(workflow("w", {"a": print, "b": print})) for _ in range(4)]
    body = alone.begin()
    bench.hand()
    bench.clock.move(2)
    for _ in range(4):
        alone.turn()
    assert body.execution_id == wide[0]
    assert list(alone.core.live) == wide[:3]
    assert alone.begin() is None
    alone.end(body)
    alone.run()
    assert [bench.execution(id).status for id in wide[:3]] == ["Completed"] * 3


def test_nothing_is_given_back_once_the_other_runner_is_gone(bench):
    alone = bench.hand(slots=1)
    started = [alone.start(chain("a")) for _ in range(8)]
    alone.begin()
    other = bench.hand()
    bench.clock.move(2)
    alone.engine.turn([])
    alone.core.crowded = False
    bench.crash(other)
    for _ in range(20):
        alone.turn()
    assert list(alone.core.live) == started
