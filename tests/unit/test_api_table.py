"""What each name does that users of this module name rely on, and with which words it refuses."""

import inspect
import json
from datetime import datetime, timedelta

import pytest

import cloaca
from cloaca.authoring import registry

OPTIONS_OF_TASK = (
    "id", "dependencies", "retry_attempts", "retry_backoff", "retry_delay_ms", "retry_max_delay_ms", "retry_condition",
    "retry_jitter", "retry", "retry_policy", "timeout_seconds", "trigger_rules", "on_success", "on_failure",
)  # fmt: skip

OPERATORS = (
    "Equals", "NotEquals", "GreaterThan", "LessThan", "Contains", "NotContains", "Exists", "NotExists",
    "GreaterThanOrEqual", "LessThanOrEqual", "equals", "not_equals", "greater_than", "less_than", "contains",
    "not_contains", "exists", "not_exists", "greater_than_or_equal", "less_than_or_equal", "==", "!=", ">", "<", ">=",
    "<=",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_registry():
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


# -- context ----------------------------------------------------------------------------------------------------------


def test_each_member_of_a_context_does_what_its_name_says():
    context = cloaca.Context({"a": 1})
    context.set("b", None)
    context.insert("c", [1])
    context.update("a", 2)
    context["d"] = {"x": 1}
    assert (context.get("b", 5), context.get("z", 5), context["a"], "c" in context, len(context)) == (
        None, 5, 2, True, 4,
    )  # fmt: skip
    assert (context.remove("c"), context.remove("c"), context.delete("d")) == ([1], None, {"x": 1})
    del context["b"]
    assert context.to_dict() == context.data == {"a": 2}
    context.update_from_dict({"a": 3, "e": 4})
    assert json.loads(context.to_json()) == {"a": 3, "e": 4}
    assert cloaca.Context.from_json(context.to_json()) == context
    assert list(context) == context.keys() == ["a", "e"]
    assert (context.values(), context.items()) == ([3, 4], [("a", 3), ("e", 4)])
    assert "Context" in repr(context)
    assert cloaca.Context().data == {}


@pytest.mark.parametrize(
    ("misuse", "error"),
    [
        (lambda c: c.insert("a", 1), ValueError),
        (lambda c: c.update("z", 1), KeyError),
        (lambda c: c["z"], KeyError),
        (lambda c: c.__delitem__("z"), KeyError),
        (lambda c: c.get_required("z"), cloaca.ContextError),
        (lambda c: c.set("a", {1}), TypeError),
        (lambda c: c.set("a", float("nan")), TypeError),
        (lambda _: cloaca.Context.from_json("{"), ValueError),
        (lambda _: cloaca.Context([1]), TypeError),
    ],
)
def test_a_misuse_of_a_context_raises_what_users_catch(misuse, error):
    with pytest.raises(error):
        misuse(cloaca.Context({"a": 1}))


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda c: c["z"], KeyError, "the context has no key 'z'; it has 'a'"),
        (lambda c: c.__delitem__("z"), KeyError, "the context has no key 'z' to delete; it has 'a'"),
        (lambda c: c.update("z", 1), KeyError, "the context has no key 'z' to update; it has 'a'"),
        (
            lambda c: c.a,
            AttributeError,
            r"a context has no attribute 'a': its keys are read by context\['a'\]",
        ),
        (lambda c: c.update_from_dict([1]), TypeError, "a context is updated from a dict, not from a list"),
        (
            lambda _: cloaca.Context.from_json("{'a': 1}"),
            ValueError,
            "a context cannot be read from this JSON: ",
        ),
    ],
)
def test_a_mistake_with_a_context_says_what_was_meant(mistake, error, message):
    with pytest.raises(error, match=message):
        mistake(cloaca.Context({"a": 1}))


# -- tasks ------------------------------------------------------------------------------------------------------------


def test_the_options_of_a_task_are_keywords():
    parameters = inspect.signature(cloaca.task).parameters.values()
    assert {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} == set(OPTIONS_OF_TASK)


