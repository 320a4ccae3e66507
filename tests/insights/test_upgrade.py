"""What a deploy would mean for executions that have not ended."""

import threading

import pytest

import cloaca
from cloaca.authoring import registry
from cloaca.insights import upgrade
from tests.world import SOON, workflow_of

ZERO = {"keeps": 0, "runs_new": 0, "runs_same": 0, "waits": 0}


@pytest.fixture
def gate():
    """What bodies of ``second`` wait for."""
    opened = threading.Event()
    yield opened
    opened.set()


def built(gate=None, *, third=False, text="two"):
    """The workflow in a registry of its own, as another process would have it."""
    before = registry.use(registry.Registry())
    with cloaca.WorkflowBuilder("w") as builder:

        @cloaca.task
        def first(context):
            context["first"] = 1

        @cloaca.task(dependencies=[first])
        def second(context):
            if gate is not None:
                gate.wait(SOON)
            context["second"] = text

        if third:

            @cloaca.task(dependencies=[second])
            def third(context): ...

    workflow = builder.build()
    registry.use(before)
    return workflow


def changed():
    before = registry.use(registry.Registry())
    with cloaca.WorkflowBuilder("w") as builder:

        @cloaca.task
        def first(context):
            context["first"] = 1

        @cloaca.task(dependencies=[first])
        def second(context):
            context["second"] = "changed"

    registry.use(before)
    return builder.build()


def numbers(plan):
    (workflow,) = plan.workflows
    return {task.task: {name: n for name in ZERO if (n := getattr(task, name))} for task in workflow.tasks}


@pytest.fixture
def halfway(runner, gate):
    """Its first task has completed, its second is running."""
    workflow = built(gate)
    handle = runner.start(workflow)
    while (
        handle.explain().reasons[0].task != "second" or not runner.get_execution(handle.execution_id).context
    ):
        assert not handle.wait(0.01)
    return workflow


def test_what_is_decided_keeps_its_result_and_the_rest_runs_the_new_code(runner, halfway):
    plan = runner.plan({"w": changed()})
    assert not plan.waits
    assert numbers(plan) == {"first": {"keeps": 1}, "second": {"runs_new": 1}}
    assert (plan.workflows[0].live, plan.workflows[0].unchanged, plan.workflows[0].why) == (1, 0, [])


def test_the_same_code_runs_as_before(runner, halfway):
    plan = runner.plan({"w": halfway})
    assert numbers(plan) == {"first": {"keeps": 1}, "second": {"runs_same": 1}}
    assert plan.workflows[0].unchanged == 1


def test_another_version_waits_where_it_is_to(runner, halfway):
    plan = runner.plan({"w": changed()}, on_version_change="wait")
    assert plan.waits
    assert numbers(plan) == {"first": {"keeps": 1}, "second": {"waits": 1}}
    assert "a version other than" in plan.workflows[0].why[0]


def test_other_tasks_wait(runner, halfway):
    plan = runner.plan({"w": built(third=True)})
    assert plan.waits
    assert numbers(plan) == {"first": {"keeps": 1}, "second": {"waits": 1}, "third": {}}
    assert plan.workflows[0].why == ["1 of 1: they were started with different tasks, dependencies or rules"]


def test_what_no_code_is_given_for_waits(runner, halfway):
    plan = runner.plan({})
    assert plan.waits
    assert plan.workflows[0].why == ["1 of 1: this code does not register the workflow"]
    assert numbers(plan) == {"first": {"keeps": 1}, "second": {"waits": 1}}


def test_what_has_ended_is_not_counted_and_a_retried_task_runs_again(make_runner, client):
    def fail(context):
        raise OSError

    workflow = workflow_of("w", fail)
    with make_runner() as runner:
        ended = runner.execute("w")
        assert runner.plan({"w": workflow}).workflows[0].live == 0
    client.retry(ended.execution_id)
    assert numbers(client.plan({"w": workflow})) == {"fail": {"runs_new": 1}}


def test_a_workflow_that_is_registered_under_another_name_is_compared_under_that(client):
    client.start("other")
    assert not client.plan({"other": built()}).waits


def test_pages_are_joined(client, monkeypatch):
    monkeypatch.setattr(upgrade, "PAGE", 2)
    for name in ("v", "w", "w", "w", "w", "w", "x"):
        client.start(name)
    client.pause(client.start("w").execution_id)
    plan = client.plan({"w": built(), "absent": built()})
    assert [(one.workflow, one.live, one.waits) for one in plan.workflows] == [
        ("absent", 0, 0), ("w", 6, 0), ("v", 1, 1), ("x", 1, 1),
    ]  # fmt: skip


def test_an_option_that_cannot_be_is_refused(client):
    with pytest.raises(cloaca.ConfigurationError, match="'perhaps' must be 'continue' or 'wait'"):
        client.plan({}, on_version_change="perhaps")
