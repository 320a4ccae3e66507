"""What the engine and the readers require of a database; each database has its implementation in a package of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from cloaca.model.rows import StoredAttempt
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
"""Called with the ids of executions that ended or were changed in another process; with none if there may be work."""


class Store(Protocol):
    """The tables of one database, as one runner sees them.

    All writing methods belong to one thread, and write under the interlock of the runner's row. Reading methods may be called
    from any thread. Writing methods raise the exceptions in ``signals``, reading methods ``DatabaseError``.
    """

    @property
    def location(self) -> str:
        """A description of the database that contains no password and can be logged."""

    def prepare(self) -> None:
        """Create or migrate the tables.

        Raises:
            DatabaseError: The database cannot be reached, read or written.
        """

    @property
    def is_shared(self) -> bool:
        """Whether other connections, including those of other processes, can reach the database."""

    @property
    def looks_for_death(self) -> int:
        """How many times, ``SECONDS_BETWEEN_PROOFS`` apart, a runner's lock must be found free to prove it dead."""

    @property
    def pause_when_crowded(self) -> float:
        """How long a runner pauses after a turn to let other runners write, in seconds."""

    # -- the runner's row ------------------------------------------------------------------------------------------

    def join(self, runner: str, now: float) -> None:
        """Register a new runner and take its liveness lock, dropping that of the previous one."""

    def beat(self) -> None:
        """Advance the turn without writing anything else, to show that this runner is alive."""

    def leave(self) -> None:
        """Remove this runner, which must own nothing."""

    def drop_liveness_lock(self) -> None:
        """Stop proving that this runner is alive: the next watcher takes over what it owns."""

    def other_runners(self) -> list[RunnerRow]:
        """All other runners that have joined and not left.

        Raises:
            RunnerLost: This runner was declared dead.
        """

    def runners(self) -> list[RunnerRow]:
        """All runners that have joined and not left. May be called from any thread, and without having joined.

        Raises:
            DatabaseError: They cannot be read.
        """

    # -- a turn ----------------------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> dict[str, Existing]:
        """Commit all rows of a turn in one transaction.

        Returns:
            For each start whose idempotency key already belonged to an execution: that execution, by the id of the start.

        Raises:
            RunnerLost, Fenced, RowRefused, StoreUnavailable: Nothing was written.
            CommitUnknown: It may have been written; ``was_committed`` tells.
        """

    def was_committed(self) -> bool:
        """After ``CommitUnknown``: whether the commit happened.

        Raises:
            StoreUnavailable: It cannot be determined yet.
            RunnerLost: This runner was declared dead meanwhile.
        """

    def losers(self, batch: Batch) -> dict[str, Existing]:
        """For a batch that turned out to be committed: what ``commit`` would have returned."""

    def announce(self, *, work: bool) -> None:
        """Notify other processes of executions that ended and are waited for there, and of work without an owner."""

    # -- ownership -------------------------------------------------------------------------------------------------

    def declare_dead(self, runner: str) -> None:
        """Make every later turn of a runner fail, in a separate transaction that waits for a turn in progress."""

    def owned_by(self, runner: str, *, limit: int) -> list[OwnedRow]:
        """The unfinished executions of a runner; one in which a suspect runs alone comes last."""

    def ran_alone(self, runner: str) -> bool:
        """Whether a suspect of this runner was running alone."""

    def release(
        self, owner: str, executions: Sequence[str], suspects: Sequence[SuspectRow] = (), *, now: float
    ) -> None:
        """Release executions of an owner, this runner or a dead one, and record which of their attempts are suspects."""

    def remove_dead(self, runner: str) -> None:
        """Remove a dead runner that no longer owns anything."""

    def waiting_structures(self) -> list[tuple[str, str]]:
        """The distinct ``(workflow, structure)`` of unfinished executions without an owner."""

    def waiting_versions(self) -> list[Waiting]:
        """``waiting_structures`` with the versions they were started under. The cost grows with the number of executions."""

    def claim(
        self, known: Sequence[Known], *, structures: Sequence[Structure], limit: int, now: float
    ) -> list[ClaimedExecution]:
        """Claim executions without an owner that can run here, oldest first; store the structures they run as."""

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
        """Executions, newest first, those older than ``after``."""

    # -- other processes -------------------------------------------------------------------------------------------

    def enter(self, row: StartRow, connection: Any = None) -> Existing:
        """Start an execution to be claimed by any runner, on a caller's connection or in a transaction of its own.

        Returns:
            The execution that has the row's idempotency key, which may be an earlier one.

        Raises:
            TypeError: The connection belongs to another driver.
            DatabaseError: The row was not written.
        """

    def enter_many(self, rows: Sequence[StartRow]) -> None:
        """Start executions without idempotency keys, to be claimed by any runner: all of them or none.

        Raises:
            DatabaseError: No row was written.
        """

    @property
    def schedules(self) -> ScheduleStore:
        """The cron schedules and triggers."""

    @property
    def steering(self) -> SteeringTable:
        """The steering of executions."""

    def tell(self, executions: Sequence[str], *, work: bool) -> None:
        """Notify other processes that these executions were steered, and of work without an owner.

        Raises:
            DatabaseError: Nobody was notified; others will notice when they look.
        """

    def listen(self, notice: Notice) -> bool:
        """Have ``notice`` called, on a thread of its own, with what other processes announce.

        It is called with nothing as soon as it listens. Returns false if this database has no announcements.
        """

    def watch(self, execution: str) -> None:
        """Ask whoever runs an execution to announce its end."""

    def close(self) -> None:
        """Close everything; a file can still be read afterwards."""
