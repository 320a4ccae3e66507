"""Trigger rules as a user meets them."""

import threading

import pytest

import cloaca
from tests.world import SOON


def broken(context):
    raise ConnectionError("no route")


def ran(key):
    return lambda context: context.set(key, True)


def sets(**data):
    return lambda context: context.update_from_dict(data)


def build(name="w", **tasks):
    """Tasks by id: a body, or (body, dependencies, rule)."""
    with cloaca.WorkflowBuilder(name) as builder:
        for id, task in tasks.items():
            body, dependencies, rule = task if isinstance(task, tuple) else (task, [], None)
            cloaca.task(id=id, dependencies=dependencies, trigger_rules=rule)(body)
    return builder.build()


def statuses(result):
    return {id: str(task.status) for id, task in result.tasks.items()}


RULES = {
    "always": (cloaca.always(), True),
    "success": (cloaca.task_success("good"), True),
    "failed": (cloaca.task_failed("good"), False),
    "skipped": (cloaca.task_skipped("skip"), True),
    "value": (cloaca.context_value("n", "greater_than", 2), True),
    "no value": (cloaca.context_value("left_by_bad", "Exists"), False),
    "all": (cloaca.all_of(cloaca.task_success("good"), cloaca.task_failed("bad")), True),
    "any": (cloaca.any_of(cloaca.task_failed("good"), cloaca.task_skipped("bad")), False),
    "none": (cloaca.none_of(cloaca.task_failed("good"), cloaca.task_skipped("bad")), True),
}


@pytest.mark.parametrize("name", RULES)
def test_a_task_runs_where_its_rule_holds_and_is_skipped_where_not(make_runner, name):
    rule, holds = RULES[name]

    def bad(context):
        context["left_by_bad"] = True
        raise ValueError("no")

    build(
        good=sets(n=3),
        bad=bad,
        skip=(ran("skip"), ["good"], cloaca.task_failed("good")),
        ruled=(ran("ruled"), ["good", "bad", "skip"], rule),
    )
    result = make_runner(":memory:").execute("w")
    task = result.tasks["ruled"]
    assert task.status == ("Completed" if holds else "Skipped")
    assert result.final_context.get("ruled") is (True if holds else None)
    assert result.final_context.get("skip") is None
    if not holds:
        assert task.reason.startswith(f"rule {rule} is false: ")
        assert (task.attempts, task.error) == ([], None)


def test_a_workflow_of_which_a_task_was_skipped_has_completed(runner):
    build(first=sets(n=1), optional=(ran("optional_ran"), ["first"], cloaca.context_value("n", ">", 1)))
    result = runner.execute("w")
    assert (result.status, result.error_message) == ("Completed", None)
    assert "optional_ran" not in result.final_context


def test_a_join_past_a_task_that_its_own_rule_skipped_runs(runner):
    build(
        first=sets(n=1),
        optional=(ran("optional"), ["first"], cloaca.task_failed("first")),
        join=(ran("join"), ["first", "optional"], None),
    )
    result = runner.execute("w")
    assert statuses(result) == {"first": "Completed", "optional": "Skipped", "join": "Completed"}
    assert result.final_context.data == {"n": 1, "join": True}


def test_what_a_failure_skips_skips_what_depends_on_it(runner):
    build(
        bad=broken,
        below=(ran("below"), ["bad"], None),
        far_below=(ran("far"), ["below"], None),
        told=(ran("told"), ["far_below"], cloaca.task_skipped("far_below")),
    )
    result = runner.execute("w")
    assert statuses(result) == {
        "bad": "Failed",
        "below": "Skipped",
        "far_below": "Skipped",
        "told": "Completed",
    }
    assert result.tasks["far_below"].reason == "upstream failed: 'bad'"
    assert result.status == "Failed"


@pytest.mark.parametrize("name", ["fetch", "public::embedded::w::fetch"])
def test_a_fallback_that_completes_handles_the_failure(runner, name):
    build(
        fetch=broken,
        from_cache=(sets(rows=[1]), ["fetch"], cloaca.task_failed(name)),
        load=(lambda context: context.set("loaded", len(context["rows"])), ["from_cache"], None),
    )
    result = runner.execute("w", check=True)
    assert (result.status, result.error_message, result["loaded"]) == ("Completed", None, 1)
    assert statuses(result) == {"fetch": "Failed", "from_cache": "Completed", "load": "Completed"}
    assert result.tasks["fetch"].error.message == "no route"
    stored = runner.get_execution(result.execution_id)
    assert (stored.status, stored.error_message, stored.tasks) == ("Completed", None, result.tasks)
    assert stored.context == result.final_context


