"""Waiting for the end of an execution, from threads and from event loops."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from cloaca.engine.completions import ELSEWHERE, Completions, Finished, News
from cloaca.errors import DatabaseError, ExecutionNotFoundError, RunnerError
from cloaca.executors.current import in_callback, is_on_event_loop, raise_if_cancelled
from cloaca.model.states import Status
from cloaca.runner.result import WorkflowResult
from cloaca.store.store import Store

if TYPE_CHECKING:
    from cloaca.insights import CodeOf

logger = logging.getLogger("cloaca")

POLL_SECONDS = 1.0
"""How often to ask the database about an execution that this process does not run."""


OUTAGE_SECONDS = 60.0
"""How long a wait that has begun continues while the database cannot be read."""


class Signal:
    """A value that one thread hands to another, once."""

    __slots__ = ("_lock", "_value")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._value: Any = None

    def set(self, value: Any) -> None:
        """Set the value."""
        if self._value is None:
            self._value = value
            self._lock.release()

    def wait(self, timeout: float | None) -> Any:
        """The value, or ``None`` if it was not set within ``timeout`` seconds."""
        if self._lock.acquire(timeout=-1 if timeout is None else timeout):
            self._lock.release()
        return self._value


class Waiting:
    """Knows when executions end: from the engine if it runs them, otherwise from the database.

    Args:
        is_live: Whether this process's engine holds an execution.
        before_use: Called first by every method; raises if waiting is no longer possible here.
        watch: Asks whoever runs an execution to announce its end.
    """

    def __init__(
        self,
        completions: Completions,
        store: Store,
        is_live: Callable[[str], bool],
        code_of: CodeOf | None,
        *,
        before_use: Callable[[], None],
        watch: Callable[[str], None],
    ) -> None:
        self._completions = completions
        self._store = store
        self._is_live = is_live
        self._code_of = code_of
        self._before_use = before_use
        self._watch = watch

    def status(self, execution_id: str) -> Status:
        """The status of an execution now."""
        self._before_use()
        finished = self._completions.get(execution_id)
        if finished is not None:
            return Status(finished.status)
        row = self._store.read_execution(execution_id)
        if row is None:
            raise ExecutionNotFoundError(
                f"execution {execution_id!r} is not in {self._store.location}: check the id, and that this is its database"
            )
        return Status(row.status)

    def wait(
        self, execution_id: str, timeout: float | None, *, signal: Signal | None = None
    ) -> WorkflowResult | None:
        """The result, or ``None`` if it has not ended within ``timeout`` seconds.

        Args:
            signal: One that is already registered as a waiter.

        Raises:
            ExecutionNotFoundError: It does not exist, or was removed.
        """
        self._before_use()
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        look = _Looks(self._at_hand)
        is_watched = False
        while True:
            raise_if_cancelled()
            if signal is None:
                signal = Signal()
                self._completions.wait(execution_id, signal.set)
            try:
                if not is_watched and self._is_elsewhere(execution_id):
                    # It may have ended before the watch began, so the database is asked afterwards.
                    self._watch(execution_id)
                    is_watched = True
                known = look(execution_id, signal.wait(0.0))
                left = deadline - time.monotonic()
                if known is not None or left <= 0:
                    return known
                if signal.wait(0.0) is None:
                    signal.wait(min(POLL_SECONDS, left))
            finally:
                self._completions.forget(execution_id, signal.set)
            # A signal reports an end in another process only once.
            signal = signal if signal.wait(0.0) not in (None, ELSEWHERE) else None

    async def wait_async(self, execution_id: str) -> WorkflowResult:
        """The result, without blocking the event loop."""
        import asyncio  # noqa: PLC0415 - only those who await pay for it

        self._before_use()
        loop = asyncio.get_running_loop()
        look = _Looks(self._at_hand)
        is_watched = False
        while True:
            raise_if_cancelled()
            arrived: asyncio.Future[Any] = loop.create_future()

            def arrive(value: News, arrived: asyncio.Future[Any] = arrived) -> None:
                if not arrived.done():
                    arrived.set_result(value)

            def hand_over(value: News, arrive: Callable[[News], None] = arrive) -> None:
                loop.call_soon_threadsafe(arrive, value)

            self._completions.wait(execution_id, hand_over)
            try:
                if not is_watched and self._is_elsewhere(execution_id):
                    # It may have ended before the watch began, so the database is asked afterwards.
                    await asyncio.to_thread(self._watch, execution_id)
                    is_watched = True
                    known = await asyncio.to_thread(look, execution_id, None)
                    if known is not None:
                        return known
                with by_real_time(loop):
                    await asyncio.wait([arrived], timeout=POLL_SECONDS)
                value = arrived.result() if arrived.done() else None
                if value is not None or not self._is_live(execution_id):
                    known = await asyncio.to_thread(look, execution_id, value)
                    if known is not None:
                        return known
            finally:
                self._completions.forget(execution_id, hand_over)

    def _is_elsewhere(self, execution_id: str) -> bool:
        """Whether this process neither runs the execution nor has its result."""
        return not self._is_live(execution_id) and self._completions.get(execution_id) is None

    def _at_hand(self, execution_id: str, value: News | None) -> WorkflowResult | None:
        """The result, from what the engine has reported or from the database."""
        if isinstance(value, Finished):
            return WorkflowResult(value)
        error = value if isinstance(value, BaseException) else None
        if error is not None and not isinstance(error, RunnerError):
            raise error
        if value is None and self._is_live(execution_id):
            return None
        try:
            ended = self._stored_end(execution_id)
        except ExecutionNotFoundError as gone:
            raise error or gone from None
        if ended is None and error is not None:
            raise error
        return ended

    def _stored_end(self, execution_id: str) -> WorkflowResult | None:
        """The result as the database has it, ``None`` before the end.

        Raises:
            ExecutionNotFoundError: The execution is not there, or not any more.
        """
        row = self._store.read_execution(execution_id)
        if row is not None and row.finished_at is None:
            return None
        from cloaca.insights import read_record  # noqa: PLC0415 - needed only if it ended in another process

        try:
            record = read_record(self._store, execution_id, code_of=self._code_of)
        except ExecutionNotFoundError:
            raise ExecutionNotFoundError(
                f"execution {execution_id!r} is not in {self._store.location}: it was deleted or pruned, or the transaction "
                "that starts it has not committed"
            ) from None
        # Since its end was seen it may have been retried.
        return None if record.finished_at is None else WorkflowResult(record)


class _Looks:
    """The lookups of one wait. Once the database could be read, a restart of its server does not end the wait."""

    def __init__(self, at_hand: Callable[[str, News | None], WorkflowResult | None]) -> None:
        self._at_hand = at_hand
        self._last = -math.inf

    def __call__(self, execution_id: str, value: News | None) -> WorkflowResult | None:
        try:
            known = self._at_hand(execution_id, value)
        except DatabaseError as error:
            if isinstance(value, BaseException) or time.monotonic() - self._last > OUTAGE_SECONDS:
                raise
            logger.info("still waiting for %s while the database cannot be read: %s", execution_id, error)
            return None
        self._last = time.monotonic()
        return known


def by_real_time(loop: Any) -> AbstractContextManager[None]:
    """Tell an event loop with a clock of its own, as in tests, that waits in this block go by real time."""
    known: Callable[[], AbstractContextManager[None]] = getattr(loop, "by_real_time", nullcontext)
    return known()


def check_no_loop(method: str, instead: str) -> None:
    """Check that waiting in this thread does not block an event loop.

    Raises:
        RunnerError: It would.
    """
    if is_on_event_loop():
        raise RunnerError(f"{method}() would block the event loop of this thread: {instead}")


def check_no_callback(method: str) -> None:
    """Check that waiting here does not block the callback thread.

    Raises:
        RunnerError: It would.
    """
    if (callback := in_callback.get()) is not None:
        raise RunnerError(
            f"{method}() was called in {callback.kind}, and would hold up every callback of this runner: start() the execution "
            "there, and wait for it elsewhere"
        )
