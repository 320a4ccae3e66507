"""Mistakes that everybody makes once: each is answered with what to write instead."""

import functools

import pytest

import cloaca
from cloaca.model.shown import kind_of
from tests.world import run, workflow_of


def plain(context): ...


def message_of(call, *arguments, error=cloaca.CloacaException, **options):
    with pytest.raises(error) as refused:
        call(*arguments, **options)
    return str(refused.value)


class Job:
    def run(self, context): ...

    def alone(self): ...

    @classmethod
    def of_class(cls, context): ...

    @staticmethod
    def of_none(context): ...


@pytest.mark.parametrize("name", ["run", "alone"])
def test_a_method_in_its_class_is_no_task(name):
    message = message_of(cloaca.task, getattr(Job, name))
    assert message == (
        f"task {name!r} takes 'self' first, as methods do, and is called with the context alone: write it outside "
        f"the class, or decorate the method of an object, task(job.{name})"
    )


@pytest.mark.parametrize("kind", [classmethod, property])
def test_a_decorator_below_task_that_makes_no_function_is_named(kind):
    message = message_of(cloaca.task, kind(Job.run))
    assert message.startswith(f"@task decorates a function, not a {kind.__name__}")


@pytest.mark.parametrize("body", [Job().run, Job.of_class, Job.of_none, functools.partial(plain), print])
def test_what_can_be_called_with_a_context_is_a_task(runner, body):
    workflow_of("w", body, id="body")
    assert runner.execute("w").error_message is None


def test_a_lambda_needs_an_id():
    message = message_of(cloaca.task, lambda context: None)
    assert message == "a lambda has no name to be a task's id: write @task(id=...), or use def"


def test_an_id_in_the_place_of_the_function_is_shown_where_it_belongs():
    assert message_of(cloaca.task, "extract").endswith("write @task(id='extract')")


def test_a_builtin_without_a_signature_is_to_be_wrapped():
    assert message_of(cloaca.task(id="update"), dict.update).endswith("wrap it, def update(context): ...")


def test_a_function_that_was_not_decorated_is_named():
    assert message_of(cloaca.WorkflowBuilder("w").add_task, plain).endswith(": put @task above def plain")
    assert message_of(cloaca.task(dependencies=[]), 7).startswith("@task decorates a function, not 7")
    assert message_of(cloaca.task, dependencies=[plain]).endswith(": put @task above def plain")


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (["a", "b"], ": call it once for each task"),
        (None, ": name the task itself, not what a call of it returned"),
        (cloaca.task, ": put @task above def task"),
    ],
)
def test_what_is_added_in_place_of_a_task_is_told_apart(given, advice):
    assert message_of(cloaca.WorkflowBuilder("w").add_task, given).endswith(advice)


def test_a_task_is_no_workflow():
    cloaca.task(plain)
    with cloaca.DefaultRunner(":memory:") as runner:
        message = message_of(runner.execute, "plain")
    assert message.startswith("'plain' is a task, not a workflow: add it to one, WorkflowBuilder('plain')")


def test_a_workflow_asked_for_before_anything_is_registered_says_where_to_look():
    with cloaca.DefaultRunner(":memory:") as runner:
        message = message_of(runner.execute, "etl")
    assert message == (
        "workflow 'etl' is not registered: no workflow is registered here: import the module that declares it, or "
        "declare one with WorkflowBuilder"
    )


def exits():
    raise SystemExit("enough")


async def is_async(): ...


@pytest.mark.parametrize(
    ("constructor", "said"),
    [
        (exits, "failed with SystemExit: enough"),
        (is_async, "returned <coroutine object is_async"),
        (lambda: None, "returned None, not a Workflow: return builder.build()"),
        (lambda: cloaca.WorkflowBuilder("w"), "returned WorkflowBuilder('w', tasks=0), not a Workflow"),
    ],
)
def test_a_constructor_that_makes_no_workflow_is_named(runner, constructor, said):
    cloaca.register_workflow_constructor("w", constructor)
    assert said in message_of(runner.execute, "w", error=cloaca.WorkflowError)


def test_a_constructor_that_exits_does_not_end_a_runner_that_finds_its_execution():
    script = """
import os, sys
import cloaca

@cloaca.task
def body(context):
    os._exit(9)

if sys.argv[1] == "first":
    cloaca.register_workflow_constructor("w", lambda: cloaca.WorkflowBuilder("w").add_task("body").build())
    cloaca.DefaultRunner("sqlite:///app.db").execute("w")
cloaca.register_workflow_constructor("w", lambda: sys.exit("enough"))
with cloaca.WorkflowBuilder("other"):
    @cloaca.task
    def fine(context): ...
with cloaca.DefaultRunner("sqlite:///app.db") as runner:
    print(runner.execute("other").status)
    print(runner.get_execution(runner.list_executions(workflow_name="w")[0].execution_id).waiting_for)
"""
    run(script, "first", status=9)
    out, _ = run(script, "second")
    assert out.startswith("Completed\nworkflow 'w' cannot be built here, ")
    assert "SystemExit: enough" in out


def _called(function, context):
    return function(context)


def test_a_body_that_returns_a_coroutine_is_told_to_be_async(runner):
    async def inner(context): ...

    async def outer(context):
        return inner(context)

    workflow_of("sync", functools.partial(_called, inner), id="body")
    workflow_of("async", outer, id="body")
    for name in ("sync", "async"):
        assert "declare the body with async def" in runner.execute(name).error_message


@pytest.mark.parametrize(
    "returned",
    [[1], 7, "text", True, {1}, (1, 2), dict, iter(()), object()],
    ids=lambda value: type(value).__name__,
)
def test_a_body_that_returns_anything_else_is_told_what_to_return(runner, returned):
    workflow_of("w", lambda context: returned, id="body")
    message = runner.execute("w").error_message
    assert f"task 'body' returned {kind_of(returned)}: return the context, a dict" in message
