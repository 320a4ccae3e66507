"""What a workflow declares as its input, and which inputs it takes."""

from typing import Literal

import pytest

import cloaca
from cloaca.authoring.workflow_params import FIRED, filled
from cloaca.schedules.starts import RESERVED


def declaring(*declared, below=False):
    """A workflow whose tasks, one for each dict, declare these inputs."""
    builder = cloaca.WorkflowBuilder("report")
    for number, of_task in enumerate(declared):

        def body(context): ...

        decorate, task = cloaca.workflow_params(**of_task), cloaca.task(id=f"task_{number}")
        builder.add_task(task(decorate(body)) if below else decorate(task(body)))
    return builder.build()


def taken(workflow, **texts):
    return filled(workflow.name, workflow.params, texts)


@pytest.mark.parametrize("below", [False, True])
def test_a_workflow_shows_what_its_tasks_declare(below):
    made = declaring({"region": str, "limit": (int, 10)}, {"tags": (list[str], [])}, below=below).params
    assert [(p.name, p.type_name, p.is_required, p.default) for p in made.values()] == [
        ("region", "str", True, None),
        ("limit", "int", False, 10),
        ("tags", "list[str]", False, []),
    ]


def test_a_workflow_without_declarations_takes_anything():
    @cloaca.task
    def plain(context): ...

    assert cloaca.WorkflowBuilder("plain").add_task(plain).build().params == {}


def test_stacked_declarations_are_one():
    @cloaca.workflow_params(region=str)
    @cloaca.workflow_params(limit=int)
    @cloaca.task
    def select(context): ...

    assert [p.name for p in select.declared_params] == ["region", "limit"]
    with pytest.raises(
        cloaca.TaskValidationError, match=r"limit=\.\.\.\): select declares it twice: keep one"
    ):
        cloaca.workflow_params(limit=int)(select)


def test_the_decorator_returns_what_it_decorates():
    @cloaca.workflow_params(region=str)
    @cloaca.task
    def select(context):
        return "selected"

    assert select({}) == "selected"
    assert select.id == "select"


def test_a_builders_block_sees_what_is_declared_above_its_tasks():
    with cloaca.WorkflowBuilder("report") as builder:

        @cloaca.workflow_params(region=str)
        @cloaca.task
        def select(context): ...

    assert list(builder.build().params) == ["region"]


def test_defaults_are_filled_in_and_what_is_given_is_kept():
    workflow = declaring({"region": str, "limit": (int, 10), "tags": (list, []), "note": (str, None)})
    assert taken(workflow, region='"n"', tags="[1]") == {
        "region": '"n"',
        "tags": "[1]",
        "limit": "10",
        "note": "null",
    }


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (str, '""'), (int, "-3"), (int, str(2**80)), (float, "2.5"), (float, "3"), (bool, "true"), (list, "[]"),
        (dict, '{"a":1}'), (dict[str, list[int]], '{"a":[1]}'), (Literal["a", "b"], '"b"'), (str | None, "null"),
        ((str, None), '"x"'), ((int, None), "null"),
    ],
)  # fmt: skip
def test_a_value_of_the_declared_type_is_taken(declared, text):
    assert taken(declaring({"value": declared}), value=text) == {"value": text}


@pytest.mark.parametrize(
    ("declared", "text", "said"),
    [
        (str, "1", "'value' must be str: Expected `str`, got `int`"),
        (int, '"5"', "'value' must be int: Expected `int`, got `str`"),
        (int, "true", "'value' must be int: Expected `int`, got `bool`"),
        (int, "3.0", "'value' must be int: Expected `int`, got `float`"),
        (float, '"1"', "'value' must be float: Expected `float`, got `str`"),
        (bool, "1", "'value' must be bool: Expected `bool`, got `int`"),
        (list, "{}", "'value' must be list: Expected `array`, got `object`"),
        (dict, "null", "'value' must be dict: Expected `object`, got `null`"),
        (list[int], '[1,"2"]', "'value' must be list[int]: Expected `int`, got `str` - at `$[1]`"),
        (Literal["a", "b"], '"c"', "'value' must be Literal['a', 'b']: Invalid enum value 'c'"),
        ((int, None), '"x"', "'value' must be int | None: Expected `int | null`, got `str`"),
    ],
)
def test_a_value_of_another_type_is_refused(declared, text, said):
    with pytest.raises(cloaca.WorkflowValidationError) as refused:
        taken(declaring({"value": declared}), value=text)
    assert refused.value.errors == [said]
    assert str(refused.value) == f"workflow 'report' cannot start with this input: {said}"


