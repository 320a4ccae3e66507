"""Why an execution is not further: one scene for each reason."""

import re
import threading

import pytest

import cloaca
from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.errors import WorkflowValidationError
from cloaca.insights.reasons import ReasonKind
from cloaca.insights.service import Insights
from cloaca.model.retry import RetryPolicy
from cloaca.model.rules import task_failed
from cloaca.model.steering import cancel, pause
from tests.engine.bench import chain, workflow
from tests.store.rows import Structure, batch_of, settle, start
from tests.world import SOON, workflow_of

TIME = r"1970-01-12 13:46:\d\d UTC"
AT_RUNNER = r"runner r\d+ \(process \d+ on \S+\)"


class Scene:
    """A bench, and who is asked about it: somebody who has the code that is run here."""

    def __init__(self, bench):
        self.bench = bench
        self.code = None
        self.insights = Insights(
            bench.observer, code_of=self.code_of, limit_of=lambda *names: 7.5, now=bench.clock.now
        )

    def code_of(self, name):
        return self.code(name) if callable(self.code) else self.code

    def run(self, workflow, **settings):
        """An execution of which everything has run that can."""
        hand = self.bench.hand(**settings)
        execution = hand.start(workflow)
        hand.run()
        return execution, hand

    def begun(self, *bodies, slots=4):
        """An execution whose roots, so many as there are slots, have begun and are noted as running."""
        hand = self.bench.hand(slots=slots)
        execution = hand.start(workflow("w", {f"t{n}": body for n, body in enumerate(bodies)}))
        while hand.begin():
            pass
        self.bench.clock.move(0.2)
        hand.turn()
        return execution, hand

    def steer(self, execution, verb):
        self.bench.observer.steering.apply(execution, verb, self.bench.clock.now())


@pytest.fixture
def scene(bench):
    return Scene(bench)


def nothing(context): ...


def failing(context):
    raise OSError("no route")


def rows_of(explanation, execution):
    """The reasons with what differs from run to run replaced."""
    return [
        (reason.kind.value, reason.task, re.sub(AT_RUNNER, "RUNNER", re.sub(TIME, "TIME", reason.text)),
         reason.next_step and reason.next_step.replace(execution, "ID"))
        for reason in explanation.reasons
    ]  # fmt: skip


def test_one_that_completed_has_ended(scene):
    execution, _ = scene.run(chain("a"))
    assert rows_of(scene.insights.explain(execution), execution) == [
        ("Ended", None, "it has ended as Completed", "cloaca show ID")
    ]


def test_one_that_failed_says_what_failed_and_what_was_skipped(scene):
    execution, _ = scene.run(workflow("w", {"a": failing, "b": nothing}, b="a"))
    assert rows_of(scene.insights.explain(execution), execution) == [
        ("Ended", None, "it has ended as Failed: task 'a' failed: OSError: no route", "cloaca retry ID"),
        ("Skipped", "b", "task 'b' was skipped: upstream failed: 'a'", None),
    ]


def test_one_that_was_cancelled_can_be_retried(scene):
    execution, _ = scene.begun(nothing)
    scene.steer(execution, cancel)
    assert rows_of(scene.insights.explain(execution), execution) == [
        ("Ended", None, "it has ended as Cancelled", "cloaca retry ID")
    ]


def test_a_rule_that_skips_a_task_is_named(scene):
    ruled = {"function": nothing, "trigger_rules": task_failed("a")}
    execution, _ = scene.run(workflow("w", {"a": nothing, "b": ruled}, b="a"))
    assert rows_of(scene.insights.explain(execution), execution)[1] == (
        "Skipped", "b", "task 'b' was skipped: rule task_failed('a') is false: 'a' is Completed", None,
    )  # fmt: skip


def test_a_pause_is_named_with_its_time_and_with_what_still_runs(scene):
    execution, _ = scene.begun(nothing)
    scene.steer(execution, pause)
    assert rows_of(scene.insights.explain(execution), execution) == [
        ("Paused", None, "it is paused since TIME; running tasks may still finish", "cloaca resume ID"),
        ("Running", "t0", "task 't0', attempt 1, runs at RUNNER, started at TIME, timeout 7.5 s", None),
    ]


