"""Rules by themselves, against a naive reading of what they say; what a workflow makes of them."""

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hostile import Unshowable

import cloaca
from cloaca.authoring import registry
from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.decorator import task
from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.model.graph import Graph
from cloaca.model.operators import SPELLINGS
from cloaca.model.rules import (
    MOST_DEPTH,
    Facts,
    all_of,
    always,
    any_of,
    context_value,
    none_of,
    rule_of,
    task_failed,
    task_skipped,
    task_success,
)
from cloaca.model.states import TaskStatus
from cloaca.model.values import encode
from cloaca.model.view import View

COMPLETED, FAILED, SKIPPED = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED
ABSENT = object()


@pytest.fixture(autouse=True)
def fresh_registry():
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


def body(context): ...


def facts(statuses=None, context=None):
    texts = {key: encode(value, key) for key, value in (context or {}).items()}
    return Facts((statuses or {}).__getitem__, texts.get)


# -- conditions on tasks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [COMPLETED, FAILED, SKIPPED])
def test_exactly_one_condition_is_true_of_a_decided_dependency(status):
    rules = {COMPLETED: task_success("a"), FAILED: task_failed("a"), SKIPPED: task_skipped("a")}
    assert [of for of, rule in rules.items() if rule.holds(facts({"a": status}))] == [status]


def test_always_is_true():
    assert always().holds(facts())


@pytest.mark.parametrize("name", ["first", "public::embedded::flow::first", "acme::etl::a::b::first"])
def test_a_task_may_be_named_in_the_long_form(name):
    assert task_failed(name).holds(facts({"first": FAILED}))
    assert task_failed(name).stored() == ["task_failed", "first"]


# -- conditions on values ----------------------------------------------------------------------------------------------

CANONICAL = [
    "Equals", "NotEquals", "GreaterThan", "LessThan", "Contains", "NotContains", "Exists", "NotExists",
    "GreaterThanOrEqual", "LessThanOrEqual",
]  # fmt: skip


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        *[(name, name) for name in CANONICAL],
        ("equals", "Equals"),
        ("not_equals", "NotEquals"),
        ("greater_than", "GreaterThan"),
        ("less_than", "LessThan"),
        ("contains", "Contains"),
        ("not_contains", "NotContains"),
        ("exists", "Exists"),
        ("not_exists", "NotExists"),
        ("greater_than_or_equal", "GreaterThanOrEqual"),
        ("less_than_or_equal", "LessThanOrEqual"),
        ("==", "Equals"),
        ("!=", "NotEquals"),
        (">", "GreaterThan"),
        ("<", "LessThan"),
        (">=", "GreaterThanOrEqual"),
        ("<=", "LessThanOrEqual"),
    ],
)
def test_every_spelling_of_an_operator_is_its_canonical_name(spelling, name):
    assert context_value("k", spelling, 3) == context_value("k", name, 3)
    assert context_value("k", spelling, 3).operator == name


def test_there_are_no_other_spellings():
    assert len(SPELLINGS) == 26
    assert set(SPELLINGS.values()) == set(CANONICAL)


@pytest.mark.parametrize(
    ("found", "operator", "value", "holds"),
    [
        (3, "==", 3, True),
        (3, "==", 3.0, True),
        (3, "==", "3", False),
        (1, "==", True, False),
        (0, "==", False, False),
        (None, "==", None, True),
        (None, "==", 0, False),
        ([1, {"a": 2}], "==", [1.0, {"a": 2.0}], True),
        ([1], "==", [True], False),
        ({"a": 1, "b": 2}, "==", {"b": 2, "a": 1}, True),
        ({"a": 1}, "==", {"a": 1, "b": 2}, False),
        (2**53, "==", 2**53 + 1, False),
        (10**400, ">", 1.5, True),
        (ABSENT, "==", None, False),
        (3, "!=", 3, False),
        (3, "!=", "3", True),
        (ABSENT, "!=", 3, True),
        (3, ">", 2, True),
        (3, ">", 3, False),
        (3, ">=", 3.0, True),
        (2.5, "<", 3, True),
        (3, "<=", 2, False),
        ("2026-11-02", ">", "2026-11-01", True),
        ("b", "<", "a", False),
        ("3", ">", 2, False),
        (True, ">", 0, False),
        ([2], ">", [1], False),
        (None, "<=", None, False),
        (ABSENT, "<", 3, False),
        ("network error", "Contains", "error", True),
        ("network error", "Contains", "disk", False),
        ("404", "Contains", 4, False),
        ([1, "a"], "Contains", "a", True),
        ([1, "a"], "Contains", 1.0, True),
        ([1, "a"], "Contains", True, False),
        ([[1], {"a": 1}], "Contains", {"a": 1}, True),
        ({"a": 1}, "Contains", "a", True),
        ({"a": 1}, "Contains", 1, False),
        (12, "Contains", 1, False),
        (ABSENT, "Contains", "a", False),
        ([1], "NotContains", 2, True),
        ([1], "NotContains", 1, False),
        (ABSENT, "NotContains", "a", True),
        (None, "Exists", "ignored", True),
        (ABSENT, "Exists", None, False),
        (None, "NotExists", None, False),
        (ABSENT, "NotExists", "ignored", True),
    ],
)
def test_values_are_compared_as_json(found, operator, value, holds):
    assert (
        context_value("k", operator, value).holds(facts(context={} if found is ABSENT else {"k": found}))
        is holds
    )


