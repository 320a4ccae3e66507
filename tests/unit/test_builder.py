import itertools
import random
import threading

import pytest

from cloaca.authoring import registry
from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.cycles import elementary_cycles
from cloaca.authoring.decorator import task
from cloaca.errors import TaskNotFoundError, WorkflowError, WorkflowValidationError


@pytest.fixture(autouse=True)
def fresh_registry():
    before = registry.use(registry.Registry())
    yield registry.current()
    registry.use(before)


def declared(**dependencies):
    """One task for each keyword, declared outside any builder."""
    return [
        task(id=id, dependencies=list(deps))(lambda context: context) for id, deps in dependencies.items()
    ]


def built(**dependencies):
    builder = WorkflowBuilder("etl")
    for made in declared(**dependencies):
        builder.add_task(made)
    return builder


def errors_of(builder):
    with pytest.raises(WorkflowValidationError) as caught:
        builder.build()
    assert "'etl'" in str(caught.value)
    for line in caught.value.errors:
        assert line in str(caught.value)
    return caught.value.errors


def test_tasks_are_added_by_id_or_as_functions_in_any_order():
    declared(extract=[], transform=["extract"])
    load = task(id="load", dependencies=["transform"])(lambda context: None)
    workflow = WorkflowBuilder("etl").add_task(load).add_task("extract").add_task("transform").build()
    assert workflow.tasks == ["load", "extract", "transform"]
    assert workflow.topological_sort() == ["extract", "transform", "load"]


def test_description_and_tags_arrive_in_the_workflow():
    builder = WorkflowBuilder("etl")
    assert builder.description("moves data").tag("team", "a").tag("team", "b") is builder
    workflow = builder.add_task(declared(a=[])[0]).build()
    assert (workflow.description, workflow.tags) == ("moves data", {"team": "b"})


def test_a_namespace_has_defaults():
    builder = WorkflowBuilder("etl")
    assert (builder.tenant, builder.package, builder.workflow) == ("public", "embedded", "etl")
    builder = WorkflowBuilder("etl", tenant="acme", package="p", workflow="w")
    assert (builder.tenant, builder.package, builder.workflow) == ("acme", "p", "w")


def test_an_unknown_id_is_refused_at_once_with_the_nearest_known_one():
    declared(fetch_users=[])
    with pytest.raises(
        TaskNotFoundError, match="'fetch_user' not found in registry: did you mean 'fetch_users'"
    ):
        WorkflowBuilder("etl").add_task("fetch_user")


@pytest.mark.parametrize("error", [ValueError, KeyError, WorkflowValidationError])
def test_an_unknown_id_is_caught_as_what_callers_expect(error):
    with pytest.raises(error, match="not found in registry"):
        WorkflowBuilder("etl").add_task("nobody")


@pytest.mark.parametrize("given", [3, None, ["a"], lambda context: context, int])
def test_what_is_neither_id_nor_task_is_refused(given):
    with pytest.raises(WorkflowValidationError, match="string task ID or a function object"):
        WorkflowBuilder("etl").add_task(given)


def test_build_refuses_again_what_add_task_refused():
    builder = built(a=[])
    for wrong in ("nobody", 3):
        with pytest.raises(WorkflowValidationError):
            builder.add_task(wrong)
    first, second = errors_of(builder)
    assert "'nobody' not found in registry" in first
    assert "string task ID or a function object" in second


def test_a_refused_id_that_is_declared_and_added_later_is_forgiven():
    builder = WorkflowBuilder("etl")
    with pytest.raises(TaskNotFoundError):
        builder.add_task("late")
    declared(late=[])
    assert builder.add_task("late").build().tasks == ["late"]


def test_a_circular_dependency_shows_the_whole_path():
    (line,) = errors_of(built(a=["b"], b=["c"], c=["a"]))
    assert "a -> b -> c -> a" in line


def test_each_elementary_cycle_is_reported_once():
    lines = errors_of(built(a=["b", "c"], b=["a"], c=["a"], d=["e"], e=["d"]))
    assert sorted(line.split(", ")[1].split(":")[0] for line in lines) == [
        "a -> b -> a",
        "a -> c -> a",
        "d -> e -> d",
    ]


def test_a_task_that_depends_on_itself_is_told_so():
    assert errors_of(built(a=["a"])) == ["task 'a' depends on itself: drop the dependency"]


def test_a_known_dependency_that_was_not_added_is_named_with_the_remedy():
    _, load = declared(fetch=[], load=["fetch"])
    (line,) = errors_of(WorkflowBuilder("etl").add_task(load))
    remedy = "add it to the builder or drop the dependency"
    assert line == f"task 'load' depends on 'fetch', which is not in workflow 'etl': {remedy}"