def test_each_field_that_is_wrong_has_a_line():
    workflow = declaring({"region": str, "limit": (int, 10), "since": str})
    with pytest.raises(cloaca.WorkflowValidationError) as refused:
        taken(workflow, limt="5", region="3", colour='"red"')
    assert refused.value.errors == [
        "'limt' is not declared by @workflow_params: did you mean 'limit'?",
        "'colour' is not declared by @workflow_params: declared are 'region', 'limit', 'since'",
        "'region' must be str: Expected `str`, got `int`",
        "'since', str, is missing and has no default: give it",
    ]
    assert str(refused.value) == "\n  - ".join(
        ["workflow 'report' cannot start with this input:", *refused.value.errors]
    )


def test_a_message_does_not_grow_with_the_input():
    with pytest.raises(
        cloaca.WorkflowValidationError, match="and 80 more, see the exception's errors"
    ) as refused:
        taken(declaring({"limit": (int, 1)}), **{f"key_{n}": "0" for n in range(100)})
    assert len(refused.value.errors) == 100


def test_keys_that_schedules_and_triggers_set_are_no_strangers():
    assert (*RESERVED, "trigger_name", "triggered_at") == FIRED
    given = dict.fromkeys(FIRED, '"x"')
    assert taken(declaring({"limit": (int, 1)}), **given) == given | {"limit": "1"}


def test_tasks_that_declare_an_input_differently_are_refused_at_build():
    assert list(declaring({"limit": int}, {"limit": int}).params) == ["limit"]
    with pytest.raises(cloaca.WorkflowValidationError) as refused:
        declaring({"limit": int}, {"limit": (int, 10)})
    assert refused.value.errors == [
        "tasks 'task_0' and 'task_1' declare the input 'limit' differently: declare it once"
    ]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (10, "10 is a value, not a type: write a=(int, 10)"),
        (None, "None is a value, not a type: write a=(str, None)"),
        ("int", "'int' is a value, not a type: write a=(str, 'int')"),
        ((int, "x"), "its default 'x' is not of its type, Expected `int`, got `str`: change one of the two"),
        ((int, 1, 2), r"is not a type with its default: write a=(int, 10)"),
        ((int,), "is not a type with its default: write a=(int, 10)"),
        ((list, {1}), "context key 'a': a set cannot be stored as JSON"),
        (print, "is not a type that an input can have"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(declared, said):
    with pytest.raises(cloaca.TaskValidationError) as refused:
        cloaca.workflow_params(a=declared)
    assert str(refused.value).startswith("@workflow_params(a=...): ")
    assert said in str(refused.value)


@pytest.mark.parametrize("used", [cloaca.workflow_params, lambda: cloaca.workflow_params(print)])
def test_a_decorator_that_declares_nothing_is_refused(used):
    with pytest.raises(cloaca.TaskValidationError, match=r"write @workflow_params\(limit=int\)"):
        used()


@pytest.mark.parametrize("target", [int, "select", None, 3])
def test_only_a_task_or_its_function_can_declare(target):
    with pytest.raises(cloaca.TaskValidationError, match="decorates a task or its function, not"):
        cloaca.workflow_params(a=int)(target)


def test_a_default_is_a_new_object_each_time():
    param = declaring({"tags": (list, [])}).params["tags"]
    param.default.append(1)
    assert param.default == []


def test_a_param_is_shown_as_json_schema():
    made = declaring({"limit": (int, 10), "tags": list[str]}).params
    assert made["limit"].schema() == {"type": "integer", "default": 10}
    assert made["tags"].schema() == {"type": "array", "items": {"type": "string"}}


def test_the_version_changes_with_what_is_declared():
    versions = {
        declaring(declared).version
        for declared in ({"a": int}, {"a": str}, {"b": int}, {"a": (int, 1)}, {"a": (int, 2)})
    }
    assert len(versions) == 5
    assert declaring({"a": int}).version == declaring({"a": int}).version