def test_existence_needs_no_value():
    assert context_value("k", "Exists") == context_value("k", "exists", 3)
    assert context_value("k", "NotExists").holds(facts())


def test_a_rule_keeps_the_value_it_was_made_with():
    value = [1]
    rule = context_value("k", "==", value)
    value.append(2)
    assert rule.holds(facts(context={"k": [1]}))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.just(10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "a", "ab", "é", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


def naive_equal(one, other):
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(naive_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(naive_equal, one, other))
    return one == other


def naive_compare(found, operator, value):
    are_numbers = {type(found), type(value)} <= {int, float}
    ordered = are_numbers or type(found) is type(value) is str
    match operator:
        case "Exists":
            return found is not ABSENT
        case "NotExists":
            return found is ABSENT
        case "NotEquals":
            return not naive_compare(found, "Equals", value)
        case "NotContains":
            return not naive_compare(found, "Contains", value)
    if found is ABSENT:
        return False
    match operator:
        case "Equals":
            return naive_equal(found, value)
        case "GreaterThan":
            return ordered and found > value
        case "LessThan":
            return ordered and found < value
        case "GreaterThanOrEqual":
            return ordered and not found < value
        case "LessThanOrEqual":
            return ordered and not found > value
        case "Contains":
            if isinstance(found, list):
                return any(naive_equal(item, value) for item in found)
            return isinstance(found, str | dict) and isinstance(value, str) and value in found
    raise AssertionError(operator)


@given(json_values | st.just(ABSENT), st.sampled_from(CANONICAL), json_values)
def test_no_comparison_raises_and_all_are_what_a_naive_reading_says(found, operator, value):
    context = {} if found is ABSENT else {"k": found}
    assert context_value("k", operator, value).holds(facts(context=context)) is naive_compare(
        found, operator, value
    )


def test_only_the_key_that_is_asked_for_is_read(monkeypatch):
    view = View.initial({"huge": "[" + ",".join(["0"] * 10**6) + "]", "k": "3"})
    decoded = []
    monkeypatch.setattr("cloaca.model.rules.decode", lambda text: decoded.append(text) or json.loads(text))
    assert context_value("k", "==", 3).holds(Facts({}.__getitem__, view.get))
    assert context_value("huge", "Exists").holds(Facts({}.__getitem__, view.get))
    assert decoded == ["3", "3"]


# -- combinations ------------------------------------------------------------------------------------------------------

leaves = st.builds(
    lambda kind, name: kind(name),
    st.sampled_from([task_success, task_failed, task_skipped]),
    st.sampled_from("ab"),
) | st.builds(
    context_value, st.sampled_from("kl"), st.sampled_from(CANONICAL), st.sampled_from([0, 1, "x", None, [1]])
)
rules = st.recursive(
    leaves | st.just(always()),
    lambda inner: st.builds(
        lambda combine, parts: combine(*parts),
        st.sampled_from([all_of, any_of, none_of]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


def naive(stored, statuses, context):
    name, *arguments = stored
    match name:
        case "always":
            return True
        case "task_success" | "task_failed" | "task_skipped":
            is_now = {"task_success": COMPLETED, "task_failed": FAILED, "task_skipped": SKIPPED}[name]
            return statuses[arguments[0]] == is_now
        case "context_value":
            key, operator, *value = arguments
            return naive_compare(context.get(key, ABSENT), operator, *(value or [None]))
    parts = [naive(part, statuses, context) for part in arguments]
    return {"all_of": False not in parts, "any_of": True in parts, "none_of": True not in parts}[name]


statuses_of = st.fixed_dictionaries(dict.fromkeys("ab", st.sampled_from([COMPLETED, FAILED, SKIPPED])))
contexts = st.dictionaries(st.sampled_from("kl"), st.sampled_from([0, 1, 2, "x", "xy", None, [1], {"x": 1}]))


@given(rules, statuses_of, contexts)
def test_a_rule_is_what_a_naive_reading_of_what_is_stored_of_it_says(rule, statuses, context):
    seen = facts(statuses, context)
    stored = json.loads(json.dumps(rule.stored()))
    assert rule.holds(seen) is naive(stored, statuses, context)
    assert rule_of(stored) == rule
    refusal = rule.refusal(seen)
    assert (refusal is None) is rule.holds(seen)
    assert refusal is None or refusal.startswith(f"rule {rule} is false: ")


@given(rules)
def test_a_rule_is_shown_as_what_makes_it_and_pickled_and_copied(rule):
    assert eval(repr(rule), {**vars(cloaca), "null": None}) == rule
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert copy.deepcopy(rule) is rule
    assert hash(rule_of(rule.stored())) == hash(rule)


def test_combinations_stop_at_the_first_part_that_decides():
    asked = []

    def status(name):
        asked.append(name)
        return COMPLETED

    seen = Facts(status, {}.get)
    assert any_of(task_success("a"), task_success("b")).holds(seen)
    assert not all_of(task_failed("c"), task_success("d")).holds(seen)
    assert not none_of(task_success("e"), task_success("f")).holds(seen)
    assert asked == ["a", "c", "e"]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (task_failed("a"), "rule task_failed('a') is false: 'a' is Completed"),
        (
            context_value("n", ">", 3),
            "rule context_value('n', 'GreaterThan', 3) is false: 'n' is 2",
        ),
        (context_value("x", "Exists"), "rule context_value('x', 'Exists') is false: there is no 'x'"),
        (
            all_of(task_success("a"), task_skipped("b")),
            "rule all_of(task_success('a'), task_skipped('b')) is false: 'b' is Failed",
        ),
        (
            any_of(task_failed("a"), task_success("b")),
            "rule any_of(task_failed('a'), task_success('b')) is false: 'a' is Completed, 'b' is Failed",
        ),
        (
            none_of(task_failed("a"), any_of(task_failed("b"))),
            "rule none_of(task_failed('a'), any_of(task_failed('b'))) is false: 'b' is Failed",
        ),
    ],
)
def test_a_refusal_names_the_rule_and_what_was_found(rule, reason):
    assert rule.refusal(facts({"a": COMPLETED, "b": FAILED}, {"n": 2})) == reason


def test_a_refusal_is_short_and_storable_whatever_is_compared():
    for value in ["x" * 10**6, "\ud800\0\n", ["y" * 10**6], {"z" * 10**6: 1}, 10**1000]:
        rule = all_of(context_value("k" * 10**5, "==", value), context_value("k", "==", value))
        for seen in (facts(), facts(context={"k" * 10**5: [value]})):
            said = rule.refusal(seen)
            assert len(said) < 1100
            assert said.isprintable()


def test_handled_failures_are_those_that_a_rule_asks_for():
    rule = all_of(task_failed("a"), any_of(task_failed("b"), task_success("c")), none_of(task_failed("d")))
    assert sorted(rule.handles()) == ["a", "b"]
    assert sorted(rule.tasks()) == ["a", "b", "c", "d"]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: task_success(""), r"takes the id of a dependency, not '': write task_success\('fetch'\)"),
        (lambda: task_failed(None), "task_failed takes the id"),
        (lambda: task_skipped(Unshowable()), "task_skipped takes the id"),
        (lambda: task_success(task(body)), "task_success takes the id"),
        (lambda: context_value(3, "==", 3), "context_value takes a context key, a str, not 3"),
        (
            lambda: context_value("k", "~", 3),
            "no operator '~': there are Equals, .*, NotExists, and == != > >= < <=",
        ),
        (lambda: context_value("k", None, 3), "no operator None"),
        (lambda: context_value("k", Unshowable(), 3), "no operator <Unshowable"),
        (lambda: context_value("k", "=="), r"context_value\('k', 'Equals'\) compares with nothing"),
        (lambda: context_value("k", "==", {1, 2}), "compares with a JSON value, context key 'k': a set"),
        (lambda: context_value("k", "==", float("nan")), "nan cannot be stored"),
        (all_of, "all_of takes at least one rule"),
        (lambda: any_of("a"), r"any_of combines rules, such as task_success\('fetch'\), not 'a'"),
        (lambda: none_of(Unshowable()), "none_of combines rules"),
        (lambda: all_of([task_success("a")]), r"rules are combined by all_of\(...\) or any_of"),
        (lambda: any_of(always), "always makes one: call it"),
        (lambda: task(trigger_rules=always), "trigger_rules takes a rule, and always makes one: call it"),
        (
            lambda: task(trigger_rules=[task_success("a")]),
            "trigger_rules takes a rule, and rules are combined",
        ),
        (lambda: task(trigger_rules=Unshowable()), "trigger_rules takes a rule"),
        (lambda: task(trigger_rules="all_success"), "trigger_rules takes a rule, .* not 'all_success'"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_where_it_is_written(make, said):
    with pytest.raises(cloaca.TaskValidationError, match=said) as refused:
        make()
    assert isinstance(refused.value, ValueError)
    assert len(str(refused.value)) < 400


def test_rules_are_nested_within_bounds():
    rule = always()
    for _ in range(MOST_DEPTH - 1):
        rule = all_of(rule)
    assert rule.holds(facts())
    assert rule_of(json.loads(json.dumps(rule.stored()))) == rule
    with pytest.raises(ValueError, match=f"nested deeper than {MOST_DEPTH}"):
        all_of(rule)


def test_a_rule_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot be set"):
        task_success("a").task = "b"


# -- in a workflow -----------------------------------------------------------------------------------------------------


def flow(rule, *, name="w", dependencies=("a",)):
    first, other = Task(body, id="a"), Task(body, id="b")
    return Workflow(
        name, tasks=[first, other, Task(body, id="c", dependencies=dependencies, trigger_rules=rule)]
    )


def test_a_task_keeps_its_rule():
    made = task(trigger_rules=task_failed("a"))(body)
    assert made.trigger_rules == task_failed("a")
    assert task(body).trigger_rules is None
    with pytest.raises(AttributeError, match="'trigger_rules' of task 'body' cannot be changed"):
        made.trigger_rules = None


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            task_success("b"),
            "the rule of task 'c' names 'b', which is none of its dependencies: add it to them",
        ),
        (
            all_of(task_failed("a"), none_of(task_failed("nobody"))),
            "names 'nobody', which is none of its dependencies",
        ),
        (
            any_of(task_failed("aa"), always()),
            "names 'aa', which is none of its dependencies: did you mean 'a'",
        ),
        (
            task_success("public::embedded::other::a"),
            "which is in another workflow: name a dependency by its id",
        ),
        (task_success("c"), "names 'c', which is none of its dependencies"),
    ],
)
def test_a_rule_about_a_task_that_is_no_dependency_is_refused_by_build(rule, said):
    builder = WorkflowBuilder("w").add_task(task(id="a")(body)).add_task(task(id="b")(body))
    builder.add_task(task(id="c", dependencies=["a"], trigger_rules=rule)(body))
    with pytest.raises(cloaca.WorkflowValidationError, match=said) as refused:
        builder.build()
    assert len(refused.value.errors) == 1
    with pytest.raises(cloaca.WorkflowValidationError, match=said):
        flow(rule).validate()