def test_a_task_is_named_by_its_function_and_stays_callable():
    @cloaca.task()
    def fetch(context):
        return context

    @cloaca.task(id="load-it.1", dependencies=[fetch, "other"])
    def load(context, handle):
        return None

    context = cloaca.Context()
    assert (fetch.id, fetch(context), load(context, None)) == ("fetch", context, None)
    assert load.dependencies == ("fetch", "other")
    assert load.takes_handle


@pytest.mark.parametrize(
    ("docstring", "said"),
    [
        ("What: loads orders\n\n    of one day.\n\n    WHY: the report reads them.", ("loads orders\n\nof one day.", "the report reads them.")),
        ("Loads orders.\n\n    Twice.", ("Loads orders.\n\nTwice.", "")),
        ("Loads orders.\n\n    why: audits", ("Loads orders.", "audits")),
        (None, ("", "")),
    ],
)  # fmt: skip
def test_a_docstring_says_what_a_task_does_and_why(docstring, said):
    def load(context): ...

    load.__doc__ = docstring
    declared = cloaca.task(load)
    assert (declared.what, declared.why) == said


@pytest.mark.parametrize(
    ("second", "is_handle"), [("handle", True), ("task_handle", True), ("other=None", False)]
)
def test_a_handle_is_injected_by_the_name_of_the_second_parameter(second, is_handle):
    namespace = {}
    exec(f"def body(context, {second}): ...", namespace)
    assert cloaca.task(namespace["body"]).takes_handle is is_handle


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"id": ""}, "it is empty"),
        ({"retry": cloaca.RetryPolicy.default(), "retry_attempts": 3}, "retry_attempts"),
        ({"retry": cloaca.RetryPolicy.default(), "retry_jitter": True}, "not both"),
        ({"retry_backoff": "quadratic"}, "quadratic"),
        ({"retry_attempts": -1}, "retry_attempts"),
        ({"retry_atempts": 1}, "did you mean 'retry_attempts'"),
        ({"invokes": object()}, "invokes"),
        ({"post_invocation": print}, "post_invocation"),
    ],
)
def test_an_option_that_cannot_be_is_a_value_error_that_names_it(options, message):
    with pytest.raises(ValueError, match=message) as refused:
        cloaca.task(**options)(lambda context: None)
    assert isinstance(refused.value, cloaca.TaskValidationError)


# -- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_can_be_written_so(operator):
    assert cloaca.context_value("n", operator, 3)


@pytest.mark.parametrize("operator", ["Exists", "NotExists"])
def test_operators_that_compare_nothing_need_no_value(operator):
    assert cloaca.context_value("n", operator)


@pytest.mark.parametrize("rule", [lambda: cloaca.context_value("n", "~", 3), lambda: cloaca.all_of("x")])
def test_a_rule_that_cannot_be_is_a_value_error_at_decoration(rule):
    with pytest.raises(ValueError, match=r"operator|rule"):
        cloaca.task(trigger_rules=rule())


def test_rules_nest():
    inner = cloaca.none_of(cloaca.task_skipped("a"), cloaca.any_of(cloaca.task_success("b")))
    assert cloaca.all_of(cloaca.always(), inner, cloaca.task_failed("a"))


# -- building, and what is built -----------------------------------------------------------------------------------


def built(description="", first="first"):
    @cloaca.task(id=first)
    def one(context): ...

    @cloaca.task(dependencies=[first])
    def second(context): ...

    builder = cloaca.WorkflowBuilder("pair")
    builder.description(description)
    builder.tag("team", "a")
    return builder.add_task("second").add_task(one).build()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda b: b.add_task("absent"), "not found in registry"),
        (lambda b: b.add_task(3), "string task ID or a function object"),
        (lambda b: b.add_task(print), "string task ID or a function object"),
        (lambda b: b.build(), "cannot be empty"),
    ],
)
def test_a_builder_refuses_with_these_words(act, message):
    with pytest.raises(ValueError, match=message) as refused:
        act(cloaca.WorkflowBuilder("w"))
    assert isinstance(refused.value, cloaca.WorkflowValidationError)


@pytest.mark.parametrize("name", ["", None])
def test_a_workflow_needs_a_name(name):
    with pytest.raises((ValueError, TypeError)):
        cloaca.WorkflowBuilder(name)


