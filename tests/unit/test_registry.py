import threading

import pytest

from cloaca.authoring import registry
from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.decorator import task
from cloaca.authoring.registry import Registry
from cloaca.authoring.task import Task
from cloaca.errors import WorkflowError, WorkflowNotFoundError, WorkflowValidationError


@pytest.fixture(autouse=True)
def names():
    before = registry.use(Registry())
    yield registry.current()
    registry.use(before)


def make(name="etl"):
    return WorkflowBuilder(name).add_task(task(id="a")(lambda context: None)).build()


def test_a_constructor_is_called_once_at_first_use(names):
    calls = []
    names.register_workflow_constructor("etl", lambda: calls.append(1) or make())
    assert calls == []
    assert names.find_workflow("etl") is names.workflow("etl")
    assert calls == [1]


def test_a_constructor_is_called_once_by_many_threads(names):
    calls, found = [], []
    inside = threading.Event()

    def constructor():
        calls.append(1)
        inside.wait(10)
        return make()

    names.register_workflow_constructor("etl", constructor)
    threads = [threading.Thread(target=lambda: found.append(names.find_workflow("etl"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    inside.set()
    for thread in threads:
        thread.join()
    assert calls == [1]
    assert len(set(found)) == 1


def test_other_names_and_tasks_are_usable_while_a_constructor_runs(names):
    names.register_workflow(make("other"))

    def constructor():
        others = threading.Thread(
            target=lambda: (names.find_workflow("other"), task(id="b")(lambda context: None))
        )
        others.start()
        others.join(10)
        assert not others.is_alive()
        return make()

    names.register_workflow_constructor("etl", constructor)
    assert names.find_workflow("etl")


def test_a_later_registration_replaces_the_earlier(names):
    first, second = make(), make()
    names.register_workflow_constructor("etl", lambda: first)
    assert names.find_workflow("etl") is first
    names.register_workflow_constructor("etl", lambda: second)
    assert names.find_workflow("etl") is second
    names.register_workflow(first)
    assert names.find_workflow("etl") is first
    assert names.registered_names() == ["etl"]


def test_a_constructor_may_use_the_registry(names):
    def constructor():
        with WorkflowBuilder("etl") as builder:
            task(id="a")(lambda context: None)
        assert names.find_workflow("etl")
        return builder.build()

    names.register_workflow_constructor("etl", constructor)
    assert names.find_workflow("etl") is names.find_workflow("etl")


def test_a_constructor_that_asks_for_itself_is_refused(names):
    names.register_workflow_constructor("etl", lambda: names.find_workflow("etl"))
    with pytest.raises(WorkflowError, match="asks for the workflow it is to make"):
        names.find_workflow("etl")


def test_a_constructor_that_raises_is_named_and_tried_again(names):
    outcomes = iter([ZeroDivisionError("no"), None])

    def constructor():
        if error := next(outcomes):
            raise error
        return make()

    names.register_workflow_constructor("etl", constructor)
    with pytest.raises(
        WorkflowError, match="constructor of workflow 'etl' failed with ZeroDivisionError: no"
    ) as caught:
        names.find_workflow("etl")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert names.find_workflow("etl").name == "etl"


def test_a_constructor_that_returns_no_workflow_is_named(names):
    names.register_workflow_constructor("etl", lambda: None)
    with pytest.raises(
        WorkflowError, match=r"'etl' returned None, not a Workflow: return builder\.build\(\)"
    ):
        names.find_workflow("etl")


def test_a_constructor_first_used_inside_a_block_declares_outside_it(names):
    names.register_workflow_constructor("etl", make)
    with WorkflowBuilder("outer"):
        task(id="own")(lambda context: None)
        names.find_workflow("etl")
    assert names.find_workflow("outer").tasks == ["own"]


@pytest.mark.parametrize("name", ["", None, 3, "a\0"])
def test_a_name_that_cannot_be_is_refused(names, name):
    with pytest.raises(WorkflowValidationError, match="the workflow's name"):
        names.register_workflow_constructor(name, make)


def test_what_cannot_be_called_is_refused(names):
    with pytest.raises(WorkflowValidationError, match=r"must be callable.*lambda: workflow"):
        names.register_workflow_constructor("etl", make())


def test_only_workflows_are_registered(names):
    with pytest.raises(WorkflowValidationError, match="'etl' is not a workflow"):
        names.register_workflow("etl")


def test_an_unknown_name_finds_nothing(names):
    assert names.find_workflow("etl") is None
    assert names.find_workflow(None) is None


@pytest.mark.parametrize("error", [WorkflowNotFoundError, ValueError, KeyError])
def test_an_unknown_name_is_an_error_that_callers_expect(names, error):
    with pytest.raises(error, match="workflow 'etl' is not registered: no workflow is registered"):
        names.workflow("etl")


def test_an_unknown_name_names_the_nearest(names):
    names.register_workflow(make("etl_daily"))
    with pytest.raises(WorkflowNotFoundError, match="did you mean 'etl_daily'"):
        names.workflow("etl_dayly")
    with pytest.raises(WorkflowNotFoundError, match="registered are 'etl_daily'"):
        names.workflow("xyz")


@pytest.mark.parametrize("name", [None, 3, []])
def test_what_is_no_name_is_told_so(names, name):
    with pytest.raises(WorkflowNotFoundError, match="is not the name of a workflow"):
        names.workflow(name)


def test_a_workflow_built_but_never_registered_is_told_so(names):
    make()
    with pytest.raises(WorkflowNotFoundError, match="'etl' was built but never registered") as caught:
        names.workflow("etl")
    assert "register_workflow_constructor('etl', lambda: workflow)" in str(caught.value)
    assert "pass the workflow itself" in str(caught.value)


def test_a_workflow_whose_block_is_open_is_told_so(names):
    with pytest.raises(WorkflowNotFoundError, match="'open' is registered at the end of its block"):  # noqa: SIM117
        with WorkflowBuilder("open"):
            names.workflow("open")


def test_names_of_built_workflows_do_not_pile_up(names):
    for n in range(3000):
        names.note_built(f"w{n}")
    assert len(names._built) == 1000
    with pytest.raises(WorkflowNotFoundError, match="built but never registered"):
        names.workflow("w2999")


def test_subscribers_hear_of_each_registration_outside_the_lock(names):
    heard = []

    def callback(name):
        # Another thread can use the registry meanwhile, so the lock is free.
        other = threading.Thread(target=names.registered_names)
        other.start()
        other.join(10)
        heard.append((name, other.is_alive(), name in names.registered_names()))

    unsubscribe = names.subscribe(callback)
    names.register_workflow_constructor("a", make)
    names.register_workflow(make("b"))
    unsubscribe()
    unsubscribe()
    names.register_workflow(make("c"))
    assert heard == [("a", False, True), ("b", False, True)]


def test_a_later_task_of_an_id_replaces_the_earlier(names):
    first = task(id="a")(lambda context: 1)
    assert names.find_task("a") is first
    second = task(id="a")(lambda context: 2)
    assert names.find_task("a") is second
    assert names.task_ids() == ["a"]


def test_module_functions_use_the_registry_of_the_moment():
    registry.register_workflow_constructor("etl", make)
    heard = []
    registry.subscribe(heard.append)
    registry.register_workflow(make("two"))
    assert registry.registered_names() == ["etl", "two"]
    assert registry.workflow("etl") is registry.find_workflow("etl")
    assert heard == ["two"]
    before = registry.use(Registry())
    assert registry.find_workflow("etl") is None
    registry.use(before)
    assert registry.find_workflow("etl")


def test_a_copy_knows_the_same_and_goes_its_own_way(names):
    names.register_workflow(make("etl"))
    names.declare(task(lambda context: None, id="one"))
    told = []
    names.subscribe(told.append)
    copy = names.copy()
    copy.register_workflow(make("other"))
    copy.declare(Task(lambda context: None, id="two"))
    assert (copy.registered_names(), copy.task_ids()) == (["etl", "other"], ["a", "one", "two"])
    assert (names.registered_names(), names.task_ids(), told) == (["etl"], ["a", "one"], [])