def test_a_pause_of_what_nobody_has_is_all_that_holds_it(scene):
    execution, hand = scene.begun(nothing)
    scene.steer(execution, pause)
    hand.engine.ownership.leave()
    assert rows_of(scene.insights.explain(execution), execution) == [
        ("Paused", None, "it is paused since TIME", "cloaca resume ID")
    ]


def test_a_body_that_runs_is_named_with_what_waits_for_it_and_for_a_slot(scene):
    hand = scene.bench.hand(slots=1)
    execution = hand.start(workflow("w", {"a": nothing, "b": nothing, "c": nothing}, c="a b"))
    hand.begin()
    scene.bench.clock.move(0.2)
    hand.turn()
    assert rows_of(scene.insights.explain(execution), execution) == [
        ("Running", "a", "task 'a', attempt 1, runs at RUNNER, started at TIME, timeout 7.5 s", None),
        ("Slot", "b", "task 'b' waits for a slot at RUNNER, or started there less than 100 ms ago", None),
        ("Dependency", "c", "task 'c' waits for 'a', 'b'", None),
    ]


def test_a_retry_is_named_with_its_time_also_when_nobody_has_it(scene):
    retried = {"function": failing, "retry": RetryPolicy(2, initial_delay=5)}
    execution, hand = scene.run(workflow("w", {"a": retried}))
    told = ("Retry", "a", "task 'a' failed, OSError: no route: attempt 2 is due at TIME", None)
    assert rows_of(scene.insights.explain(execution), execution) == [told]
    hand.engine.ownership.leave()
    scene.bench.clock.move(9)
    first, second = rows_of(scene.insights.explain(execution), execution)
    assert first[0] == "Code"
    assert second[2] == "task 'a' failed, OSError: no route: attempt 2 was due at TIME"


def test_a_suspect_waits_for_its_turn(scene):
    execution, hand = scene.begun(nothing)
    scene.bench.crash(hand)
    other = scene.bench.hand()
    other.take_over()
    (_, reason) = rows_of(scene.insights.explain(execution), execution)
    assert reason == (
        "Suspect", "t0",
        "task 't0' may have crashed its process once: it runs alone next", None,
    )  # fmt: skip


def test_an_owner_that_has_ended_is_named(scene):
    execution, hand = scene.begun(nothing)
    scene.bench.crash(hand)
    assert rows_of(scene.insights.explain(execution), execution) == [(
        "Lease", None,
        "RUNNER owns it, but has ended or lost its connection: another runner takes over as soon as that is certain",
        "cloaca worker MODULE",
    )]  # fmt: skip


def test_an_owner_that_is_silent_is_named_with_since_when(scene):
    execution, hand = scene.begun(nothing)
    assert len(scene.insights.explain(execution).reasons) == 1
    scene.bench.clock.move(19)
    assert len(scene.insights.explain(execution).reasons) == 1
    scene.bench.clock.move(2)
    assert rows_of(scene.insights.explain(execution), execution)[0] == (
        "Lease", None, "RUNNER owns it, but has been silent since TIME: another runner takes over when its lease ends",
        "cloaca worker MODULE",
    )  # fmt: skip
    hand.turn()
    hand.store.beat()
    assert scene.insights.explain(execution).reasons[0].kind == "Running"


def test_an_owner_that_is_nowhere_is_named(scene):
    execution, hand = scene.begun(nothing)
    hand.store.leave()
    _, _, text, next_step = rows_of(scene.insights.explain(execution), execution)[0]
    assert text.endswith(
        "owns it, but is not among the runners of this database: no runner takes over from it"
    )
    assert next_step == "cloaca cancel ID"


