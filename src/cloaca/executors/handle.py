"""The handle that a body may request as its second parameter."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from cloaca.errors import RunnerError
from cloaca.executors.current import CurrentAttempt, is_on_event_loop
from cloaca.executors.job import Job
from cloaca.model.shown import shown

LONGEST_POLL_MS = 2**31 - 1


class TaskHandle:
    """Tells a body about its own attempt, and lets it wait for something external without holding a slot.

    Declare a second parameter named ``handle`` or ``task_handle`` to receive one::

        @cloaca.task
        def charge(context, handle):
            bank.charge(context["amount"], idempotency_key=handle.idempotency_key)
            handle.defer_until(lambda: bank.has_settled(context["amount"]), poll_interval_ms=5000)
    """

    __slots__ = ("_attempt", "_job")

    def __init__(self, job: Job, attempt: CurrentAttempt | None) -> None:
        self._job = job
        self._attempt = attempt

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
        """The same for every attempt at this task, even after a crash: pass it to external systems that accept one."""
        return idempotency_key(self._job)

    @property
    def cancelled(self) -> bool:
        """Whether this attempt is no longer wanted: it timed out, or its execution was cancelled or taken over."""
        return self._job.cancelled

    def raise_if_cancelled(self) -> None:
        """End the body if its attempt is no longer wanted. Call it regularly in a long loop.

        Raises:
            LeaseLost: Another runner has taken over the execution. ``except Exception`` does not catch it.
            ExecutionCancelled: The execution was cancelled. ``except Exception`` does not catch it either.
            TaskTimeoutError, WorkflowTimeoutError: The body or its execution has exceeded its timeout.
        """
        self._job.raise_if_cancelled()

    def is_slot_held(self) -> bool:
        """Whether the body holds one of the runner's ``max_concurrent_tasks`` slots; false while it is deferred."""
        return self._attempt is not None and self._attempt.holds_slot

    def defer_until(self, condition: Callable[[], object], poll_interval_ms: float = 1000) -> None:
        """Wait until ``condition()`` is true; meanwhile other tasks can use the slot.

        The body keeps its thread and continues after this call; it is not run again. The wait counts towards
        ``timeout_seconds``. An exception raised by ``condition`` is raised from here.

        Args:
            condition: Called at once, and then every ``poll_interval_ms``.
            poll_interval_ms: In milliseconds, more than 0.

        Raises:
            TypeError: ``condition`` is not a function, or is an async function.
            ValueError: The interval is not valid, or the body of this handle has returned.
            RunnerError: Called on an event loop: await ``defer_until_async``.
            LeaseLost, ExecutionCancelled, TaskTimeoutError, WorkflowTimeoutError: As ``raise_if_cancelled``.
        """
        seconds = _checked(condition, poll_interval_ms)
        if is_on_event_loop():
            raise RunnerError(
                "defer_until() would block the event loop of this thread: await defer_until_async(...)"
            )
        changed = threading.Event()
        self._job.wake = changed.set
        with self._slot_lent("defer_until") as attempt:
            while True:
                self._job.raise_if_cancelled()
                if _plain(condition()):
                    return
                attempt.clock.wait(changed, seconds)

    def defer_until_async(
        self, condition: Callable[[], object | Awaitable[object]], poll_interval_ms: float = 1000
    ) -> Coroutine[Any, Any, None]:
        """``defer_until`` for async bodies: it uses no thread, and the condition may be async."""
        if not is_on_event_loop():
            raise RunnerError(
                "defer_until_async() was called in a sync body, which cannot await it: call defer_until(...), or make the "
                "body async"
            )
        return self._defer(condition, _checked(condition, poll_interval_ms))

    async def _defer(self, condition: Callable[[], object | Awaitable[object]], seconds: float) -> None:
        import asyncio  # noqa: PLC0415 - only async bodies pay for it

        with self._slot_lent("defer_until_async"):
            while True:
                self._job.raise_if_cancelled()
                answer = condition()
                if await answer if inspect.isawaitable(answer) else answer:
                    return
                await asyncio.sleep(seconds)

    @contextmanager
    def _slot_lent(self, method: str) -> Iterator[CurrentAttempt]:
        if self._attempt is None or self._attempt.ended:
            raise ValueError(
                f"{method}() was called on the handle of task {self._job.task.id!r} after its body had returned: a handle "
                "is of use in its body alone"
            )
        self._job.deferred = True
        try:
            with self._attempt.slot_lent():
                yield self._attempt
        finally:
            self._job.deferred = False

    def __repr__(self) -> str:
        return f"TaskHandle(task={self._job.task.id!r}, attempt={self.attempt})"


def idempotency_key(job: Job) -> str:
    """``execution/task/round``, the same for all attempts at a task."""
    return f"{job.execution_id}/{job.task.id}/{job.round}"


def _checked(condition: Any, poll_interval_ms: Any) -> float:
    """The interval between two calls of the condition, in seconds."""
    if not callable(condition):
        raise TypeError(
            f"the condition of defer_until must be a function that is called again and again, not {shown(condition)}: "
            "write lambda: before it"
        )
    is_number = isinstance(poll_interval_ms, int | float) and not isinstance(poll_interval_ms, bool)
    if not is_number or not 0 < poll_interval_ms <= LONGEST_POLL_MS:
        raise ValueError(
            f"poll_interval_ms={poll_interval_ms!r} must be a number of milliseconds above 0 and at most {LONGEST_POLL_MS}"
        )
    return float(poll_interval_ms) / 1000


def _plain(answer: object) -> object:
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError(
            "the condition of defer_until is an async function, which is true before it has run: make the body "
            "async and await defer_until_async(...)"
        )
    return answer
