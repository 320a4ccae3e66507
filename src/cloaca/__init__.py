"""Durable workflows as a library: write a DAG of functions, and it survives crashes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.decorator import task
from cloaca.authoring.registry import register_workflow_constructor
from cloaca.authoring.workflow import Workflow
from cloaca.errors import (
    CloacaException,
    CommitUnknownError,
    ConfigurationError,
    ConnectionError,
    ContextError,
    DatabaseError,
    ExecutionCancelled,
    ExecutionNotFoundError,
    ExecutionStateError,
    IdempotencyError,
    InvalidDatabaseUrl,
    LeaseLost,
    MigrationError,
    RunnerError,
    ScheduleError,
    SchemaError,
    TaskError,
    TaskExecutionError,
    TaskInterrupted,
    TaskNotFoundError,
    TaskTimeoutError,
    TaskValidationError,
    UnstorableValueError,
    VariableNotSetError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowTimeoutError,
    WorkflowValidationError,
)
from cloaca.executors.handle import TaskHandle
from cloaca.model.context import Context
from cloaca.model.retry import BackoffStrategy, RetryCondition, RetryPolicy, RetryPolicyBuilder
from cloaca.model.rules import (
    all_of,
    always,
    any_of,
    context_value,
    none_of,
    task_failed,
    task_skipped,
    task_success,
)
from cloaca.model.states import Status, TaskStatus
from cloaca.runner.client import Client
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.result import PipelineResult, WorkflowResult
from cloaca.runner.runner import DefaultRunner

if TYPE_CHECKING:
    from cloaca.authoring.namespaces import TaskNamespace, WorkflowContext
    from cloaca.authoring.trigger import TriggerResult, trigger
    from cloaca.authoring.variables import var, var_or
    from cloaca.authoring.workflow_params import workflow_params
    from cloaca.engine.pruning import PruneReport
    from cloaca.executors.log_context import LogContext
    from cloaca.insights import AttemptRecord, ConflictRecord, ExecutionRecord, ExecutionSummary, TaskRecord
    from cloaca.insights.difference import Difference, DifferenceKind, ExecutionDiff
    from cloaca.insights.entries import HistoryKind, HistoryRecord
    from cloaca.insights.reasons import Explanation, Reason, ReasonKind
    from cloaca.insights.runners import RunnerRecord
    from cloaca.insights.upgrade import TaskPlan, UpgradePlan, WorkflowPlan
    from cloaca.runner.tenancy import DatabaseAdmin, TenantConfig, TenantCredentials
    from cloaca.schedules.cron import CronSchedule

__all__ = [
    "AttemptRecord",
    "BackoffStrategy",
    "Client",
    "CloacaException",
    "CommitUnknownError",
    "ConfigurationError",
    "ConflictRecord",
    "ConnectionError",
    "Context",
    "ContextError",
    "CronSchedule",
    "DatabaseAdmin",
    "DatabaseError",
    "DefaultRunner",
    "DefaultRunnerConfig",
    "Difference",
    "DifferenceKind",
    "ExecutionCancelled",
    "ExecutionDiff",
    "ExecutionHandle",
    "ExecutionNotFoundError",
    "ExecutionRecord",
    "ExecutionStateError",
    "ExecutionSummary",
    "Explanation",
    "HistoryKind",
    "HistoryRecord",
    "IdempotencyError",
    "InvalidDatabaseUrl",
    "LeaseLost",
    "LogContext",
    "MigrationError",
    "PipelineResult",
    "PruneReport",
    "Reason",
    "ReasonKind",
    "RetryCondition",
    "RetryPolicy",
    "RetryPolicyBuilder",
    "RunnerError",
    "RunnerRecord",
    "ScheduleError",
    "SchemaError",
    "Status",
    "TaskError",
    "TaskExecutionError",
    "TaskHandle",
    "TaskInterrupted",
    "TaskNamespace",
    "TaskNotFoundError",
    "TaskPlan",
    "TaskRecord",
    "TaskStatus",
    "TaskTimeoutError",
    "TaskValidationError",
    "TenantConfig",
    "TenantCredentials",
    "TriggerResult",
    "UnstorableValueError",
    "UpgradePlan",
    "VariableNotSetError",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowContext",
    "WorkflowError",
    "WorkflowExecutionError",
    "WorkflowNotFoundError",
    "WorkflowPlan",
    "WorkflowResult",
    "WorkflowTimeoutError",
    "WorkflowValidationError",
    "all_of",
    "always",
    "any_of",
    "context_value",
    "none_of",
    "register_workflow_constructor",
    "task",
    "task_failed",
    "task_skipped",
    "task_success",
    "trigger",
    "var",
    "var_or",
    "workflow_params",
]


_LOADED_WHEN_USED = {
    **dict.fromkeys(
        ("AttemptRecord", "ConflictRecord", "ExecutionRecord", "ExecutionSummary", "TaskRecord"),
        "cloaca.insights",
    ),
    **dict.fromkeys(("Difference", "DifferenceKind", "ExecutionDiff"), "cloaca.insights.difference"),
    **dict.fromkeys(("HistoryKind", "HistoryRecord"), "cloaca.insights.entries"),
    **dict.fromkeys(("Explanation", "Reason", "ReasonKind"), "cloaca.insights.reasons"),
    **dict.fromkeys(("TaskPlan", "UpgradePlan", "WorkflowPlan"), "cloaca.insights.upgrade"),
    "RunnerRecord": "cloaca.insights.runners",
    **dict.fromkeys(("DatabaseAdmin", "TenantConfig", "TenantCredentials"), "cloaca.runner.tenancy"),
    **dict.fromkeys(("TriggerResult", "trigger"), "cloaca.authoring.trigger"),
    **dict.fromkeys(("TaskNamespace", "WorkflowContext"), "cloaca.authoring.namespaces"),
    **dict.fromkeys(("var", "var_or"), "cloaca.authoring.variables"),
    "workflow_params": "cloaca.authoring.workflow_params",
    "_shutdown_all_runners": "cloaca.runner.runner",
    "PruneReport": "cloaca.engine.pruning",
    "CronSchedule": "cloaca.schedules.cron",
    "LogContext": "cloaca.executors.log_context",
}
"""By name: the modules of names that most programs never use."""


def __getattr__(name: str) -> Any:
    """Load a name on first use."""
    module = _LOADED_WHEN_USED.get(name)
    if module is None:
        raise AttributeError(f"module 'cloaca' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value
