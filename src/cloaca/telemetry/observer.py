"""What telemetry is told of; the engine and the executors know no more of it than this."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, ParamSpec, Protocol

logger = logging.getLogger("cloaca.telemetry")

_P = ParamSpec("_P")


class Named(Protocol):
    """A task."""

    @property
    def id(self) -> str:
        """Its id."""


class Attempt(Protocol):
    """What is seen of a job: its clock readings are set once a slot has taken it."""

    @property
    def execution_id(self) -> str: ...
    @property
    def workflow_name(self) -> str: ...
    @property
    def task(self) -> Named: ...
    @property
    def attempt(self) -> int: ...
    @property
    def round(self) -> int: ...
    @property
    def started(self) -> float: ...
    @property
    def started_at(self) -> float: ...
    @property
    def cancelled(self) -> bool: ...
    @property
    def waited_seconds(self) -> float | None: ...


class Started(NamedTuple):
    """An execution whose start is committed; ``is_held`` where it runs here, ``origin`` as captured by the observer."""

    execution_id: str
    workflow: str
    at: float
    is_held: bool
    origin: object


class Settled(NamedTuple):
    """An attempt whose end is committed: ``outcome`` is completed, failed, retried or skipped."""

    workflow: str
    task: str
    outcome: str
    seconds: float | None
    """How long its body took; ``None`` where none ran."""


class Ended(NamedTuple):
    """An execution whose end is committed."""

    execution_id: str
    workflow: str
    status: str
    error: str | None
    at: float


class Committed(NamedTuple):
    """What one transaction has made durable, how many rows and seconds it took, and which executions are held."""

    started: Sequence[Started]
    settled: Sequence[Settled]
    ended: Sequence[Ended]
    rows: int
    seconds: float
    held: Collection[str]


class Slotted(NamedTuple):
    """The slots of one kind of bodies."""

    capacity: int
    busy: int
    waiting: int
    """How many attempts wait for one."""


class Snapshot(NamedTuple):
    """What a runner is doing at this moment; ``slots`` by kind of body."""

    held: int
    messages: int
    backlog: bool
    slots: Mapping[str, Slotted]


class Observer(Protocol):
    """Told of what happens, in the thread in which it does: it must be quick, and may be called by many at once."""

    def attached(self, look: Callable[[], Snapshot]) -> None:
        """A runner works; what it is doing can be looked at until it is detached."""

    def detached(self, look: Callable[[], Snapshot]) -> None:
        """That runner has ended: what it held is handed over."""

    def origin(self) -> object:
        """What the caller of a start is to be remembered by, in the caller's thread."""

    def claimed(self, execution_id: str, workflow: str) -> None:
        """An execution was taken up from the database."""

    def committed(self, turn: Committed) -> None:
        """A turn is durable; nothing that follows from it has begun."""

    def left(self, execution_id: str, workflow: str, status: str | None) -> None:
        """An execution is not held any more: somebody has ended it, with this status, or it goes on by another claim."""

    def attempt_started(self, attempt: Attempt) -> None:
        """A body is about to be called, in this context."""

    def attempt_ended(self, attempt: Attempt, error: str | None) -> None:
        """It has returned, or raised this; in the same context. Nothing of it is durable yet."""

    def fired(self, executions: int, late_seconds: float | None) -> None:
        """Schedules have started executions in one transaction, so long after their first instant; a trigger has none."""


class Observers:
    """Tells several, in order, and lets none of them do harm."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._has_failed = False
        self.attached = self._to_all([one.attached for one in observers])
        self.detached = self._to_all([one.detached for one in observers])
        self.claimed = self._to_all([one.claimed for one in observers])
        self.committed = self._to_all([one.committed for one in observers])
        self.left = self._to_all([one.left for one in observers])
        self.attempt_started = self._to_all([one.attempt_started for one in observers])
        self.attempt_ended = self._to_all([one.attempt_ended for one in observers])
        self.fired = self._to_all([one.fired for one in observers])
        self._origins = [one.origin for one in observers]

    def origin(self) -> object:
        """Of the one that remembers callers, if one does."""
        found: list[object] = []
        self._to_all([lambda origin=origin: found.append(origin()) for origin in self._origins])()
        return next((one for one in found if one is not None), None)

    def _to_all(self, calls: Sequence[Callable[_P, object]]) -> Callable[_P, None]:
        def tell(*arguments: _P.args, **named: _P.kwargs) -> None:
            for call in calls:
                try:
                    call(*arguments, **named)
                except Exception as error:
                    # Exporters are the user's: a broken one loses its numbers, not an execution.
                    self._log_once(error)

        return tell

    def _log_once(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            logger.error("telemetry failed: executions go on, later failures are not logged", exc_info=error)
