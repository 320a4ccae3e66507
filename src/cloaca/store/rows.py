"""The rows that go into a store and come out of it, the same for every database."""

from __future__ import annotations

from typing import Any, NamedTuple

from cloaca.model.rows import AttemptRow, FinishRow, StoredAttempt
from cloaca.model.states import EventKind, Status


def unowned(row: StartRow) -> StartRow:
    """The same start without an owner, to be claimed by any runner."""
    return row._replace(status=Status.PENDING.value, owner=None, fence=0, started_at=None)


BEHIND_ALL = 2**63 - 1
"""A position in start order after all others."""


class Structure(NamedTuple):
    """A graph that executions are started with."""

    structure: str
    workflow: str
    graph: str


class StartRow(NamedTuple):
    """A new execution, in the order of the statement that writes it."""

    id: str
    workflow: str
    structure: str
    version: str
    status: str
    owner: str | None
    fence: int
    input: str
    idempotency_key: str | None
    created_at: float
    started_at: float | None


class RunningRow(NamedTuple):
    """A running attempt. ``alone``: nothing else runs in its runner. ``deferred``: it waits without a slot."""

    execution_id: str
    task: str
    attempt: int
    started_at: float
    alone: bool
    deferred: bool
    owner: str
    fence: int


class SuspectRow(NamedTuple):
    """An attempt that may have crashed its process."""

    execution_id: str
    task: str
    attempt: int
    crashes: int
    charges: int
    retry_at: float


class RunnerRow(NamedTuple):
    """A runner that has joined and not left; ``holds_lock`` is ``None`` if its lock would prove nothing."""

    id: str
    epoch: int
    turn: int
    host: str
    pid: int
    joined_at: float
    holds_lock: bool | None


class Known(NamedTuple):
    """What can be claimed: executions of a workflow whose structure is ``stored``, to run as this structure and version.

    If an execution has a structure, the two are the same; an execution without one has ``""``. If ``only`` is set, only
    executions that were started under that version are claimed; it is empty for those that may run under any.
    """

    workflow: str
    stored: str
    structure: str
    version: str
    only: str | None = None


class Waiting(NamedTuple):
    """What unfinished executions without an owner need; both texts are empty if the first claim chooses."""

    workflow: str
    structure: str
    version: str


class ExecutionRow(NamedTuple):
    """An execution as stored."""

    seq: int
    id: str
    workflow: str
    structure: str
    version: str
    status: str
    owner: str | None
    fence: int
    input: str
    idempotency_key: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    error: str | None
    round: int
    round_fence: int
    forked_from: str | None
    forked_at: str | None


class OwnedRow(NamedTuple):
    """An unfinished execution of some runner."""

    id: str
    structure: str
    fence: int
    round_fence: int


class ClaimedExecution(NamedTuple):
    """An execution that was just claimed, with all its attempts."""

    id: str
    workflow: str
    structure: str
    version: str
    fence: int
    input: str
    created_at: float
    started_at: float
    round: int
    round_fence: int
    timed_from: float | None
    attempts: list[StoredAttempt]


def released(owner: str, *, by: str) -> str:
    """The kind of event to record when a runner releases executions of ``owner``."""
    return (EventKind.HANDED_OVER if owner == by else EventKind.TAKEN_OVER).value


class Existing(NamedTuple):
    """The execution that already has an idempotency key."""

    id: str
    input: str


class Batch:
    """All rows of one turn. Committing it twice has the same effect as committing it once."""

    __slots__ = ("finishes", "running", "settles", "starts", "structures")

    def __init__(self) -> None:
        self.structures: list[Structure] = []
        """Of workflows that have not been started here before."""
        self.starts: list[StartRow] = []
        self.settles: list[AttemptRow] = []
        self.running: list[RunningRow] = []
        self.finishes: list[FinishRow] = []

    def __bool__(self) -> bool:
        return bool(self.starts or self.settles or self.running or self.finishes)

    @property
    def _written(self) -> tuple[list[AttemptRow], list[RunningRow], list[FinishRow]]:
        return self.settles, self.running, self.finishes

    @property
    def claims(self) -> set[tuple[str, str, int]]:
        """The ``(execution, owner, fence)`` under which it writes."""
        return {(row.execution_id, row.owner, row.fence) for rows in self._written for row in rows}

    @property
    def executions(self) -> list[str]:
        """The ids of the executions it writes for, each once, starts first."""
        written = [row.execution_id for rows in self._written for row in rows]
        return list(dict.fromkeys([row.id for row in self.starts] + written))

    def refence(self, execution: str, fence: int) -> None:
        """Write the rows of an execution under another fence."""

        def refenced(row: Any) -> Any:
            return row._replace(fence=fence) if row.execution_id == execution else row

        self.settles = [refenced(row) for row in self.settles]
        self.running = [refenced(row) for row in self.running]
        self.finishes = [refenced(row) for row in self.finishes]

    def only(self, executions: set[str]) -> Batch:
        """The rows of these executions."""
        part = Batch()
        part.structures = self.structures
        part.starts = [row for row in self.starts if row.id in executions]
        part.settles = [row for row in self.settles if row.execution_id in executions]
        part.running = [row for row in self.running if row.execution_id in executions]
        part.finishes = [row for row in self.finishes if row.execution_id in executions]
        return part