def test_a_fallback_waits_for_the_last_retry(runner):
    seen = []

    def flaky(context, handle):
        seen.append(handle.attempt)
        if handle.attempt < 3:
            raise ValueError("not yet")

    with cloaca.WorkflowBuilder("w"):
        cloaca.task(id="flaky", retry_attempts=2, retry_delay_ms=0)(flaky)
        cloaca.task(id="mend", dependencies=["flaky"], trigger_rules=cloaca.task_failed("flaky"))(
            ran("mended")
        )
    result = runner.execute("w")
    assert seen == [1, 2, 3]
    assert statuses(result) == {"flaky": "Completed", "mend": "Skipped"}


def test_what_is_raised_of_a_failed_execution_is_what_was_not_handled(runner):
    release = threading.Event()

    def slow(context):
        release.wait(SOON)

    with cloaca.WorkflowBuilder("w"):
        cloaca.task(id="slow", timeout_seconds=0.05)(slow)
        cloaca.task(id="mend", dependencies=["slow"], trigger_rules=cloaca.task_failed("slow"))(ran("mended"))
        cloaca.task(id="bad")(broken)
    result = runner.execute("w")
    release.set()
    assert result.error_message == "task 'bad' failed: ConnectionError: no route"
    with pytest.raises(cloaca.WorkflowExecutionError, match=r"^task 'bad' failed"):
        result.raise_for_status()


def test_branches_are_chosen_by_what_is_in_the_merged_context(runner):
    build(
        left=sets(tags=["a"]),
        right=sets(size=3),
        large=(ran("large"), ["left", "right"], cloaca.context_value("size", ">=", 10)),
        small=(ran("small"), ["left", "right"], cloaca.context_value("size", "<", 10)),
        tagged=(
            ran("tagged"),
            ["right", "left"],
            cloaca.all_of(
                cloaca.context_value("tags", "contains", "a"), cloaca.context_value("size", "==", 3.0)
            ),
        ),
    )
    result = runner.execute("w")
    assert statuses(result) == {
        "left": "Completed",
        "right": "Completed",
        "large": "Skipped",
        "small": "Completed",
        "tagged": "Completed",
    }


def test_a_runner_that_takes_over_asks_the_rules_of_what_was_left(make_runner):
    failed = threading.Event()

    def flaky(context, handle):
        if handle.attempt == 1:
            failed.set()
            raise ValueError("not yet")

    with cloaca.WorkflowBuilder("w"):
        cloaca.task(id="first")(sets(n=1))
        cloaca.task(id="flaky", dependencies=["first"], retry_attempts=1, retry_delay_ms=300)(flaky)
        cloaca.task(id="mend", dependencies=["flaky"], trigger_rules=cloaca.task_failed("flaky"))(
            ran("mended")
        )
        rule = cloaca.all_of(cloaca.task_success("flaky"), cloaca.context_value("n", "==", 1))
        cloaca.task(id="use", dependencies=["flaky"], trigger_rules=rule)(ran("used"))
    first = make_runner()
    handle = first.start("w")
    assert failed.wait(SOON)
    first.shutdown()
    result = make_runner().get_handle(handle.execution_id).result(SOON)
    assert statuses(result) == {
        "first": "Completed",
        "flaky": "Completed",
        "mend": "Skipped",
        "use": "Completed",
    }


def test_an_execution_does_not_resume_under_other_rules(make_runner):
    def declare(rule):
        with cloaca.WorkflowBuilder("w") as builder:
            cloaca.task(id="a", retry_attempts=1, retry_delay_ms=3_600_000)(broken)
            cloaca.task(id="b", dependencies=["a"], trigger_rules=rule)(ran("b"))
        return builder.build()

    before = declare(cloaca.task_failed("a"))
    runner = make_runner()
    handle = runner.start("w")
    runner.shutdown()
    after = declare(cloaca.task_success("a"))
    assert before.graph.structure != after.graph.structure
    record = make_runner().get_execution(handle.execution_id)
    assert "different tasks, dependencies or rules" in record.waiting_for


async def later(context):
    context["later"] = True


def test_async_tasks_have_rules_too(runner):
    build(
        first=sets(n=1),
        runs=(later, ["first"], cloaca.task_success("first")),
        does_not=(later, ["first"], cloaca.task_failed("first")),
    )
    result = runner.execute("w")
    assert statuses(result) == {"first": "Completed", "runs": "Completed", "does_not": "Skipped"}


def test_callbacks_are_not_called_for_a_task_that_was_skipped(runner):
    called = []
    with cloaca.WorkflowBuilder("w"):
        cloaca.task(id="a")(sets(n=1))
        cloaca.task(
            id="b",
            dependencies=["a"],
            trigger_rules=cloaca.task_failed("a"),
            on_success=lambda *given: called.append(given),
            on_failure=lambda *given: called.append(given),
        )(ran("b"))
    assert statuses(runner.execute("w")) == {"a": "Completed", "b": "Skipped"}
    assert called == []
