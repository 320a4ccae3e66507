"""The PostgreSQL store: one connection for the engine's turns, one for readers, one that listens."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from cloaca.errors import DatabaseError
from cloaca.model.rows import StoredAttempt
from cloaca.model.shown import kind_of
from cloaca.store.postgres import connection as driver
from cloaca.store.postgres.arrays import columns
from cloaca.store.postgres.connection import (
    BEGIN,
    Connection,
    explained,
    in_doubt,
    is_broken,
    is_lost,
    pipelined,
    qualified,
    refusal,
)
from cloaca.store.postgres.listener import Listener, notify
from cloaca.store.postgres.liveness_lock import is_held_by_a_stranger
from cloaca.store.postgres.reader import PostgresReader
from cloaca.store.postgres.starts import Starts
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.rows import (
    Batch,
    ClaimedExecution,
    Existing,
    Known,
    RunnerRow,
    StartRow,
    Structure,
    SuspectRow,
    released,
)
from cloaca.store.signals import CommitUnknown, Fenced, RunnerLost, StoreUnavailable, check_joined
from cloaca.store.statements import load_statements
from cloaca.store.store import Notice

if TYPE_CHECKING:
    from cloaca.store.schedules import ScheduleStore
    from cloaca.store.steering import SteeringTable

logger = logging.getLogger("cloaca.store")

T = TypeVar("T")

SQL = load_statements(os.path.join(os.path.dirname(__file__), "statements.sql"))
TRIES_AT_A_CONFLICT = 5
CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


class PostgresStore(PostgresReader):
    """The tables of one schema; see ``Store`` for what each method promises. Connections are opened on first use."""

    is_shared = True
    looks_for_death = 2
    pause_when_crowded = 0.0

    def __init__(self, url: PostgresUrl) -> None:
        super().__init__(
            url, {name: qualified(statement, url.schema, binds=True) for name, statement in SQL.items()}
        )
        self._starts = Starts(self._sql, self.url)
        self._db: Connection | None = None
        self._is_pooled = False
        self._listener: Listener | None = None
        self._runner, self._epoch, self._turn = "", 0, 0
        self._proven = ""
        """The runner whose lock the turns' connection holds."""
        self._unsure = False
        """Whether it is unknown if the last turn was committed."""
        self._ended: list[str] = []
        """Executions that the last turn has ended and that are waited for in other processes."""

    def prepare(self) -> None:
        with self._reading:
            db = self._reader = self._reader or driver.connect(self.url)
            self._is_pooled = driver.is_pooled(db)
            driver.migrate(db, self.url)
        if self._is_pooled:
            logger.warning(
                "%s is reached through a pooler: a dead runner is noticed only when its lease ends",
                self.url.text,
            )

    @property
    def location(self) -> str:
        return self.url.text

    # -- the runner's row ------------------------------------------------------------------------------------------

    def join(self, runner: str, now: float) -> None:
        self.drop_liveness_lock()
        self._runner, self._epoch, self._turn, self._unsure = runner, 0, 0, False
        key = None if self._is_pooled else self._lock_key(runner)
        with self._answered() as db:
            db.execute(self._sql["join_runner"], (runner, os.uname().nodename, os.getpid(), now, key))

    def _lock_key(self, runner: str) -> int:
        digest = hashlib.sha256(f"{self.url.schema} {runner}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def beat(self) -> None:
        self._turn_of(lambda _: None)

    def leave(self) -> None:
        with self._answered() as db:
            self._leave(db, self._runner)
        self.drop_liveness_lock()

    def drop_liveness_lock(self) -> None:
        if self._proven and self._db is not None:
            with contextlib.suppress(psycopg.Error):
                self._db.execute("select pg_advisory_unlock(%s)", (self._lock_key(self._proven),))
        self._runner = self._proven = ""

    def other_runners(self) -> list[RunnerRow]:
        self._keep_proof()
        rows = self._read("list_runners")
        check_joined(self._runner, self._epoch, rows)
        return [RunnerRow(*row) for row in rows if row[0] != self._runner]

    def runners(self) -> list[RunnerRow]:
        return [RunnerRow(*row) for row in self._read("list_runners")]

    def _keep_proof(self) -> None:
        """Take the lock again if the turns' connection was lost while idle: others would find it free."""
        if self._db is not None and is_lost(self._db):
            self._disconnect()
        if self._runner:
            with contextlib.suppress(StoreUnavailable):
                self._connection()

    # -- a turn ----------------------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> dict[str, Existing]:
        try:
            started, ended = self._turn_of(lambda db: self._write_rows(db, batch), settled=False)
        except Fenced:
            raise Fenced(self._foreign(batch)) from None
        self._ended = ended.fetchone()[0] if ended is not None else []
        losers: dict[str, Existing] = {}
        if started is not None and started.rowcount < len(batch.starts):
            losers = self._losers_of_the_last_turn(batch)
        self._turn += 1
        return losers

    def _write_rows(self, db: Connection, batch: Batch) -> tuple[Any, Any]:
        started = ended = None
        if batch.structures:
            self._execute(db, "keep_structure", columns(batch.structures))
        if batch.starts:
            # In the same order everywhere, so that runners that start the same keys do not deadlock.
            starts = sorted(batch.starts, key=lambda row: row.idempotency_key or "")
            started = self._execute(db, "start_execution", columns(starts))
        if batch.settles:
            self._execute(db, "settle_attempt", [*columns(batch.settles), *2 * [len(batch.settles)]])
        if batch.running:
            running = list({row[:3]: row for row in batch.running}.values())
            self._execute(db, "note_running", [*columns(running), *2 * [len(running)]])
        if batch.finishes:
            ended = self._execute(
                db, "finish_execution", [*columns(batch.finishes), *2 * [len(batch.finishes)]]
            )
        return started, ended

    def _losers_of_the_last_turn(self, batch: Batch) -> dict[str, Existing]:
        """Called after the commit: if this reply is lost, the turn counts as possibly committed."""
        try:
            return self.losers(batch)
        except StoreUnavailable as unavailable:
            self._unsure = True
            raise CommitUnknown(str(unavailable)) from unavailable

    def was_committed(self) -> bool:
        with self._answered() as db:
            row = db.execute(self._sql["read_turn"], (self._runner,)).fetchone()
        if row is None or row[0] != self._epoch:
            raise RunnerLost
        happened = bool(row[1] == self._turn + 1)
        self._turn += happened
        self._unsure = False
        return happened

    def losers(self, batch: Batch) -> dict[str, Existing]:
        with self._answered() as db:
            return self._starts.losers(db, batch)

    def _foreign(self, batch: Batch) -> set[str]:
        """The executions of a batch that were refused: those with another owner, or all if that cannot be determined."""
        claims = batch.claims
        with self._answered() as db:
            foreign = {
                claim[0] for claim in claims if db.execute(self._sql["still_owned"], claim).fetchone() is None
            }
        return foreign or {claim[0] for claim in claims}

    def announce(self, *, work: bool) -> None:
        ended, self._ended = self._ended, []
        if not (work or ended) or self._db is None:
            return
        try:
            notify(self._db, self._sql["notify"], ended=ended, work=work)
        except psycopg.Error as error:
            logger.info(
                "the end of %s could not be announced, waiters will find it: %s",
                ended,
                explained(error, self.url),
            )

    # -- ownership -------------------------------------------------------------------------------------------------

    def declare_dead(self, runner: str) -> None:
        self._turn_of(lambda db: self._execute(db, "declare_dead", (runner,)))

    def release(
        self, owner: str, executions: Sequence[str], suspects: Sequence[SuspectRow] = (), *, now: float
    ) -> None:
        note = released(owner, by=self._runner), now, json.dumps({"runner": owner})

        def write(db: Connection) -> None:
            self._execute(db, "clear_alone", (list(executions), owner))
            if suspects:
                self._execute(db, "suspect_attempt", [*columns(suspects), owner])
            self._execute(db, "release_execution", (list(executions), owner, *note))

        self._turn_of(write)

    def remove_dead(self, runner: str) -> None:
        self._turn_of(lambda db: self._leave(db, runner))

    def _leave(self, db: Connection, runner: str) -> None:
        for name in ("forget_runner", "leave_runner"):
            db.execute(self._sql[name], (runner,))

    def claim(
        self, known: Sequence[Known], *, structures: Sequence[Structure], limit: int, now: float
    ) -> list[ClaimedExecution]:
        def write(db: Connection) -> Any:
            if structures:
                self._execute(db, "keep_structure", columns(structures))
            what = columns(known) or ["{}"] * len(Known._fields)
            return self._execute(db, "claim_executions", [*what, *3 * [limit], *2 * [self._runner, now]])

        claimed = self._turn_of(write).fetchall()
        attempts: dict[str, list[StoredAttempt]] = {row[0]: [] for row in claimed}
        # A first claim finds no attempts. The executions are this runner's now, so nobody else adds any.
        again = [row[0] for row in claimed if row[4] > 1]
        if again:
            for execution, *attempt in self._reclaimed(again):
                attempts[execution].append(StoredAttempt(*attempt))
        return [ClaimedExecution._make((*row, attempts[row[0]])) for row in claimed]

    def _reclaimed(self, executions: list[str]) -> list[Any]:
        try:
            return self._read("read_attempts_of", (executions,))
        except DatabaseError as error:
            # They are owned but not held: the caller releases them and claims them again.
            raise CommitUnknown(str(error)) from error

    # -- reading ---------------------------------------------------------------------------------------------------

    def read_structures(self, structures: Iterable[str]) -> dict[str, str]:
        return dict(self._read("read_structures", (sorted(set(structures)),)))

    # -- other processes -------------------------------------------------------------------------------------------

    def enter(self, row: StartRow, connection: Any = None) -> Existing:
        if connection is None:
            return self._ask(lambda db: self._starts.start_or_find(db, row))
        if not isinstance(connection, psycopg.Connection):
            raise TypeError(
                f"connection is {kind_of(connection)}: pass the psycopg.Connection whose transaction the start "
                "belongs to"
            )
        try:
            return self._starts.start_or_find(connection, row)
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise DatabaseError(explained(error, self.url)) from error

    def enter_many(self, rows: Sequence[StartRow]) -> None:
        def start(db: Connection) -> None:
            self._execute(db, "start_execution", columns(rows))
            notify(db, self._sql["notify"], ended=(), work=True)

        self._ask(start)

    @cached_property
    def schedules(self) -> ScheduleStore:
        # Needed only with schedules.
        from cloaca.store.postgres.schedules import PostgresSchedules  # noqa: PLC0415

        def announce(db: Connection) -> None:
            notify(db, self._sql["notify"], ended=(), work=True)

        start = self._sql["start_execution"]
        return PostgresSchedules(self._ask, schema=self.url.schema, start=start, announce=announce)

    @cached_property
    def steering(self) -> SteeringTable:
        # Needed only for steering.
        from cloaca.store.postgres.steering import PostgresSteering  # noqa: PLC0415

        return PostgresSteering(self._ask, schema=self.url.schema)

    def tell(self, executions: Sequence[str], *, work: bool) -> None:
        self._ask(lambda db: notify(db, self._sql["notify"], ended=executions, work=work))

    def listen(self, notice: Notice) -> bool:
        if self._is_pooled:
            logger.info("%s is reached through a pooler: what happens elsewhere is polled for", self.url.text)
            return False
        if self._listener is None:
            self._listener = Listener(self.url, self._sql["read_channel"], notice)
        return True

    def watch(self, execution: str) -> None:
        try:
            self._ask(lambda db: self._execute(db, "watch_execution", (execution,)))
        except DatabaseError as error:
            logger.info("the end of %s will be polled for: %s", execution, error)

    # -- transactions ----------------------------------------------------------------------------------------------

    def _turn_of(self, write: Callable[[Connection], T], *, settled: bool = True) -> T:
        """Run a transaction under the interlock of the runner's row, in one round trip.

        Args:
            settled: Whether the turn is complete once it is committed; otherwise the caller still has queries to make.
        """
        for tries in range(TRIES_AT_A_CONFLICT):
            if self._unsure:
                self.was_committed()
            db = self._connection()
            try:
                with pipelined(db):
                    db.execute(BEGIN, prepare=True)
                    self._execute(db, "advance_turn", (self._turn + 1, self._runner, self._epoch, self._turn))
                    result = write(db)
                    db.execute("commit", prepare=True)
            except CONFLICTS as error:
                self._roll_back(db)
                logger.info("a turn conflicted with another (%d): %s", tries + 1, explained(error, self.url))
                continue
            except (psycopg.Error, UnicodeEncodeError, OverflowError) as error:
                if is_broken(error, db):
                    self._disconnect()
                    self._unsure = True
                    raise in_doubt(error, self.url) from error
                self._roll_back(db)
                raise refusal(error, self.url) from error
            except BaseException:
                self._disconnect()
                raise
            self._turn += settled
            return result
        raise StoreUnavailable(
            DatabaseError(f"{self.url.text}: the turn lost to other transactions again and again")
        )

    def _roll_back(self, db: Connection) -> None:
        try:
            if db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                db.execute("rollback")
        except psycopg.Error:
            self._disconnect()

    @contextlib.contextmanager
    def _answered(self) -> Iterator[Connection]:
        """The turns' connection for single statements that can be repeated without further effect."""
        db = self._connection()
        try:
            yield db
        except (psycopg.Error, UnicodeEncodeError) as error:
            if is_broken(error, db):
                self._disconnect()
                raise StoreUnavailable(DatabaseError(explained(error, self.url))) from error
            raise refusal(error, self.url) from error

    def _connection(self) -> Connection:
        """The turns' connection, which first of all takes the lock that proves this runner alive."""
        if self._db is None:
            try:
                self._db = driver.connect(self.url)
            except DatabaseError as error:
                raise StoreUnavailable(error) from error
        if self._proven != self._runner and not self._is_pooled:
            self._prove(self._db)
        return self._db

    def _prove(self, db: Connection) -> None:
        key = (self._lock_key(self._runner),)
        try:
            driver.bound_turns(db)
            db.execute("select pg_advisory_lock(%s)", key)
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.LockNotAvailable) and is_held_by_a_stranger(
                db, self._sql["list_runners"], runner=self._runner, key=key
            ):
                raise RunnerLost from error
            self._disconnect()
            raise StoreUnavailable(DatabaseError(explained(error, self.url))) from error
        self._proven = self._runner

    def _disconnect(self) -> None:
        self._proven = ""
        if self._db is not None:
            with contextlib.suppress(psycopg.Error):
                self._db.close()
            self._db = None

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        with self._reading:
            self._closed = True
            self._close_reader()
        self.drop_liveness_lock()
        self._disconnect()
