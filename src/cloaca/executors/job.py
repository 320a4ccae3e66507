"""What an executor is given, and what it gives back: plain data, no store, no engine."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import Any

from cloaca.authoring.task import Task
from cloaca.errors import ExecutionCancelled, LeaseLost, TaskTimeoutError, WorkflowTimeoutError
from cloaca.model.delta import Delta
from cloaca.model.execution import Failure
from cloaca.model.view import View

MOST_OF_A_MESSAGE = 10_000
MOST_OF_A_TRACEBACK = 50_000
"""Characters kept of what an exception says: an exception may quote a whole file."""

_NAME: Callable[[type], str] = vars(type)["__name__"].__get__
"""The name of a type, whatever its metaclass makes of ``__name__``."""


class Job:
    """One attempt to run. ``started`` (monotonic) and ``started_at`` (wall) are set when a slot takes it."""

    __slots__ = (
        "alone", "attempt", "claim", "deferral_noted", "deferred", "execution_id", "interruption", "node", "noted", "ready", "round", "started",
        "started_at", "task", "timeout_seconds", "view", "waits", "wake", "workflow_name",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - one is made for every attempt, and keywords cost
        self,
        execution_id: str,
        workflow_name: str,
        node: int,
        attempt: int,
        claim: int,
        task: Task[..., Any],
        view: View,
        timeout_seconds: float,
        round: int = 1,
    ) -> None:
        self.execution_id = execution_id
        self.workflow_name = workflow_name
        self.node = node
        self.attempt = attempt
        self.claim = claim
        self.task = task
        self.view = view
        self.timeout_seconds = timeout_seconds
        self.round = round
        self.ready: float
        """When it was ready to run, by the monotonic clock; set only where telemetry asks."""
        self.started = 0.0
        self.started_at = 0.0
        self.interruption: Interruption | None = None
        """Makes what its body is to raise, once nobody waits for it any more."""
        self.wake: Callable[[], object] | None = None
        """Wakes its body where that sleeps until something happens to the job."""
        self.waits = False
        """Whether its body waits for an execution that it has started."""
        self.deferred = False
        """Whether its body waits for something outside, without a slot."""
        self.noted = self.alone = self.deferral_noted = False
        """Whether it is stored that it runs, with nothing beside it, and without a slot."""

    @property
    def waited_seconds(self) -> float | None:
        """From when it was ready until a slot took it; ``None`` where nobody has noted when it was."""
        ready = getattr(self, "ready", None)
        return None if ready is None else self.started - ready

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for this attempt any more."""
        return self.interruption is not None

    def interrupt(self, why: Interruption) -> None:
        """Have its body raise this when it next asks."""
        self.interruption = why
        if self.wake is not None:
            self.wake()

    def raise_if_cancelled(self) -> None:
        """End the body if nobody waits for it any more.

        Raises:
            LeaseLost: Its execution was taken over by another runner.
            ExecutionCancelled: Its execution was cancelled.
            TaskTimeoutError, WorkflowTimeoutError: It or its execution has run for longer than its limit.
        """
        if self.interruption is not None:
            raise self.interruption(self)

    def __repr__(self) -> str:
        return f"<Job {self.execution_id}/{self.task.id} attempt {self.attempt}>"


def mark_ready(jobs: Iterable[Job], now: float) -> None:
    """Note since when these wait for a slot."""
    for job in jobs:
        job.ready = now


def ids_of(job: Job) -> dict[str, object]:
    """What a record about a job carries, as its ``extra``."""
    return {
        "execution_id": job.execution_id,
        "workflow": job.workflow_name,
        "task": job.task.id,
        "attempt": job.attempt,
    }


class Outcome:
    """How an attempt ended: with a delta or with a failure. Times are wall seconds."""

    __slots__ = ("delta", "failure", "finished_at", "job")

    def __init__(self, job: Job, delta: Delta | None, failure: Failure | None, finished_at: float) -> None:
        self.job = job
        self.delta = delta
        self.failure = failure
        self.finished_at = finished_at


def failure_of(error: BaseException) -> Failure:
    """What is kept of an exception, whatever its ``str`` does, a ``sys.exit`` included."""
    try:
        message = _shortened(str(error), MOST_OF_A_MESSAGE)
    except BaseException as broken:
        message = f"<its message cannot be shown: str() raised {type(broken).__name__}>"
    try:
        trace = _shortened("".join(traceback.format_exception(error)), MOST_OF_A_TRACEBACK)
    except BaseException as broken:
        trace = f"<its traceback cannot be shown: {type(broken).__name__}>"
    return Failure(_shortened(_NAME(type(error)), MOST_OF_A_MESSAGE), message, trace)


def _shortened(text: str, most: int) -> str:
    """The text without its middle where it is too long: both ends of a traceback tell more."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}... ({len(text) - 2 * half} characters left out) ...{text[-half:]}"


Interruption = Callable[[Job], BaseException]


def lease_lost(job: Job) -> LeaseLost:
    """What a body raises whose execution belongs to another runner by now."""
    message = (
        f"execution {job.execution_id} was taken over by another runner while attempt {job.attempt} of task "
        f"{job.task.id!r} ran here: what it leaves is not stored, the task runs again there"
    )
    return LeaseLost(message, execution_id=job.execution_id, task_id=job.task.id)


def execution_cancelled(job: Job) -> ExecutionCancelled:
    """What a body raises whose execution was cancelled or deleted."""
    message = (
        f"execution {job.execution_id} was cancelled while attempt {job.attempt} of task {job.task.id!r} ran: what it "
        "leaves is not stored"
    )
    return ExecutionCancelled(message, execution_id=job.execution_id, task_id=job.task.id)


def task_timed_out(job: Job) -> TaskTimeoutError:
    """What a body raises that has run for longer than its limit."""
    message = timeout_failure(job).message
    return TaskTimeoutError(message, task_id=job.task.id, timeout_seconds=job.timeout_seconds)


def workflow_timed_out(job: Job) -> WorkflowTimeoutError:
    """What a body raises whose execution has run for longer than its limit."""
    return WorkflowTimeoutError(
        f"execution {job.execution_id} took longer than its workflow_timeout_seconds while task {job.task.id!r} ran"
    )


def timeout_failure(job: Job) -> Failure:
    """What is kept of an attempt that took too long."""
    message = f"the body took longer than its timeout_seconds of {job.timeout_seconds:g}"
    return Failure("TaskTimeoutError", message, "")