def test_a_dependency_that_nobody_declared_is_named_with_the_nearest_task():
    (line,) = errors_of(built(fetch=[], load=["fetsh"]))
    assert line == "task 'load' depends on 'fetsh', which no task is called: did you mean 'fetch'?"


def test_a_dependency_that_cannot_be_an_id_is_an_invalid_reference():
    (line,) = errors_of(built(load=["a b"]))
    assert line.startswith("task 'load' depends on 'a b', which is not a task id")


def test_a_dependency_named_twice_is_reported():
    (line,) = errors_of(built(a=[], b=["a", "a"]))
    assert line == "task 'b' names 'a' more than once in its dependencies: keep one"


def test_two_functions_of_one_id_are_a_duplicate():
    builder = built(a=[])
    builder.add_task(declared(a=[])[0])
    (line,) = errors_of(builder)
    assert line.startswith("2 tasks have the id 'a'")


def test_an_id_and_another_function_of_that_id_are_a_duplicate():
    registry.current().declare(declared(a=[])[0])
    builder = WorkflowBuilder("etl").add_task("a")
    with WorkflowBuilder("other"):
        (other,) = declared(a=[])
    assert "2 tasks" in errors_of(builder.add_task(other))[0]


def test_a_task_added_again_is_harmless():
    (a,) = declared(a=[])
    assert WorkflowBuilder("etl").add_task("a").add_task(a).add_task("a").build().tasks == ["a"]


def test_an_empty_workflow_is_refused():
    assert "cannot be empty" in errors_of(WorkflowBuilder("etl"))[0]


def test_every_problem_is_reported_at_once():
    declared(known=[])
    builder = built(a=["a"], b=["known", "nobody"], c=["d"], d=["c"])
    builder.add_task(declared(a=["a"])[0])
    assert len(errors_of(builder)) == 5


def test_a_message_shows_some_problems_and_the_list_has_all():
    with pytest.raises(WorkflowValidationError) as caught:
        built(a=[f"x{n}" for n in range(1000)]).build()
    assert len(caught.value.errors) == 1000
    assert str(caught.value).count("\n") < 30
    assert "and 980 more" in str(caught.value)


def test_an_annotation_that_names_nothing_is_reported():
    scope = {}
    exec("from __future__ import annotations\ndef f(context, *, rows: list[Nothing]): ...", scope)
    builder = WorkflowBuilder("etl").add_task(task(scope["f"]))
    assert "name 'Nothing' is not defined" in errors_of(builder)[0]


@pytest.mark.parametrize(
    "name",
    ["", "  ", None, 3, b"etl", "a" * 256, "a\0", "a\n", "a\x7f", "a\u202eb", "a\ud800", "a\u2028"],
    ids=ascii,
)
def test_a_name_that_cannot_be_seen_or_stored_is_refused(name):
    for names in ({"name": name}, {"name": "etl", "tenant": name}, {"name": "etl", "package": name}):
        with pytest.raises(WorkflowValidationError) as caught:
            WorkflowBuilder(**names)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["etl", "my workflow", "größe", "取得", "a" * 255, 'it\'s "quoted"'])
def test_a_name_that_can_be_seen_and_stored_is_accepted(name):
    assert WorkflowBuilder(name).name == name


def test_descriptions_and_tags_that_cannot_be_stored_are_refused():
    builder = WorkflowBuilder("etl")
    for call in (
        lambda: builder.description(None),
        lambda: builder.description("a\0"),
        lambda: builder.tag("", "a"),
        lambda: builder.tag("a", 3),
        lambda: builder.tag("a", "\ud800"),
    ):
        with pytest.raises(WorkflowValidationError, match="of workflow 'etl'"):
            call()


def test_a_block_adds_its_tasks_builds_and_registers():
    with WorkflowBuilder("etl") as builder:

        @task
        def extract(context): ...

        @task(dependencies=[extract])
        def load(context): ...

        builder.add_task(extract)
        builder.add_task("load")
    found = registry.find_workflow("etl")
    assert found.tasks == ["extract", "load"]
    assert builder.build() is found


def test_tasks_of_a_block_are_seen_by_no_other_workflow():
    with WorkflowBuilder("one"):
        first = task(id="a")(lambda context: 1)
    with WorkflowBuilder("two"):
        task(id="a")(lambda context: 2)
    assert registry.current().find_task("a") is None
    assert registry.find_workflow("one").task("a") is first
    assert registry.find_workflow("two").task("a").function(None) == 2


