"""The tree of exceptions: who catches what, what each carries, and that all of it survives a process boundary."""

import builtins
import copy
import inspect
import pickle
import re

import pytest

import cloaca
from cloaca import errors

BASES = {
    "CloacaException": (Exception,),
    "WorkflowError": ("CloacaException",),
    "WorkflowValidationError": ("WorkflowError", ValueError),
    "TaskNotFoundError": ("WorkflowValidationError", KeyError),
    "WorkflowNotFoundError": ("WorkflowError", ValueError, KeyError),
    "WorkflowExecutionError": ("WorkflowError", RuntimeError),
    "WorkflowTimeoutError": ("WorkflowError", TimeoutError),
    "ExecutionNotFoundError": ("WorkflowError", ValueError, KeyError),
    "IdempotencyError": ("WorkflowError", ValueError),
    "TaskError": ("CloacaException",),
    "TaskValidationError": ("TaskError", ValueError),
    "TaskExecutionError": ("TaskError", RuntimeError),
    "TaskTimeoutError": ("TaskError", TimeoutError),
    "ContextError": ("CloacaException",),
    "UnstorableValueError": ("ContextError", TypeError),
    "ConfigurationError": ("CloacaException", ValueError),
    "VariableNotSetError": ("ConfigurationError", KeyError),
    "RunnerError": ("CloacaException", RuntimeError),
    "DatabaseError": ("CloacaException", RuntimeError),
    "InvalidDatabaseUrl": ("DatabaseError", ValueError),
    "ConnectionError": ("DatabaseError", builtins.ConnectionError),
    "MigrationError": ("DatabaseError",),
    "SchemaError": ("DatabaseError", ValueError),
    "CommitUnknownError": ("DatabaseError", TimeoutError),
    "ScheduleError": ("CloacaException", ValueError),
    "ExecutionStateError": ("WorkflowError", ValueError),
    "TaskInterrupted": (BaseException,),
    "LeaseLost": ("TaskInterrupted",),
    "ExecutionCancelled": ("TaskInterrupted",),
}

ATTRIBUTES = {
    "WorkflowValidationError": {"errors": ["one", "two"]},
    "TaskNotFoundError": {"errors": ["one"]},
    "WorkflowExecutionError": {"workflow_name": "etl", "execution_id": "e1"},
    "WorkflowTimeoutError": {"timeout_seconds": 1.5, "partial_result": {"rows": 3}},
    "TaskExecutionError": {"task_id": "load", "context": cloaca.Context({"rows": [1]})},
    "TaskTimeoutError": {"task_id": "load", "timeout_seconds": 0.5},
    "UnstorableValueError": {"path": ("rows", 0, "at"), "type_name": "datetime"},
    "ConnectionError": {"database_url": "postgresql://me@host/db"},
    "MigrationError": {"target_version": 3},
    "ExecutionStateError": {"execution_id": "e1", "status": "Completed"},
    **{
        key: {"execution_id": "e1", "task_id": "load"}
        for key in ["TaskInterrupted", "LeaseLost", "ExecutionCancelled"]
    },
}


CONTROL = {"TaskInterrupted", "LeaseLost", "ExecutionCancelled"}
"""What ends a body, and no ``except Exception`` catches."""


def classes():
    return {
        name: one
        for name, one in vars(errors).items()
        if inspect.isclass(one) and one.__module__ == errors.__name__
    }


def made(name):
    return getattr(errors, name)("what is wrong", **ATTRIBUTES.get(name, {}))


def test_every_class_is_in_this_table_and_can_be_imported_from_cloaca():
    assert set(classes()) == set(BASES) == set(errors.__all__)
    assert all(getattr(cloaca, name) is one for name, one in classes().items())
    assert set(BASES) <= set(cloaca.__all__)


@pytest.mark.parametrize("name", BASES)
def test_an_error_derives_from_its_family_and_from_the_builtin_that_users_catch(name):
    bases = tuple(base if isinstance(base, type) else getattr(errors, base) for base in BASES[name])
    assert getattr(errors, name).__bases__ == bases
    assert issubclass(getattr(errors, name), cloaca.CloacaException) or name in CONTROL


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = re.findall(r"^([│├└─ ]*)(\w+)(?: +\(([\w., ]*)(?::[^)]*)?\))?$", errors.__doc__, re.MULTILINE)
    path, found = [], {}
    for indent, name, extra in drawn:
        depth = len(indent) // 4
        path[depth:] = [name]
        builtin = [one.strip().removeprefix("builtins.") for one in extra.split(",")] if extra else []
        others = [getattr(builtins, one) for one in builtin]
        root = [Exception] if name == "CloacaException" else []
        found[name] = (*([path[depth - 1]] if depth else root), *others)
    assert found == BASES


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", BASES)
def test_an_error_is_pickled_with_its_message_and_attributes(name, protocol):
    error = made(name)
    error.add_note("seen on host a")
    for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error)):
        assert type(again) is type(error)
        assert (str(again), again.args) == ("what is wrong", ("what is wrong",))
        assert again.__notes__ == ["seen on host a"]
        for attribute, value in ATTRIBUTES.get(name, {}).items():
            assert getattr(again, attribute) == value


@pytest.mark.parametrize("name", BASES)
def test_an_error_needs_no_more_than_a_message(name):
    if name in CONTROL:
        return
    error = getattr(errors, name)("what is wrong")
    assert str(error) == "what is wrong"
    unset = {"errors": ["what is wrong"], "path": (), "type_name": ""}
    for attribute in ATTRIBUTES.get(name, {}):
        assert getattr(error, attribute) == unset.get(attribute)


def test_a_task_error_takes_its_data_by_position():
    context = cloaca.Context({"a": 1})
    error = cloaca.TaskExecutionError("no", "load", context)
    assert (error.task_id, error.context) == ("load", context)
