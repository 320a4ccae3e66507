"""What executors receive and return: plain data that knows neither store nor engine."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import Any

from cloaca.authoring.task import Task
from cloaca.errors import ExecutionCancelled, LeaseLost, TaskTimeoutError, WorkflowTimeoutError
from cloaca.model.delta import Delta
from cloaca.model.events import Failure
from cloaca.model.view import View

MOST_OF_A_MESSAGE = 10_000
MOST_OF_A_TRACEBACK = 50_000
"""The number of characters kept of an exception's message, which may quote a whole file."""

_NAME: Callable[[type], str] = vars(type)["__name__"].__get__
"""The name of a type, even if its metaclass overrides ``__name__``."""


class Job:
    """One attempt to run. ``started`` (monotonic) and ``started_at`` (wall clock) are set when it gets a slot."""

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
        """When it became ready to run, on the monotonic clock; set only if telemetry needs it."""
        self.started = 0.0
        self.started_at = 0.0
        self.interruption: Interruption | None = None
        """Creates the exception that its body is to raise; set once the attempt is no longer wanted."""
        self.wake: Callable[[], object] | None = None
        """Wakes its body if that is waiting for something to happen to the job."""
        self.waits = False
        """Whether its body waits for an execution that it has started."""
        self.deferred = False
        """Whether its body waits for something external, without a slot."""
        self.noted = self.alone = self.deferral_noted = False
        """What is stored: that it runs, that nothing runs beside it, and that it is deferred."""

    @property
    def waited_seconds(self) -> float | None:
        """From becoming ready to getting a slot; ``None`` if the former was not recorded."""
        ready = getattr(self, "ready", None)
        return None if ready is None else self.started - ready

    @property
    def cancelled(self) -> bool:
        """Whether this attempt is no longer wanted."""
        return self.interruption is not None

    def interrupt(self, why: Interruption) -> None:
        """Have its body raise this the next time it checks."""
        self.interruption = why
        if self.wake is not None:
            self.wake()

    def raise_if_cancelled(self) -> None:
        """End the body if its attempt is no longer wanted.

        Raises:
            LeaseLost: Its execution was taken over by another runner.
            ExecutionCancelled: Its execution was cancelled.
            TaskTimeoutError, WorkflowTimeoutError: It or its execution has exceeded its timeout.
        """
        if self.interruption is not None:
            raise self.interruption(self)

    def __repr__(self) -> str:
        return f"<Job {self.execution_id}/{self.task.id} attempt {self.attempt}>"


def mark_ready(jobs: Iterable[Job], now: float) -> None:
    """Record when these became ready."""
    for job in jobs:
        job.ready = now


def ids_of(job: Job) -> dict[str, object]:
    """The attributes of log records about a job."""
    return {
        "execution_id": job.execution_id,
        "workflow": job.workflow_name,
        "task": job.task.id,
        "attempt": job.attempt,
    }


class Outcome:
    """How an attempt ended: with a delta or with a failure. Times are wall-clock seconds."""

    __slots__ = ("delta", "failure", "finished_at", "job")

    def __init__(self, job: Job, delta: Delta | None, failure: Failure | None, finished_at: float) -> None:
        self.job = job
        self.delta = delta
        self.failure = failure
        self.finished_at = finished_at


def failure_of(error: BaseException) -> Failure:
    """What is stored of an exception, even if its ``str`` fails; also for ``SystemExit``."""
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
    """The text without its middle if it is too long: the two ends of a traceback say the most."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}... ({len(text) - 2 * half} characters left out) ...{text[-half:]}"


Interruption = Callable[[Job], BaseException]


def lease_lost(job: Job) -> LeaseLost:
    """Raised in a body whose execution now belongs to another runner."""
    message = (
        f"execution {job.execution_id} was taken over by another runner while attempt {job.attempt} of task "
        f"{job.task.id!r} ran here: what it leaves is not stored, the task runs again there"
    )
    return LeaseLost(message, execution_id=job.execution_id, task_id=job.task.id)


def execution_cancelled(job: Job) -> ExecutionCancelled:
    """Raised in a body whose execution was cancelled or deleted."""
    message = (
        f"execution {job.execution_id} was cancelled while attempt {job.attempt} of task {job.task.id!r} ran: what it "
        "leaves is not stored"
    )
    return ExecutionCancelled(message, execution_id=job.execution_id, task_id=job.task.id)


def task_timed_out(job: Job) -> TaskTimeoutError:
    """Raised in a body that has exceeded its timeout."""
    message = timeout_failure(job).message
    return TaskTimeoutError(message, task_id=job.task.id, timeout_seconds=job.timeout_seconds)


def workflow_timed_out(job: Job) -> WorkflowTimeoutError:
    """Raised in a body whose execution has exceeded its timeout."""
    return WorkflowTimeoutError(
        f"execution {job.execution_id} took longer than its workflow_timeout_seconds while task {job.task.id!r} ran"
    )


def timeout_failure(job: Job) -> Failure:
    """What is stored of an attempt that timed out."""
    message = f"the body took longer than its timeout_seconds of {job.timeout_seconds:g}"
    return Failure("TaskTimeoutError", message, "")