def test_an_owner_that_ends_it_and_leaves_between_two_reads_is_not_blamed(scene, monkeypatch):
    execution, hand = scene.begun(nothing)
    read = scene.bench.observer.runners

    def runners():
        if scene.bench.execution(execution).finished_at is None:
            hand.end(hand.executor.jobs[0])
            hand.turn()
            hand.engine.ownership.leave()
        return read()

    monkeypatch.setattr(scene.bench.observer, "runners", runners)
    assert str(scene.insights.explain(execution)) == "it has ended as Completed"


def unbuildable(name):
    raise WorkflowValidationError("it is empty")


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (None, "Code", "it waits for its code: workflow 'chain' is not registered in this process: import its module"),
        (("other", None), "Code", "it waits for its code: workflow 'chain' has different tasks, dependencies or rules here"),
        (("same", "v2"), "Code", "it waits for its code: version v of workflow 'chain'; version v2 is registered here"),
        (unbuildable, "Code", "it waits for its code: workflow 'chain' cannot be built here, it is empty"),
        (("same", "v"), "Runner", "it waits for a runner with capacity"),
    ],
)  # fmt: skip
def test_what_nobody_has_waits_for_its_code_or_a_runner(scene, code, kind, text):
    built = chain("a", "b")
    hand = scene.bench.hand()
    execution = hand.start(built)
    hand.engine.ownership.leave()
    if isinstance(code, tuple):
        code = (built.graph.structure if code[0] == "same" else code[0], code[1])
    scene.code = code
    first, *others = rows_of(scene.insights.explain(execution), execution)
    assert (first[0], first[3]) == (kind, "cloaca worker MODULE")
    assert first[2].startswith(text)
    assert first[2].endswith("no runner is using this database")
    assert [other[:2] for other in others] == [("Dependency", "b")]


def test_one_whose_end_is_not_stored_yet_says_so(scene):
    store = scene.bench.observer
    store.join("r9", scene.bench.clock.now())
    structure = Structure("s", "w", '{"name": "w", "tasks": {"a": []}}')
    store.commit(batch_of(structure, start("e", "r9"), settle("e", "r9")))
    (reason,) = scene.insights.explain("e").reasons
    store.leave()
    assert reason.kind is ReasonKind.ENDING
    assert reason.text.startswith("all its tasks have ended: runner r9")


def test_a_body_that_has_given_its_slot_back_is_deferred(runner):
    goes_on = threading.Event()

    def waits(context, handle):
        handle.defer_until(goes_on.is_set, poll_interval_ms=10)

    workflow_of("defers", waits, timeout_seconds=60)
    handle = runner.start("defers")
    while (reason := handle.explain().reasons[0]).kind is not ReasonKind.DEFERRED:
        assert not handle.wait(0.01)
    goes_on.set()
    assert re.fullmatch(
        r"task 'waits', attempt 1, waits for its condition without a slot at runner \S+ \(process \d+ on \S+\), started at "
        r"[-\d]+ [:\d]+ UTC, timeout 60 s", reason.text
    )  # fmt: skip
    assert handle.result(SOON).status == "Completed"


def test_a_client_knows_no_code(client):
    handle = client.start("w")
    assert str(handle.explain()) == (
        "it waits for a runner with capacity in a process that has registered workflow 'w'; no runner is using this "
        "database"
    )
    with pytest.raises(cloaca.ExecutionNotFoundError):
        client.explain("absent")


def test_every_kind_of_reason_has_a_scene():
    with open(__file__, encoding="utf-8") as file:
        source = file.read()
    assert [
        kind for kind in ReasonKind if f'"{kind}"' not in source and f"ReasonKind.{kind.name}" not in source
    ] == []


def test_a_workflow_in_another_registry_is_bound_by_the_runners_limit(runner):
    built = Workflow("limits", tasks=[Task(nothing, id="a"), Task(nothing, id="b", timeout_seconds=3)])
    runner.start(built).result(SOON)
    limits = [runner._workflows.limit_of("limits", task) for task in ("a", "b", "c")]
    assert (limits, runner._workflows.limit_of("absent", "a")) == ([300, 3, None], None)
