"""Full names of tasks."""

import pytest

import cloaca
from cloaca import TaskNamespace, WorkflowContext

LOAD = TaskNamespace("public", "embedded", "etl", "load")
FETCH = TaskNamespace("public", "embedded", "etl", "fetch")
ETL = WorkflowContext("public", "embedded", "etl")


@pytest.mark.parametrize("text", ["public::embedded::etl::load", "public::embedded::etl"])
def test_a_namespace_is_its_text_and_back(text):
    assert str(TaskNamespace.from_string(text)) == text


def test_a_namespace_has_four_parts_and_is_equal_by_them():
    assert (LOAD.tenant_id, LOAD.package_name, LOAD.workflow_id, LOAD.task_id) == (
        "public", "embedded", "etl", "load",
    )  # fmt: skip
    assert LOAD == TaskNamespace.from_string(str(LOAD)) != FETCH
    assert len({LOAD, TaskNamespace.from_string(str(LOAD)), FETCH}) == 2
    assert repr(LOAD).startswith("TaskNamespace(")
    with pytest.raises(AttributeError):
        LOAD.task_id = "other"


def test_a_task_is_the_child_of_its_workflow_and_the_sibling_of_its_other_tasks():
    other = TaskNamespace("public", "embedded", "other", "load")
    assert LOAD.is_child_of(LOAD.parent())
    assert not any(
        [LOAD.is_child_of(FETCH), LOAD.is_child_of(other.parent()), LOAD.parent().is_child_of(LOAD)]
    )
    assert LOAD.is_sibling_of(FETCH)
    assert not any(map(LOAD.is_sibling_of, [LOAD, other, LOAD.parent()]))


def test_a_context_names_the_tasks_of_its_workflow():
    assert ETL.task_namespace("load") == ETL.resolve_dependency("load") == LOAD
    assert str(ETL.resolve_dependency("acme::tools::other::load")) == "acme::tools::other::load"
    assert ETL.workflow_namespace() == LOAD.parent()
    assert ETL.contains_namespace(LOAD)
    assert not ETL.contains_namespace(TaskNamespace("acme", "embedded", "etl", "load"))
    assert str(ETL) == "public::embedded::etl"
    assert WorkflowContext("public", "embedded", "etl") == ETL
    assert repr(ETL).startswith("WorkflowContext(")


@pytest.mark.parametrize(
    "make",
    [
        lambda: TaskNamespace.from_string("load"),
        lambda: TaskNamespace.from_string("a::b::c::d::e"),
        lambda: TaskNamespace.from_string("a::b::c::"),
        lambda: TaskNamespace.from_string(None),
        lambda: TaskNamespace("", "b", "c", "d"),
        lambda: TaskNamespace("a", "b", "c::d", "e"),
        lambda: TaskNamespace("a", "b", "c", None),
        lambda: WorkflowContext("a", "b", ""),
        lambda: ETL.task_namespace(""),
    ],
)
def test_what_is_no_namespace_is_refused(make):
    with pytest.raises(cloaca.WorkflowValidationError, match="namespace"):
        make()
