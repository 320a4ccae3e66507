"""The attempt that the running code belongs to, so that a nested ``execute`` knows its parent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from cloaca.clock import Clock

if TYPE_CHECKING:
    from cloaca.executors.job import Job
    from cloaca.executors.slots import Slots


class CurrentAttempt:
    """The attempt whose body is running, with the number of executions it has started and of those it waits for.

    Args:
        wake: Tells the executor that a slot is free.
        clock: The clock that the body's waits go by.
    """

    __slots__ = ("_lent", "_waits", "calls", "clock", "ended", "job", "slots", "wake")

    def __init__(self, job: Job, slots: Slots, wake: Callable[[], None], clock: Clock) -> None:
        self.job = job
        self.clock = clock
        self.slots = slots
        self.wake = wake
        self.calls = 0
        self.ended = False
        """Whether the body has returned."""
        self._lent = 0
        self._waits = 0

    @property
    def holds_slot(self) -> bool:
        """Whether the body has a slot now."""
        return not self._lent and not self.ended

    @contextmanager
    def slot_lent(self) -> Iterator[None]:
        """Free the slot inside the block, and take one again afterwards; blocks may overlap in an async body."""
        self._lent += 1
        if self._lent == 1:
            self.slots.lend()
            self.wake()
        try:
            yield
        finally:
            self._lent -= 1
            if not self._lent:
                self.slots.reclaim(wait=not self.job.task.is_async)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Free the slot while the body waits for an execution that it has started."""
        self._waits += 1
        self.job.waits = True
        try:
            with self.slot_lent():
                yield
        finally:
            self._waits -= 1
            self.job.waits = self._waits > 0

    def next_key(self) -> str:
        """The idempotency key of the next nested call: the same in every attempt, if the body is deterministic."""
        self.calls += 1
        round = "" if self.job.round == 1 else f"@{self.job.round}"
        return f"{self.job.execution_id}/{self.job.task.id}{round}/{self.calls}"


current_attempt: ContextVar[CurrentAttempt | None] = ContextVar("cloaca_current_attempt", default=None)


class CurrentCallback(NamedTuple):
    """The kind of a callback, and the attributes of its log records."""

    kind: str
    ids: Mapping[str, object]


in_callback: ContextVar[CurrentCallback | None] = ContextVar("cloaca_in_callback", default=None)
"""The callback that the running code is part of."""


@contextmanager
def slot_lent() -> Iterator[None]:
    """If called in a body, free its slot while it waits inside the block."""
    attempt = current_attempt.get()
    if attempt is None:
        yield
    else:
        with attempt.waiting():
            yield


def raise_if_cancelled() -> None:
    """If called in a body that was cancelled or has timed out, end it.

    Raises:
        LeaseLost, TaskTimeoutError, WorkflowTimeoutError: As ``TaskHandle.raise_if_cancelled``.
    """
    attempt = current_attempt.get()
    if attempt is not None:
        attempt.job.raise_if_cancelled()


def is_on_event_loop() -> bool:
    """Whether waiting in this thread would block an event loop."""
    # Another thread may be importing it at this moment: what it has not come to is not there.
    get_running_loop = getattr(sys.modules.get("asyncio"), "get_running_loop", None)
    if get_running_loop is None:
        return False
    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True
