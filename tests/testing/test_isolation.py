"""isolated_registry: what a test declares is forgotten."""

import contextlib

import pytest

import cloaca
from cloaca.authoring import registry
from cloaca.testing import isolated_registry, run
from tests.world import workflow_of


def test_what_is_declared_inside_is_forgotten():
    with isolated_registry():
        cloaca.task(lambda context: None, id="inside")
        workflow_of("flow", lambda context: None, id="one")
        assert registry.registered_names() == ["flow"]
    assert registry.registered_names() == registry.current().task_ids() == []


def test_what_was_known_before_is_known_inside_and_may_be_replaced_there():
    workflow_of("flow", lambda context: {"from": "outside"}, id="one")
    with isolated_registry():
        assert run("flow")["from"] == "outside"
        workflow_of("flow", lambda context: {"from": "inside"}, id="one")
        assert run("flow")["from"] == "inside"
    assert run("flow")["from"] == "outside"


def test_a_block_that_raises_is_forgotten_too():
    with contextlib.suppress(ZeroDivisionError), isolated_registry():
        workflow_of("flow", lambda context: None, id="one")
        raise ZeroDivisionError
    assert registry.registered_names() == []


def test_blocks_nest():
    with isolated_registry():
        workflow_of("one", lambda context: None, id="one")
        with isolated_registry():
            workflow_of("two", lambda context: None, id="one")
            assert registry.registered_names() == ["one", "two"]
        assert registry.registered_names() == ["one"]


def test_runners_hear_of_what_is_registered_inside(runner_of_before):
    with isolated_registry():
        workflow_of("flow", lambda context: {"done": True}, id="one")
        assert runner_of_before.execute("flow")["done"]
    with pytest.raises(cloaca.WorkflowNotFoundError):
        runner_of_before.execute("flow")


@pytest.fixture
def runner_of_before():
    with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        yield runner
