"""The handle a body may ask for as its second parameter."""

from __future__ import annotations

from cloaca.executors.job import Job


class TaskHandle:
    """What a body can know of its own attempt.

    Declare a second parameter named ``handle`` or ``task_handle`` and one is passed in::

        @cloaca.task
        def charge(context, handle):
            bank.charge(context["amount"], idempotency_key=handle.idempotency_key)
    """

    __slots__ = ("_job",)

    def __init__(self, job: Job) -> None:
        self._job = job

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._job.attempt

    @property
    def execution_id(self) -> str:
        """The id of the execution this attempt belongs to."""
        return self._job.execution_id

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this task, after a crash too: give it to systems that take one."""
        return idempotency_key(self._job)

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for this attempt any more: it timed out, or its execution was taken over."""
        return self._job.cancelled

    def raise_if_cancelled(self) -> None:
        """End the body if nobody waits for it any more; a long loop calls it between two steps.

        Raises:
            LeaseLost: Another runner has taken the execution over. No ``except Exception`` catches it.
            TaskTimeoutError, WorkflowTimeoutError: The body or its execution has run for longer than its limit.
        """
        self._job.raise_if_cancelled()

    def __repr__(self) -> str:
        return f"TaskHandle(task={self._job.task.id!r}, attempt={self.attempt})"


def idempotency_key(job: Job) -> str:
    """``execution/task/round``: what stays the same over all attempts at a task."""
    return f"{job.execution_id}/{job.task.id}/1"
