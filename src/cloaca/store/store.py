"""What the engine and the readers need of a database; each kind of database implements it in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from cloaca.model.execution import StoredAttempt
from cloaca.store.rows import (
    Batch,
    ClaimedExecution,
    ExecutionRow,
    Existing,
    Known,
    OwnedRow,
    RunnerRow,
    StartRow,
    Structure,
    SuspectRow,
    Waiting,
)

if TYPE_CHECKING:
    from cloaca.store.schedules import ScheduleStore
    from cloaca.store.steering import SteeringTable

Notice = Callable[[Sequence[str]], None]
"""Called with the ids of executions that ended or were changed elsewhere; with none where there may be work."""


class Store(Protocol):
    """The tables of one database, as one runner sees them.

    All writing methods belong to one thread and write under the interlock of the runner's row; reading methods may be
    called from any thread. Writing methods raise what ``signals`` holds, reading methods ``DatabaseError``.
    """

    @property
    def location(self) -> str:
        """The database in words that may be logged: no password is in them."""

    def prepare(self) -> None:
        """Make the tables, or bring them up to date.

        Raises:
            DatabaseError: The database cannot be reached, read or written.
        """

    @property
    def is_shared(self) -> bool:
        """Whether other connections, those of other processes too, can see the database."""

    @property
    def looks_for_death(self) -> int:
        """How many looks, ``SECONDS_BETWEEN_PROOFS`` apart, must find a runner's lock free before that proves its death."""

    @property
    def pause_when_crowded(self) -> float:
        """Seconds that a runner leaves to the others after a turn."""

    # -- the runner's row ------------------------------------------------------------------------------------------

    def join(self, runner: str, now: float) -> None:
        """Enter a new runner and prove from now on that it lives, and the one that was here before no longer does."""

    def beat(self) -> None:
        """Advance the turn with nothing to write: whoever watches sees that this runner lives."""

    def leave(self) -> None:
        """Remove the runner; it must own nothing."""

    def drop_liveness_lock(self) -> None:
        """Stop proving that this runner lives: whoever looks next takes over what it owns."""

    def other_runners(self) -> list[RunnerRow]:
        """All runners that have joined and not left, but this one.

        Raises:
            RunnerLost: This one was declared dead.
        """

    def runners(self) -> list[RunnerRow]:
        """All runners that have joined and not left; any thread may ask, on a store that no runner has joined too.

        Raises:
            DatabaseError: They cannot be read.
        """

    # -- a turn ----------------------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> dict[str, Existing]:
        """Commit all rows of a turn in one transaction.

        Returns:
            For each start that lost to an earlier one under its idempotency key, by its own id: the earlier one.

        Raises:
            RunnerLost, Fenced, RowRefused, StoreUnavailable: Nothing was written.
            CommitUnknown: It may have been; ``was_committed`` tells.
        """

    def was_committed(self) -> bool:
        """After ``CommitUnknown``: whether that commit happened after all.

        Raises:
            StoreUnavailable: It cannot be told yet.
            RunnerLost: This runner was declared dead meanwhile.
        """

    def losers(self, batch: Batch) -> dict[str, Existing]:
        """Of a batch that turned out to be committed: what ``commit`` would have returned."""

    def announce(self, *, work: bool) -> None:
        """Tell other processes of executions that ended while somebody there waits, and of work nobody owns."""

    # -- ownership -------------------------------------------------------------------------------------------------

    def declare_dead(self, runner: str) -> None:
        """Make every later turn of a runner fail, in a transaction of its own that waits for a turn in progress."""

    def owned_by(self, runner: str, *, limit: int) -> list[OwnedRow]:
        """Open executions of a runner; one in which a suspect runs alone comes last."""

    def ran_alone(self, runner: str) -> bool:
        """Whether some suspect of this runner was running with nothing beside it."""

    def release(
        self, owner: str, executions: Sequence[str], suspects: Sequence[SuspectRow] = (), *, now: float
    ) -> None:
        """Give up executions of an owner, this runner or a dead one, and enter which of their attempts are suspects."""

    def remove_dead(self, runner: str) -> None:
        """Remove a dead runner that owns nothing any more."""

    def waiting_structures(self) -> list[tuple[str, str]]:
        """``(workflow, structure)`` of the open executions that nobody owns, each once."""

    def waiting_versions(self) -> list[Waiting]:
        """``waiting_structures`` with the versions they were started under; it costs what waits, not what differs."""

    def claim(
        self, known: Sequence[Known], *, structures: Sequence[Structure], limit: int, now: float
    ) -> list[ClaimedExecution]:
        """Take executions that are known here and that nobody owns, oldest first; keep the structures they get."""

    # -- reading ---------------------------------------------------------------------------------------------------

    def read_structures(self, structures: Iterable[str]) -> dict[str, str]:
        """The stored graphs of these structures."""

    def read_execution(self, execution: str) -> ExecutionRow | None:
        """An execution, or ``None``."""

    def read_attempts(self, execution: str) -> list[StoredAttempt]:
        """All attempts of an execution, by task and attempt."""

    def list_executions(
        self, *, workflow: str | None, status: str | None, after: str | None, limit: int
    ) -> list[ExecutionRow]:
        """Executions, newest first, those before ``after``."""

    # -- other processes -------------------------------------------------------------------------------------------

    def enter(self, row: StartRow, connection: Any = None) -> Existing:
        """Start an execution for whoever claims it, on a caller's connection or in a transaction of its own.

        Returns:
            The execution that now stands under the row's idempotency key, which may be an earlier one.

        Raises:
            TypeError: The connection is not one of the driver's.
            DatabaseError: The row was not written.
        """

    def enter_many(self, rows: Sequence[StartRow]) -> None:
        """Start executions without idempotency keys for whoever claims them, all of them or none.

        Raises:
            DatabaseError: No row was written.
        """

    @property
    def schedules(self) -> ScheduleStore:
        """What fires by the clock or by polling."""

    @property
    def steering(self) -> SteeringTable:
        """What people do to executions."""

    def tell(self, executions: Sequence[str], *, work: bool) -> None:
        """Tell other processes that somebody has changed these, and of work nobody owns.

        Raises:
            DatabaseError: Nobody was told; who looks will see.
        """

    def listen(self, notice: Notice) -> bool:
        """Have ``notice`` called, on a thread of its own, with what other processes announce.

        It is called with nothing as soon as somebody listens; false where nothing is ever announced.
        """

    def watch(self, execution: str) -> None:
        """Ask whoever runs an execution to announce its end."""

    def close(self) -> None:
        """Close everything; reading from a file goes on to work."""