def test_rules_are_refused_together_with_everything_else():
    builder = WorkflowBuilder("w")
    builder.add_task(task(id="a", dependencies=["gone"])(body))
    rule = all_of(task_success("x"), task_failed("x"), task_skipped("y"))
    builder.add_task(task(id="b", dependencies=["a"], trigger_rules=rule)(body))
    with pytest.raises(cloaca.WorkflowValidationError) as refused:
        builder.build()
    assert [line.split(",")[0] for line in refused.value.errors] == [
        "task 'a' depends on 'gone'",
        "the rule of task 'b' names 'x'",
        "the rule of task 'b' names 'y'",
    ]


def test_the_long_form_names_a_dependency_too():
    flow(task_success("public::embedded::w::a")).validate()
    assert (
        flow(task_success("public::embedded::w::a")).graph.structure
        == flow(task_success("a")).graph.structure
    )


def test_a_graph_with_rules_comes_back_from_its_text():
    graph = flow(any_of(task_failed("a"), context_value("é", "==", [1e22, -0.0, "\ud800"]))).graph
    again = Graph.from_json(graph.to_json())
    assert (again.rules, again.structure) == (graph.rules, graph.structure)
    assert list(graph.rules) == [2]


def test_rules_are_part_of_the_structure_and_of_the_version():
    made = [
        flow(None),
        flow(always()),
        flow(task_success("a")),
        flow(task_failed("a")),
        flow(all_of(task_failed("a"))),
        flow(context_value("a", "==", 1)),
        flow(context_value("a", "==", 2)),
    ]
    assert len({workflow.graph.structure for workflow in made}) == len(made)
    assert len({workflow.version for workflow in made}) == len(made)


def test_a_graph_without_rules_keeps_the_structure_it_had_before_there_were_any():
    graph = Graph("etl", {"extract": [], "transform": ["extract"], "load": ["transform", "extract"]})
    assert graph.to_json() == (
        '{"name":"etl","tasks":{"extract":[],"transform":["extract"],"load":["transform","extract"]}}'
    )
    assert graph.structure == "70c0b061ff2ed1900c48d6053de86a96"
    assert flow(None).graph.to_json() == '{"name":"w","tasks":{"a":[],"b":[],"c":["a"]}}'


def test_a_stored_graph_with_a_rule_of_a_later_release_can_still_be_shown():
    text = '{"name":"w","tasks":{"a":[],"b":["a"]},"rules":{"b":["moon_is_full","a"]}}'
    graph = Graph.from_json(text)
    assert (graph.ids, graph.to_json()) == (("a", "b"), text)
