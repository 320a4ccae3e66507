"""The result of an execution."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cloaca.engine.completions import Finished
from cloaca.errors import TaskTimeoutError, WorkflowExecutionError, WorkflowTimeoutError
from cloaca.model.context import Context
from cloaca.model.states import Status, TaskStatus

if TYPE_CHECKING:
    from cloaca.insights import ExecutionRecord, TaskRecord


class WorkflowResult:
    """How one execution ended, as returned by ``execute`` and ``ExecutionHandle.result``.

    A failed task is not raised: ``status`` is then ``"Failed"``, ``error_message`` names the task, the type and the
    message, and ``final_context`` holds what the completed tasks wrote. ``result["key"]`` reads the final context.
    """

    def __init__(self, ended: Finished | ExecutionRecord) -> None:
        self._ended = ended

    @property
    def execution_id(self) -> str:
        """The id of the execution."""
        return self._ended.execution_id

    @property
    def workflow_name(self) -> str:
        """The name of its workflow."""
        return self._ended.graph.name if isinstance(self._ended, Finished) else self._ended.workflow_name

    @property
    def status(self) -> Status:
        """``Status.COMPLETED`` or another final status; compares equal to its name."""
        return Status(self._ended.status)

    @property
    def error_message(self) -> str | None:
        """What failed: task, type and message; ``None`` if nothing failed."""
        return self._ended.error_message

    error = error_message

    @cached_property
    def final_context(self) -> Context:
        """The contexts of all leaf tasks, merged."""
        return Context.over(self._ended.view) if isinstance(self._ended, Finished) else self._ended.context

    @cached_property
    def tasks(self) -> dict[str, TaskRecord]:
        """How each task ended, by id: status, reason, attempts, times, error."""
        if isinstance(self._ended, Finished):
            from cloaca.insights import task_records  # noqa: PLC0415 - needed only to look at single tasks

            return task_records(self._ended.graph, self._ended.attempts)
        return self._ended.tasks

    @property
    def start_time(self) -> datetime:
        """When it started to run, UTC."""
        if isinstance(self._ended, Finished):
            return datetime.fromtimestamp(self._ended.started_at, UTC)
        return self._ended.started_at or self._ended.created_at

    @property
    def end_time(self) -> datetime:
        """When its last task was settled, UTC."""
        if isinstance(self._ended, Finished):
            return datetime.fromtimestamp(self._ended.finished_at, UTC)
        return self._ended.finished_at or self.start_time

    @property
    def duration(self) -> timedelta:
        """From start to end."""
        return self.end_time - self.start_time

    def __getitem__(self, key: str) -> Any:
        """The value of a key in the final context; ``KeyError`` if there is none."""
        return self.final_context[key]

    def raise_for_status(self) -> None:
        """Raise an error if the execution did not complete.

        Raises:
            TaskTimeoutError: A task exceeded its timeout.
            WorkflowTimeoutError: The execution exceeded its timeout.
            WorkflowExecutionError: Anything else.
        """
        if self.status is Status.COMPLETED:
            return
        message = self.error_message or f"the execution ended as {self.status}"
        for task in self.tasks.values():
            # The message names only the failures that no other task has handled.
            if task.status is TaskStatus.FAILED and task.error and f"task {task.id!r} failed: " in message:
                if task.error.type == "TaskTimeoutError":
                    raise TaskTimeoutError(message, task_id=task.id)
                if task.error.type == "WorkflowTimeoutError":
                    raise WorkflowTimeoutError(message, partial_result=self)
        raise WorkflowExecutionError(
            message, workflow_name=self.workflow_name, execution_id=self.execution_id
        )

    def __repr__(self) -> str:
        return f"WorkflowResult(status={self.status}, error={self.error_message})"


PipelineResult = WorkflowResult
