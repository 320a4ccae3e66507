"""What is reported to telemetry; the engine and the executors know nothing else about it."""

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
    """The part of a job that observers see. Its clock readings are set once it has a slot."""

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
    """An execution whose start is committed. ``is_held``: it runs here. ``origin``: as returned by the observer."""

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
    """How long its body ran; ``None`` if it did not run."""


class Ended(NamedTuple):
    """An execution whose end is committed."""

    execution_id: str
    workflow: str
    status: str
    error: str | None
    at: float


class Committed(NamedTuple):
    """What one transaction has committed, how many rows and seconds it took, and which executions are held."""

    started: Sequence[Started]
    settled: Sequence[Settled]
    ended: Sequence[Ended]
    rows: int
    seconds: float
    held: Collection[str]


class Slotted(NamedTuple):
    """The slots for one kind of body."""

    capacity: int
    busy: int
    waiting: int
    """How many attempts wait for one."""


class Snapshot(NamedTuple):
    """What a runner is doing now; ``slots`` by kind of body."""

    held: int
    messages: int
    backlog: bool
    slots: Mapping[str, Slotted]


class Observer(Protocol):
    """Receives reports on the thread where things happen. It must be quick, and may be called by many threads at once."""

    def attached(self, look: Callable[[], Snapshot]) -> None:
        """A runner has started; ``look`` returns what it is doing until it is detached."""

    def detached(self, look: Callable[[], Snapshot]) -> None:
        """The runner has ended and handed over what it held."""

    def origin(self) -> object:
        """Something by which to remember the caller of a start, called on the caller's thread."""

    def claimed(self, execution_id: str, workflow: str) -> None:
        """An execution was claimed from the database."""

    def committed(self, turn: Committed) -> None:
        """A turn is committed, and nothing that follows from it has started."""

    def left(self, execution_id: str, workflow: str, status: str | None) -> None:
        """An execution is no longer held: somebody has ended it, with this status, or it continues under another claim."""

    def attempt_started(self, attempt: Attempt) -> None:
        """A body is about to be called, in this context."""

    def attempt_ended(self, attempt: Attempt, error: str | None) -> None:
        """The body has returned, or raised this, in the same context. Its result is not committed yet."""

    def fired(self, executions: int, late_seconds: float | None) -> None:
        """Schedules have started executions in one transaction, this long after the first scheduled time; triggers have none."""


class Observers:
    """Reports to several observers, in order, and contains their errors."""

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
        """From the observer that remembers callers, if there is one."""
        found: list[object] = []
        self._to_all([lambda origin=origin: found.append(origin()) for origin in self._origins])()
        return next((one for one in found if one is not None), None)

    def _to_all(self, calls: Sequence[Callable[_P, object]]) -> Callable[_P, None]:
        def tell(*arguments: _P.args, **named: _P.kwargs) -> None:
            for call in calls:
                try:
                    call(*arguments, **named)
                except Exception as error:
                    # Exporters are user code: a broken one loses its numbers, but no executions.
                    self._log_once(error)

        return tell

    def _log_once(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            logger.error(
                "telemetry failed: executions continue, later failures are not logged", exc_info=error
            )
