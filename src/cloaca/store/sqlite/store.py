"""The SQLite store: one writer connection for turns, one for readers, plain named statements."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from cloaca.errors import DatabaseError
from cloaca.model.rows import StoredAttempt
from cloaca.model.shown import kind_of
from cloaca.model.states import Status
from cloaca.store.queries import Queries
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
from cloaca.store.sqlite.batches import bytes_of, losers_of
from cloaca.store.sqlite.connection import connect, explained, locked, migrate, refusal
from cloaca.store.sqlite.locks import GateTimeout, RunnerLocks, open_locks
from cloaca.store.statements import load_statements
from cloaca.store.store import Notice
from cloaca.store.url import SqliteUrl

if TYPE_CHECKING:
    from cloaca.store.schedules import ScheduleStore
    from cloaca.store.steering import SteeringTable

logger = logging.getLogger("cloaca.store")

T = TypeVar("T")

SQL = load_statements(os.path.join(os.path.dirname(__file__), "statements.sql"))
ADVANCE_TURN, START, SETTLE = SQL["advance_turn"], SQL["start_execution"], SQL["settle_attempt"]
FINISH, NOTE_RUNNING = SQL["finish_execution"], SQL["note_running"]

CHECKPOINT_BYTES = 4 << 20
"""Roughly how much is written between two checkpoints: a thousand pages, as by SQLite's default."""


