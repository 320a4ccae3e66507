"""The waiters for each execution, and the results kept for those who ask a little later."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from cloaca.model.graph import Graph
from cloaca.model.rows import AttemptRow
from cloaca.model.states import Status
from cloaca.model.view import View

logger = logging.getLogger("cloaca.engine")

KEPT_BYTES = 8 << 20
"""How many bytes of context of finished executions are kept for callers who ask for the result a little later."""

KEPT_RESULTS = 5_000


@dataclass(slots=True)
class Finished:
    """How an execution ended. ``view`` is its final context, merged when it is first read."""

    execution_id: str
    graph: Graph
    workflow_version: str
    status: str
    error_message: str | None
    started_at: float
    finished_at: float
    view: View
    attempts: list[AttemptRow]
    size: int


class Elsewhere(Enum):
    """Tells waiters that an execution has ended in another process."""

    ENDED = "ended"


ELSEWHERE = Elsewhere.ENDED
News = Finished | BaseException | Elsewhere
Waiter = Callable[[News], None]


class Completions:
    """Hands each result to its waiters, and keeps a bounded number of recent results."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[str, list[Waiter]] = {}
        self._kept: OrderedDict[str, Finished] = OrderedDict()
        self._kept_bytes = 0
        self._closed: BaseException | None = None

    def wait(self, execution_id: str, waiter: Waiter) -> None:
        """Call ``waiter`` once with the result: now if it is available, otherwise in a turn."""
        with self._lock:
            known = self._kept.get(execution_id) or self._closed
            if known is None:
                self._waiters.setdefault(execution_id, []).append(waiter)
        if known is not None:
            waiter(known)

    def forget(self, execution_id: str, waiter: Waiter) -> None:
        """Stop waiting."""
        with self._lock:
            waiters = self._waiters.get(execution_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(execution_id, None)

    @property
    def waiting(self) -> int:
        """The number of waiters."""
        with self._lock:
            return sum(map(len, self._waiters.values()))

    def get(self, execution_id: str) -> Finished | None:
        """A result that is still kept."""
        return self._kept.get(execution_id)

    def resolve(self, finished: Finished) -> None:
        """Keep a result and hand it to its waiters."""
        with self._lock:
            waiters = self._waiters.pop(finished.execution_id, ())
            # Anything but a completed execution may be retried, so its result may change.
            if finished.status == Status.COMPLETED:
                self._kept[finished.execution_id] = finished
                self._kept_bytes += finished.size
            while self._kept_bytes > KEPT_BYTES or len(self._kept) > KEPT_RESULTS:
                self._kept_bytes -= self._kept.popitem(last=False)[1].size
        _tell(waiters, finished)

    def discard(self, execution_id: str) -> None:
        """Stop keeping the result of an execution that was deleted."""
        with self._lock:
            if finished := self._kept.pop(execution_id, None):
                self._kept_bytes -= finished.size

    def ended_elsewhere(self, executions: Iterable[str]) -> None:
        """Tell the waiters of these executions to look in the database."""
        with self._lock:
            waiters = [waiter for execution in executions for waiter in self._waiters.pop(execution, ())]
        _tell(waiters, ELSEWHERE)

    def fail(self, execution_id: str, error: BaseException) -> None:
        """Tell the waiters of an execution that it could not be started."""
        with self._lock:
            waiters = self._waiters.pop(execution_id, ())
        _tell(waiters, error)

    def close(self, error: BaseException) -> None:
        """Tell all waiters, present and future, that no result will arrive here."""
        with self._lock:
            self._closed = error
            waiting = [waiter for waiters in self._waiters.values() for waiter in waiters]
            self._waiters.clear()
        _tell(waiting, error)


def _tell(waiters: Iterable[Waiter], news: News) -> None:
    for waiter in waiters:
        try:
            waiter(news)
        except Exception:
            # The waiter may be gone by now, for example with an event loop that was closed.
            logger.exception("the end of an execution could not be delivered to a waiter")