def test_an_id_means_the_blocks_own_task_before_a_global_one():
    declared(a=[], b=["a"])
    with WorkflowBuilder("etl") as builder:
        own = task(id="a")(lambda context: "own")
        builder.add_task("a")
        builder.add_task("b")
    assert registry.find_workflow("etl").task("a") is own
    assert registry.find_workflow("etl").tasks == ["a", "b"]


def test_two_functions_of_one_id_in_one_block_are_a_duplicate():
    def twice():
        with WorkflowBuilder("etl"):
            declared(a=[])
            declared(a=[])

    with pytest.raises(WorkflowValidationError, match="2 tasks"):
        twice()
    assert registry.registered_names() == []


def test_a_block_that_raises_registers_nothing_and_declares_elsewhere_afterwards():
    def fails():
        with WorkflowBuilder("etl"):
            declared(a=[])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert registry.registered_names() == []
    declared(b=[])
    assert registry.current().task_ids() == ["b"]


def test_an_empty_block_is_an_error_at_its_end():
    with pytest.raises(WorkflowValidationError, match="cannot be empty"), WorkflowBuilder("etl"):
        pass
    assert registry.registered_names() == []


def test_build_may_be_called_and_returned_inside_the_block():
    def constructor():
        with WorkflowBuilder("etl") as builder:
            declared(a=[])
            return builder.build()

    workflow = constructor()
    assert registry.find_workflow("etl") is workflow


def test_a_task_added_after_a_build_is_in_the_next():
    builder = built(a=[])
    first = builder.build()
    assert builder.build() is first
    second = builder.add_task(declared(b=[])[0]).build()
    assert (first.tasks, second.tasks) == (["a"], ["a", "b"])


def test_build_binds_the_function_an_id_means_at_that_moment():
    declared(a=[])
    builder = WorkflowBuilder("etl").add_task("a")
    (second,) = declared(a=[])
    workflow = builder.build()
    declared(a=[])
    assert workflow.task("a") is second


def test_blocks_nest():
    with WorkflowBuilder("outer"):
        declared(a=[])
        with WorkflowBuilder("inner"):
            declared(b=[])
        declared(c=["a"])
    assert registry.find_workflow("outer").tasks == ["a", "c"]
    assert registry.find_workflow("inner").tasks == ["b"]


def test_a_block_of_a_builder_cannot_be_open_twice():
    builder = built(a=[])
    with builder, pytest.raises(WorkflowError, match="already open"):
        builder.__enter__()


def test_another_thread_does_not_declare_into_this_ones_block():
    with WorkflowBuilder("etl"):
        declared(a=[])
        thread = threading.Thread(target=declared, kwargs={"b": []})
        thread.start()
        thread.join()
    assert registry.find_workflow("etl").tasks == ["a"]
    assert registry.current().task_ids() == ["b"]


def test_the_representation_names_the_workflow():
    assert repr(built(a=[])) == "WorkflowBuilder('etl', tasks=1)"


def test_ten_thousand_tasks_in_a_chain_or_a_ring_are_built_or_refused_without_recursion():
    chain = {f"t{n}": [f"t{n - 1}"] if n else [] for n in range(10_000)}
    assert len(built(**chain).build().get_execution_levels()) == 10_000
    (line,) = errors_of(built(**chain | {"t0": ["t9999"]}))
    assert line.count(" -> ") == 10_000


def test_a_graph_of_countless_cycles_is_refused_in_bounded_time():
    ids = [f"t{n}" for n in range(200)]
    with pytest.raises(WorkflowValidationError) as caught:
        built(**{id: [other for other in ids if other != id] for id in ids}).build()
    assert len(caught.value.errors) == 100


@pytest.mark.parametrize("seed", range(60))
def test_the_cycles_found_are_those_of_a_search_by_hand(seed):
    choose = random.Random(seed)
    nodes = [str(n) for n in range(choose.randint(1, 6))]
    edges = {node: [other for other in nodes if choose.random() < 0.4] for node in nodes}
    expected = {
        path
        for length in range(2, len(nodes) + 1)
        for path in itertools.permutations(nodes, length)
        if path[0] == min(path) and all(b in edges[a] for a, b in zip(path, path[1:] + path[:1], strict=True))
    }
    found = [tuple(cycle) for cycle in elementary_cycles(edges)]
    assert len(found) == len(expected), f"seed {seed}"
    assert set(found) == expected, f"seed {seed}"