@pytest.mark.parametrize("name", ["description", "tag", "add_task", "build"])
def test_a_method_of_a_builder_is_not_set_by_mistake(name):
    with pytest.raises(AttributeError, match=rf"write builder\.{name}\(\.\.\.\)"):
        setattr(cloaca.WorkflowBuilder("w"), name, "moves data")


def test_a_task_that_is_missing_is_a_key_error_too():
    with pytest.raises(KeyError):
        cloaca.WorkflowBuilder("w").add_task("absent")


def test_a_workflow_has_these_members():
    workflow = built("moves data")
    assert (workflow.name, workflow.description, workflow.tags) == ("pair", "moves data", {"team": "a"})
    assert (workflow.tasks, workflow.dependencies) == (
        ["second", "first"],
        {"first": [], "second": ["first"]},
    )
    assert workflow.topological_sort() == ["first", "second"]
    assert workflow.get_execution_levels() == [["first"], ["second"]]
    assert (workflow.get_roots(), workflow.get_leaves()) == (["first"], ["second"])
    assert workflow.can_run_parallel("first", "second") is False
    assert workflow.validate() is None
    assert "Workflow" in repr(workflow)
    assert "pair" in repr(workflow)
    with pytest.raises(AttributeError, match="immutable"):
        workflow.name = "other"


def test_a_version_is_of_the_definition():
    assert built().version == built().version != ""
    assert len({built().version, built("other").version, built(first="other").version}) == 3


def test_a_block_builds_and_registers_what_is_declared_in_it():
    with cloaca.WorkflowBuilder("block") as builder:

        @cloaca.task
        def one(context): ...

        builder.add_task("one")
        inside = builder.build()

    assert registry.find_workflow("block").tasks == inside.tasks == ["one"]
    with pytest.raises(ValueError, match="cannot be empty"), cloaca.WorkflowBuilder("empty"):
        pass
    assert registry.find_workflow("empty") is None


# -- results ----------------------------------------------------------------------------------------------------------


def test_a_result_has_these_members():
    workflow = built()
    with cloaca.DefaultRunner(":memory:") as runner:
        cloaca.register_workflow_constructor("pair", lambda: workflow)
        result = runner.execute(workflow_name="pair", context=cloaca.Context({"n": 1}))
        with pytest.raises(ValueError, match="is not registered"):
            runner.execute("absent", cloaca.Context())
    assert (result.status, result.error_message, result.error, result.workflow_name) == (
        "Completed", None, None, "pair",
    )  # fmt: skip
    assert isinstance(result.final_context, cloaca.Context)
    assert result.final_context.data == {"n": 1}
    assert isinstance(result.start_time, datetime)
    assert isinstance(result.end_time, datetime)
    assert isinstance(result.duration, timedelta)
    assert result.end_time - result.start_time == result.duration
    assert isinstance(result.execution_id, str)
    assert cloaca.WorkflowResult is cloaca.PipelineResult
    assert repr(result).startswith("WorkflowResult(status=Completed, error=None")


def test_statuses_are_these_texts():
    assert [*map(str, cloaca.Status)] == ["Pending", "Running", "Completed", "Failed", "Cancelled", "Paused"]
    assert {"Pending", "Ready", "Running", "Completed", "Failed", "Skipped"} <= {*map(str, cloaca.TaskStatus)}


# -- settings ---------------------------------------------------------------------------------------------------------


def test_a_config_shows_itself():
    config = cloaca.DefaultRunnerConfig()
    assert "DefaultRunnerConfig" in repr(config)
    assert "max_concurrent_tasks" in repr(config)
    config.max_concurrent_tasks = 8
    assert config.to_dict()["max_concurrent_tasks"] == 8


# -- inputs and variables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, int, float, bool, list, dict])
def test_an_input_may_be_of_each_of_jsons_types(kind):
    body = cloaca.workflow_params(value=kind, other=(kind, kind()))(cloaca.task(id="t")(lambda context: None))
    assert [param.is_required for param in body.declared_params] == [True, False]