class SqliteStore(Queries):
    """The tables of one SQLite database; see ``Store`` for what each method promises. Connections are opened on first use."""

    _statuses = json.dumps(list(Status))
    # The kernel drops a lock exactly when its process ends.
    looks_for_death = 1
    # Without a pause, the gate is taken again before a waiting process wakes up, for seconds on end.
    pause_when_crowded = 0.002

    def __init__(self, url: SqliteUrl) -> None:
        self.url = url
        self._db: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        # The gate excludes other processes but not threads of this one. This lock excludes those, is quick to hand over, and
        # keeps checkpoints and commits apart. In memory, readers share the writer's connection and must not see half a
        # transaction.
        self._writing = threading.RLock()
        self._runner, self._epoch, self._turn = "", 0, 0
        self._unsure = False
        """Whether a turn that could not be committed may be committed after all."""
        self._unchecked = 0
        self._closed = False

    @cached_property
    def _locks(self) -> RunnerLocks | None:
        """Created on first use: a database that cannot be opened leaves nothing behind."""
        return open_locks(self.url.path, timeout=self.url.busy_timeout_seconds) if self.url.path else None

    @cached_property
    def _gate(self) -> Any:
        return self._locks.gate if self._locks else contextlib.nullcontext()

    def prepare(self) -> None:
        self._db = self._db or connect(self.url)
        migrate(self._db, self.url)

    @property
    def location(self) -> str:
        return self.url.text

    @property
    def is_shared(self) -> bool:
        return self.url.path is not None

    # -- the runner's row ------------------------------------------------------------------------------------------

    def join(self, runner: str, now: float) -> None:
        self.drop_liveness_lock()
        self._runner, self._epoch, self._turn, self._unsure = runner, 0, 0, False
        if self._locks:
            self._locks.hold(runner)
        self._write(
            lambda db: db.execute(SQL["join_runner"], (runner, os.uname().nodename, os.getpid(), now))
        )

    def beat(self) -> None:
        self._turn_of(lambda _: None)

    def leave(self) -> None:
        self._write(lambda db: _leave(db, self._runner))
        self.drop_liveness_lock()

    def drop_liveness_lock(self) -> None:
        if self._runner and self._locks:
            self._locks.drop(self._runner)

    def other_runners(self) -> list[RunnerRow]:
        rows = self._read("list_runners")
        check_joined(self._runner, self._epoch, rows)
        return [RunnerRow._make((*row, self._holds_lock(row[0]))) for row in rows if row[0] != self._runner]

    def runners(self) -> list[RunnerRow]:
        return [RunnerRow._make((*row, self._holds_lock(row[0]))) for row in self._read("list_runners")]

    def _holds_lock(self, runner: str) -> bool | None:
        return self._locks.is_alive(runner) if self._locks else None

    # -- a turn ----------------------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> dict[str, Existing]:
        return self._turn_of(lambda db: self._write_rows(db, batch), size=bytes_of(batch))

    def was_committed(self) -> bool:
        try:
            row = self._connection().execute(SQL["read_turn"], (self._runner,)).fetchone()
        except sqlite3.Error as error:
            self._disconnect()
            raise refusal(error, self.url, at_commit=False) from error
        if row is None or row[0] != self._epoch:
            raise RunnerLost
        happened = bool(row[1] == self._turn + 1)
        if happened:
            self._turn += 1
            self._unsure = False
        return happened

    def losers(self, batch: Batch) -> dict[str, Existing]:
        try:
            return losers_of(self._connection(), batch, sql=SQL, enter=self.enter)
        except DatabaseError as error:
            raise StoreUnavailable(error) from error
        except sqlite3.Error as error:
            self._disconnect()
            raise refusal(error, self.url, at_commit=False) from error

    def _write_rows(self, db: sqlite3.Connection, batch: Batch) -> dict[str, Existing]:
        losers: dict[str, Existing] = {}
        if batch.structures:
            db.executemany(SQL["keep_structure"], batch.structures)
        if batch.starts and db.executemany(START, batch.starts).rowcount < len(batch.starts):
            losers = losers_of(db, batch, sql=SQL, enter=self.enter)
        written = expected = 0
        for statement, rows in (
            (SETTLE, batch.settles),
            (NOTE_RUNNING, batch.running),
            (FINISH, batch.finishes),
        ):
            if rows:
                written += db.executemany(statement, rows).rowcount
                expected += len(rows)
        if written != expected:
            raise Fenced(self._foreign(db, batch))
        return losers

    def _foreign(self, db: sqlite3.Connection, batch: Batch) -> set[str]:
        """The executions of a batch that were refused: those with another owner, or all if that cannot be determined."""
        claims = batch.claims
        db.execute("rollback")
        foreign = {claim[0] for claim in claims if db.execute(SQL["still_owned"], claim).fetchone() is None}
        return foreign or {claim[0] for claim in claims}

    # -- ownership -------------------------------------------------------------------------------------------------

    def read_structures(self, structures: Iterable[str]) -> dict[str, str]:
        return dict(self._read("read_structures", (json.dumps(sorted(set(structures))),)))

    def declare_dead(self, runner: str) -> None:
        self._turn_of(lambda db: db.execute(SQL["declare_dead"], (runner,)))

    def release(
        self, owner: str, executions: Sequence[str], suspects: Sequence[SuspectRow] = (), *, now: float
    ) -> None:
        kind = released(owner, by=self._runner)

        def write(db: sqlite3.Connection) -> None:
            claims = [(execution, owner) for execution in executions]
            db.executemany(SQL["clear_alone"], claims)
            db.executemany(SQL["suspect_attempt"], [(*suspect, owner) for suspect in suspects])
            db.executemany(SQL["note_release"], [(*claim, kind, now) for claim in claims])
            db.executemany(SQL["release_execution"], claims)

        self._turn_of(write)

    def remove_dead(self, runner: str) -> None:
        self._turn_of(lambda db: _leave(db, runner))
        if self._locks:
            self._locks.drop(runner)

    def claim(
        self, known: Sequence[Known], *, structures: Sequence[Structure], limit: int, now: float
    ) -> list[ClaimedExecution]:
        parameters = (self._runner, now, json.dumps(known), limit)

        def write(db: sqlite3.Connection) -> list[ClaimedExecution]:
            db.executemany(SQL["keep_structure"], structures)
            rows = [row[1:] for row in sorted(db.execute(SQL["claim_executions"], parameters).fetchall())]
            attempts: dict[str, list[StoredAttempt]] = {row[0]: [] for row in rows}
            # A first claim finds no attempts.
            again = [row for row in rows if row[4] > 1]
            db.executemany(SQL["note_claim"], [(row[0], row[4], now, self._runner) for row in again])
            for execution, *attempt in db.execute(
                SQL["read_attempts_of"], (json.dumps([row[0] for row in again]),)
            ):
                attempts[execution].append(StoredAttempt(*attempt))
            return [ClaimedExecution._make((*row, attempts[row[0]])) for row in rows]

        return self._turn_of(write)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._fetch(SQL[name], parameters)

    def _fetch(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            if self.url.path is None:
                with self._writing:
                    return self._connection().execute(statement, parameters).fetchall()
            with self._reading, self._open_reader() as reader:
                return reader.execute(statement, parameters).fetchall()
        except UnicodeEncodeError:
            return []  # no row holds what the database cannot store
        except sqlite3.Error as error:
            raise DatabaseError(explained(error, self.url)) from error

    @contextlib.contextmanager
    def _open_reader(self) -> Iterator[sqlite3.Connection]:
        """The readers' connection; once the store is closed, one for this read alone."""
        if self._closed:
            with contextlib.closing(connect(self.url)) as reader:
                yield reader
        else:
            self._reader = self._reader or connect(self.url)
            yield self._reader

    # -- other processes -------------------------------------------------------------------------------------------

    def announce(self, *, work: bool) -> None:
        """Does nothing: other processes look once a second."""

    def listen(self, notice: Notice) -> bool:  # noqa: ARG002 - as in every store
        """Does nothing: changes by other processes are polled for once a second."""
        return False

    def watch(self, execution: str) -> None:
        """Does nothing: the end of an execution is polled for once a second."""

    def enter(self, row: StartRow, connection: Any = None) -> Existing:
        if connection is None:
            with self._own_transaction() as own:
                return self._entered(own, row)
        if not isinstance(connection, sqlite3.Connection):
            raise TypeError(
                f"connection is {kind_of(connection)}: pass the sqlite3.Connection whose transaction the start "
                "belongs to"
            )
        self._check_same_file(connection)
        return self._entered(connection, row)

    def _check_same_file(self, connection: sqlite3.Connection) -> None:
        """Check that a row is not written to a database where no runner would find it."""
        cursor = connection.cursor()
        cursor.row_factory = None
        files = [row[2] for row in cursor.execute("pragma database_list")]
        if not any(file and os.path.samefile(file, self.url.path or "") for file in files):
            raise DatabaseError(
                f"connection is to {files[0] or 'a database in memory'}, and the executions are in {self.url.path}: "
                "connect to that file"
            )

    def enter_many(self, rows: Sequence[StartRow]) -> None:
        with self._own_transaction() as own:
            own.executemany(START, rows)

    @property
    def schedules(self) -> ScheduleStore:
        # Needed only with schedules.
        from cloaca.store.sqlite.schedules import SqliteSchedules  # noqa: PLC0415

        return SqliteSchedules(self._own_transaction, self._fetch, START)

    @property
    def steering(self) -> SteeringTable:
        # Needed only for steering.
        from cloaca.store.sqlite.steering import SqliteSteering  # noqa: PLC0415

        return SqliteSteering(self._own_transaction, self._fetch)

    def tell(self, executions: Sequence[str], *, work: bool) -> None:
        """Does nothing: other processes look once a second."""

    @contextlib.contextmanager
    def _own_transaction(self, is_lazy: bool = False) -> Iterator[sqlite3.Connection]:  # noqa: FBT001, FBT002 - called by position
        """A transaction outside the runner's turns, on a connection of its own."""
        try:
            with self._own_connection() as own, self._writing, self._gate:
                if is_lazy and self.url.path is not None and self.url.journal_mode == "wal":
                    own.execute("pragma synchronous=normal")
                own.execute("begin immediate")
                try:
                    yield own
                    own.execute("commit")
                    self._wrote(own)
                except BaseException:
                    if own.in_transaction:
                        own.execute("rollback")
                    raise
        except GateTimeout as error:
            raise DatabaseError(locked(self.url)) from error
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise DatabaseError(explained(error, self.url)) from error

    def _wrote(self, own: sqlite3.Connection) -> None:
        """Count what was written outside turns; without turns, nobody else would make a checkpoint."""
        if self.url.path is None:
            return
        self._unchecked += 8192 + 300 * own.total_changes
        if not self._runner and self._unchecked > CHECKPOINT_BYTES:
            self._checkpoint(own)

    @contextlib.contextmanager
    def _own_connection(self) -> Iterator[sqlite3.Connection]:
        if self.url.path is None:
            # In memory there is a single connection, and its transactions take turns.
            with self._writing:
                yield self._connection()
        else:
            with contextlib.closing(connect(self.url)) as own:
                yield own

    def _entered(self, db: sqlite3.Connection, row: StartRow) -> Existing:
        cursor = db.cursor()
        cursor.row_factory = None
        try:
            if cursor.execute(START, row).rowcount == 1 or row.idempotency_key is None:
                return Existing(row.id, row.input)
            return Existing(
                *cursor.execute(SQL["find_by_key"], (row.workflow, row.idempotency_key)).fetchone()
            )
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise DatabaseError(explained(error, self.url)) from error

    # -- transactions ----------------------------------------------------------------------------------------------

    def _turn_of(self, write: Callable[[sqlite3.Connection], T], *, size: int = 0) -> T:
        """Run a transaction under the interlock of the runner's row."""
        turn = self._turn

        def under_interlock(db: sqlite3.Connection) -> T:
            nonlocal turn
            if self._unsure:
                row = db.execute(SQL["read_turn"], (self._runner,)).fetchone()
                turn += row == (self._epoch, turn + 1)
            if db.execute(ADVANCE_TURN, (self._runner, self._epoch, turn + 1)).rowcount != 1:
                raise RunnerLost
            return write(db)

        try:
            result = self._write(under_interlock, size=size)
        except CommitUnknown:
            self._turn, self._unsure = turn, True
            raise
        # Until a later commit succeeds, a failed one may still reappear after another process crashes.
        self._turn, self._unsure = turn + 1, False
        return result

    def _write(self, write: Callable[[sqlite3.Connection], T], *, size: int = 0) -> T:
        """Run a transaction. An error before the commit rolls it back; an error at the commit closes the connection."""
        try:
            with self._writing, self._gate:
                return self._transaction(write, size)
        except GateTimeout as error:
            raise StoreUnavailable(DatabaseError(locked(self.url))) from error

    def _transaction(self, write: Callable[[sqlite3.Connection], T], size: int) -> T:
        db = self._connection()
        try:
            db.execute("begin immediate")
            result = write(db)
        except BaseException as error:
            if db.in_transaction:
                db.execute("rollback")
            if isinstance(error, (sqlite3.Error, OverflowError, UnicodeEncodeError)):
                raise refusal(error, self.url, at_commit=False) from error
            raise
        self._commit(db)
        self._unchecked += size + 8192
        if self._unchecked > CHECKPOINT_BYTES:
            self._checkpoint(db)
        return result

    def _commit(self, db: sqlite3.Connection) -> None:
        try:
            db.execute("commit")
        except sqlite3.Error as error:
            self._disconnect()
            raise refusal(error, self.url, at_commit=True) from error

    def _checkpoint(self, db: sqlite3.Connection) -> None:
        self._unchecked = 0
        try:
            db.execute("pragma wal_checkpoint(passive)").fetchone()
        except sqlite3.Error as error:
            logger.warning(
                "a checkpoint failed, the log grows until one succeeds: %s", explained(error, self.url)
            )

    def _connection(self) -> sqlite3.Connection:
        if self._closed and self.url.path is None:
            raise DatabaseError(
                "the database in memory is gone, its runner was shut down: use a file to read it later"
            )
        if self._db is None:
            try:
                self._db = connect(self.url)
            except DatabaseError as error:
                raise StoreUnavailable(error) from error
        return self._db

    def _disconnect(self) -> None:
        if self._db is not None and self.url.path is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def close(self) -> None:
        self.drop_liveness_lock()
        with self._writing:
            # They are opened again if something is entered all the same.
            vars(self).pop("_gate", None)
            if locks := vars(self).pop("_locks", None):
                locks.close()
        with self._reading:
            self._closed = True
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        if self._db is not None:
            self._db.close()
            self._db = None


def _leave(db: sqlite3.Connection, runner: str) -> None:
    for name in ("forget_runner", "leave_runner"):
        db.execute(SQL[name], (runner,))
