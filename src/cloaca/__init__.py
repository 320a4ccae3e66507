"""Durable workflows as a library: write tasks as functions, and a DAG of them survives crashes."""

from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.decorator import task
from cloaca.authoring.registry import register_workflow_constructor
from cloaca.authoring.workflow import Workflow
from cloaca.errors import (
    CloacaException,
    ConfigurationError,
    ConnectionError,
    ContextError,
    DatabaseError,
    ExecutionNotFoundError,
    IdempotencyError,
    InvalidDatabaseUrl,
    MigrationError,
    RunnerError,
    TaskError,
    TaskExecutionError,
    TaskNotFoundError,
    TaskTimeoutError,
    TaskValidationError,
    UnstorableValueError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowTimeoutError,
    WorkflowValidationError,
)
from cloaca.executors.handle import TaskHandle
from cloaca.insights import AttemptRecord, ConflictRecord, ExecutionRecord, ExecutionSummary, TaskRecord
from cloaca.model.context import Context
from cloaca.model.states import Status, TaskStatus
from cloaca.runner.client import Client
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.result import PipelineResult, WorkflowResult
from cloaca.runner.runner import DefaultRunner

__all__ = [
    "AttemptRecord",
    "Client",
    "CloacaException",
    "ConfigurationError",
    "ConflictRecord",
    "ConnectionError",
    "Context",
    "ContextError",
    "DatabaseError",
    "DefaultRunner",
    "DefaultRunnerConfig",
    "ExecutionHandle",
    "ExecutionNotFoundError",
    "ExecutionRecord",
    "ExecutionSummary",
    "IdempotencyError",
    "InvalidDatabaseUrl",
    "MigrationError",
    "PipelineResult",
    "RunnerError",
    "Status",
    "TaskError",
    "TaskExecutionError",
    "TaskHandle",
    "TaskNotFoundError",
    "TaskRecord",
    "TaskStatus",
    "TaskTimeoutError",
    "TaskValidationError",
    "UnstorableValueError",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowError",
    "WorkflowExecutionError",
    "WorkflowNotFoundError",
    "WorkflowResult",
    "WorkflowTimeoutError",
    "WorkflowValidationError",
    "register_workflow_constructor",
    "task",
]
