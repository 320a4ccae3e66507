import copy
from functools import partial

import pytest

from cloaca.authoring import registry
from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.decorator import task
from cloaca.authoring.workflow import Workflow
from cloaca.errors import TaskNotFoundError, WorkflowValidationError

SHAPE = {"fetch": [], "users": ["fetch"], "orders": ["fetch"], "merge": ["users", "orders"], "alone": []}


@pytest.fixture(autouse=True)
def fresh_registry():
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


@pytest.fixture
def workflow():
    builder = WorkflowBuilder("etl").description("moves data").tag("team", "a")
    for id, dependencies in SHAPE.items():
        builder.add_task(task(id=id, dependencies=dependencies)(lambda context: context))
    return builder.build()


def test_its_properties_are_what_the_builder_was_told(workflow):
    assert workflow.name == "etl"
    assert workflow.description == "moves data"
    assert workflow.tags == {"team": "a"}
    assert workflow.tasks == list(SHAPE)
    assert workflow.dependencies == SHAPE


def test_a_workflow_without_a_description_has_an_empty_one():
    assert WorkflowBuilder("etl").add_task(task(id="a")(lambda context: None)).build().description == ""


def test_its_structure_is_shown_in_ids(workflow):
    assert workflow.topological_sort() == ["fetch", "alone", "users", "orders", "merge"]
    assert workflow.get_execution_levels() == [["fetch", "alone"], ["users", "orders"], ["merge"]]
    assert workflow.get_roots() == ["fetch", "alone"]
    assert workflow.get_leaves() == ["merge", "alone"]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("users", "orders", True),
        ("alone", "merge", True),
        ("fetch", "merge", False),
        ("merge", "fetch", False),
        ("users", "users", False),
    ],
)
def test_tasks_without_a_path_between_them_can_run_in_parallel(workflow, a, b, expected):
    assert workflow.can_run_parallel(a, b) is expected


def test_an_unknown_id_is_refused_with_the_nearest_one(workflow):
    for ask in (workflow.task, partial(workflow.can_run_parallel, "fetch")):
        with pytest.raises(TaskNotFoundError, match="'user' is not in workflow 'etl': did you mean 'users'"):
            ask("user")


@pytest.mark.parametrize("attribute", ["name", "tasks", "_graph", "anything"])
def test_no_attribute_can_be_set_or_deleted(workflow, attribute):
    with pytest.raises(AttributeError, match="workflow 'etl' is immutable"):
        setattr(workflow, attribute, 3)
    with pytest.raises(AttributeError, match="workflow 'etl' is immutable"):
        delattr(workflow, attribute)


def test_nothing_handed_out_changes_the_workflow(workflow):
    workflow.tasks.clear()
    workflow.tags.clear()
    workflow.dependencies["merge"].clear()
    workflow.topological_sort().clear()
    workflow.get_execution_levels()[0].clear()
    workflow.get_roots().clear()
    workflow.get_leaves().clear()
    assert workflow.tasks == list(SHAPE)
    assert workflow.tags == {"team": "a"}
    assert workflow.dependencies == SHAPE
    assert workflow.topological_sort()
    assert workflow.get_execution_levels()[0] == ["fetch", "alone"]


def test_the_builder_does_not_change_what_it_built():
    builder = WorkflowBuilder("etl").add_task(task(id="a")(lambda context: None))
    workflow = builder.build()
    builder.tag("team", "a").description("later")
    assert (workflow.tags, workflow.description) == ({}, "")


def test_a_copy_is_the_workflow_itself(workflow):
    assert copy.copy(workflow) is workflow
    assert copy.deepcopy({"w": workflow})["w"] is workflow


def test_its_tasks_are_numbered_as_the_graphs_nodes(workflow):
    assert [made.id for made in workflow.bound] == list(workflow.graph.ids)
    assert workflow.task("users") is workflow.bound[workflow.graph.index["users"]]


def test_it_validates_again(workflow):
    assert workflow.validate() is None
    twice = task(id="a", dependencies=["b", "b"])(lambda context: None)
    first = task(id="b")(lambda context: None)
    with pytest.raises(WorkflowValidationError, match="names 'b' more than once"):
        Workflow("etl", tasks=[first, twice]).validate()


def test_the_representation_names_it(workflow):
    assert repr(workflow) == "Workflow('etl', tasks=5)"


def test_the_users_four_validation_errors_are_all_caught_as_one_class():
    def circular():
        task(id="a", dependencies=["b"])(lambda context: None)
        task(id="b", dependencies=["a"])(lambda context: None)
        WorkflowBuilder("etl").add_task("a").add_task("b").build()

    def missing():
        WorkflowBuilder("etl").add_task(task(id="a", dependencies=["z"])(lambda context: None)).build()

    def duplicate():
        builder = WorkflowBuilder("etl")
        for _ in range(2):
            builder.add_task(task(id="a")(lambda context: None))
        builder.build()

    def invalid():
        WorkflowBuilder("etl").add_task("nobody").build()

    for mistake in (circular, missing, duplicate, invalid):
        with pytest.raises(WorkflowValidationError) as caught:
            mistake()
        assert caught.value.errors
        assert isinstance(caught.value, ValueError)
