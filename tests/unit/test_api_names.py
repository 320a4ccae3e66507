"""The names and signatures that users of this module name rely on."""

import inspect
from types import FunctionType

import pytest

import cloaca

CLASSES = (
    "BackoffStrategy", "Context", "CronSchedule", "DatabaseAdmin", "DefaultRunner", "DefaultRunnerConfig",
    "PipelineResult", "RetryCondition", "RetryPolicy", "RetryPolicyBuilder", "TaskHandle", "TaskNamespace",
    "TenantConfig", "TenantCredentials", "TriggerResult", "Workflow", "WorkflowBuilder", "WorkflowContext",
    "WorkflowResult", "WorkflowValidationError",
)  # fmt: skip

FUNCTIONS = (
    "_shutdown_all_runners", "all_of", "always", "any_of", "context_value", "none_of", "register_workflow_constructor",
    "task", "task_failed", "task_skipped", "task_success", "trigger", "var", "var_or", "workflow_params",
)  # fmt: skip

ABSENT = (
    "ComputationGraphBuilder", "batch_accumulator", "boundary_schema", "constructor", "node",
    "passthrough_accumulator", "polling_accumulator", "reactor", "state_accumulator", "stream_accumulator",
    "workflow_secrets",
)  # fmt: skip

NO_DEFAULT = inspect.Parameter.empty

SIGNATURES = {
    "Context": {"data": None},
    "Context.get": {"key": NO_DEFAULT, "default": None},
    "Context.set": {"key": NO_DEFAULT, "value": NO_DEFAULT},
    "Context.insert": {"key": NO_DEFAULT, "value": NO_DEFAULT},
    "Context.update": {"key": NO_DEFAULT, "value": NO_DEFAULT},
    "Context.remove": {"key": NO_DEFAULT},
    "Context.delete": {"key": NO_DEFAULT},
    "Context.get_required": {"key": NO_DEFAULT},
    "Context.to_dict": {},
    "Context.update_from_dict": {"data": NO_DEFAULT},
    "Context.to_json": {},
    "Context.from_json": {"json_str": NO_DEFAULT},
    "TaskHandle.defer_until": {"condition": NO_DEFAULT, "poll_interval_ms": 1000},
    "TaskHandle.is_slot_held": {},
    "BackoffStrategy.fixed": {},
    "BackoffStrategy.linear": {"multiplier": 1.0},
    "BackoffStrategy.exponential": {"base": 2.0, "multiplier": None},
    "RetryCondition.never": {},
    "RetryCondition.transient_only": {},
    "RetryCondition.all_errors": {},
    "RetryCondition.error_pattern": {"patterns": NO_DEFAULT},
    "RetryPolicy.builder": {},
    "RetryPolicy.default": {},
    "RetryPolicy.calculate_delay": {"attempt": NO_DEFAULT},
    "RetryPolicy.should_retry": {"attempt": NO_DEFAULT, "error_type": NO_DEFAULT},
    "TriggerResult": {"should_fire": NO_DEFAULT, "context": None},
    "TriggerResult.skip": {},
    "TriggerResult.fire": {"context": None},
    "TenantConfig": {"schema_name": NO_DEFAULT, "username": NO_DEFAULT, "password": None},
    "DatabaseAdmin.create_tenant": {"config": NO_DEFAULT},
    "DatabaseAdmin.remove_tenant": {"schema_name": NO_DEFAULT, "username": NO_DEFAULT},
    "always": {},
    "task_success": {"name": NO_DEFAULT},
    "task_failed": {"name": NO_DEFAULT},
    "task_skipped": {"name": NO_DEFAULT},
    "WorkflowBuilder": {"name": NO_DEFAULT, "tenant": "public", "package": "embedded", "workflow": None},
    "WorkflowBuilder.description": {"text": NO_DEFAULT},
    "WorkflowBuilder.tag": {"key": NO_DEFAULT, "value": NO_DEFAULT},
    "WorkflowBuilder.add_task": {"task": NO_DEFAULT},
    "WorkflowBuilder.build": {},
    "Workflow.topological_sort": {},
    "Workflow.get_execution_levels": {},
    "Workflow.get_roots": {},
    "Workflow.get_leaves": {},
    "Workflow.can_run_parallel": {"a": NO_DEFAULT, "b": NO_DEFAULT},
    "Workflow.validate": {},
    "register_workflow_constructor": {"name": NO_DEFAULT, "constructor": NO_DEFAULT},
    "DefaultRunner": {"database_url": None, "config": None, "schema": None},
    "DefaultRunner.with_config": {"database_url": NO_DEFAULT, "config": NO_DEFAULT},
    "DefaultRunner.with_schema": {"database_url": NO_DEFAULT, "schema": NO_DEFAULT},
    "DefaultRunner.execute": {"workflow_name": NO_DEFAULT, "context": None, "check": False},
    "DefaultRunner.shutdown": {"timeout": None},
    "DefaultRunner.stop": {"timeout": None},
    "DefaultRunnerConfig.default": {},
    "DefaultRunnerConfig.to_dict": {},
    "TaskNamespace": dict.fromkeys(("tenant_id", "package_name", "workflow_id", "task_id"), NO_DEFAULT),
    "TaskNamespace.from_string": {"text": NO_DEFAULT},
    "TaskNamespace.parent": {},
    "TaskNamespace.is_child_of": {"other": NO_DEFAULT},
    "TaskNamespace.is_sibling_of": {"other": NO_DEFAULT},
    "WorkflowContext": dict.fromkeys(("tenant_id", "package_name", "workflow_id"), NO_DEFAULT),
    "WorkflowContext.task_namespace": {"task_id": NO_DEFAULT},
    "WorkflowContext.resolve_dependency": {"name": NO_DEFAULT},
    "WorkflowContext.workflow_namespace": {},
    "WorkflowContext.contains_namespace": {"namespace": NO_DEFAULT},
    "var": {"name": NO_DEFAULT},
    "var_or": {"name": NO_DEFAULT, "default": NO_DEFAULT},
}


def found(path):
    """What a dotted name means."""
    value = cloaca
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_there(name):
    assert inspect.isclass(getattr(cloaca, name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_there(name):
    assert isinstance(getattr(cloaca, name), FunctionType)


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_built_is_absent_and_no_stub(name):
    assert not hasattr(cloaca, name)
    assert name not in cloaca.__all__


@pytest.mark.parametrize("name", ["secret", "secret_field"])
def test_a_context_knows_no_secrets(name):
    assert not hasattr(cloaca.Context, name)


def test_all_public_names_can_be_imported_and_a_misspelt_one_is_an_attribute_error():
    for name in cloaca.__all__:
        assert getattr(cloaca, name) is not None
    with pytest.raises(AttributeError, match="module 'cloaca' has no attribute 'WorkflowBuilderr'"):
        _ = cloaca.WorkflowBuilderr


@pytest.mark.parametrize("path", SIGNATURES)
def test_a_signature_is_as_pinned(path):
    parameters = inspect.signature(found(path)).parameters
    assert {p.name: p.default for p in parameters.values() if p.name != "self"} == SIGNATURES[path]
