"""The SQLite store: one writer connection for the engine thread, one for readers, plain named statements."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from cloaca.errors import DatabaseError
from cloaca.model.execution import StoredAttempt
from cloaca.store.rows import (
    Batch,
    ClaimedExecution,
    ExecutionRow,
    Existing,
    OwnedRow,
    RunnerRow,
    SuspectRow,
)  # fmt: skip
from cloaca.store.signals import CommitUnknown, Fenced, RunnerLost, StoreUnavailable
from cloaca.store.sqlite.connection import connect, explained, locked, migrate, refusal
from cloaca.store.sqlite.locks import GateTimeout, RunnerLocks
from cloaca.store.statements import load_statements
from cloaca.store.url import SqliteUrl

logger = logging.getLogger("cloaca.store")

T = TypeVar("T")

SQL = load_statements(os.path.join(os.path.dirname(__file__), "statements.sql"))
ADVANCE_TURN, START, SETTLE = SQL["advance_turn"], SQL["start_execution"], SQL["settle_attempt"]
FINISH, NOTE_RUNNING = SQL["finish_execution"], SQL["note_running"]

CHECKPOINT_BYTES = 4 << 20
"""How much is written between two checkpoints, roughly: the default of SQLite, a thousand pages."""


class SqliteStore:
    """The tables of one SQLite database, as one runner sees them.

    All writing methods belong to one thread and write under the interlock of the runner's row; reading methods may be
    called from any thread.

    Raises:
        DatabaseError: The file cannot be opened, is damaged, or cannot be written.
    """

    def __init__(self, url: SqliteUrl) -> None:
        self.url = url
        self._db: sqlite3.Connection | None = connect(url)
        migrate(self._db, url)
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        # In memory readers share the writer's connection, and must not see half a transaction.
        self._writing: Any = threading.RLock() if url.path is None else contextlib.nullcontext()
        self._locks: RunnerLocks | None = None
        if url.path is not None:
            self._locks = _open_locks(url.path, timeout=url.busy_timeout_seconds)
        self._gate: Any = self._locks.gate if self._locks else contextlib.nullcontext()
        self._runner, self._epoch, self._turn = "", 0, 0
        self._unsure = False
        """Whether it is unknown if the last turn was committed."""
        self._unchecked = 0
        self._closed = False

    # -- the runner's row ------------------------------------------------------------------------------------------

    def join(self, runner: str, now: float) -> None:
        """Enter a new runner and prove from now on that it lives, and the one that was here before no longer does."""
        self.forsake()
        self._runner, self._epoch, self._turn, self._unsure = runner, 0, 0, False
        if self._locks:
            self._locks.hold(runner)
        self._write(
            lambda db: db.execute(SQL["join_runner"], (runner, socket.gethostname(), os.getpid(), now))
        )

    def leave(self) -> None:
        """Remove the runner; it must own nothing."""
        self._write(lambda db: db.execute(SQL["leave_runner"], (self._runner,)))
        self.forsake()

    def forsake(self) -> None:
        """Stop proving that this runner lives: whoever looks next takes over what it owns."""
        if self._locks and self._runner:
            self._locks.drop(self._runner)

    def other_runners(self) -> list[RunnerRow]:
        """All runners that have joined and not left, but this one."""
        rows = self._read("list_runners")
        return [RunnerRow(*row) for row in rows if row[0] != self._runner]

    def is_alive(self, runner: str) -> bool:
        """Whether a runner's process is known to live; without file locks nobody is ever declared dead."""
        return self._locks is None or self._locks.is_alive(runner)

    # -- a turn ----------------------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> dict[str, Existing]:
        """Commit all rows of a turn in one transaction.

        Returns:
            For each start that lost to an earlier one under its idempotency key, by its own id: the earlier one.

        Raises:
            RunnerLost, Fenced, RowRefused, StoreUnavailable: Nothing was written.
            CommitUnknown: It may have been; ``was_committed`` tells.
        """
        return self._turn_of(lambda db: self._write_rows(db, batch), size=_bytes_of(batch))

    def was_committed(self) -> bool:
        """After ``CommitUnknown``: whether that commit happened after all.

        Raises:
            StoreUnavailable: It cannot be told yet.
            RunnerLost: This runner was declared dead meanwhile.
        """
        try:
            row = self._connection().execute(SQL["read_turn"], (self._runner,)).fetchone()
        except sqlite3.Error as error:
            self._disconnect()
            raise refusal(error, self.url, at_commit=False) from error
        if row is None or row[0] != self._epoch:
            raise RunnerLost
        happened = bool(row[1] == self._turn + 1)
        self._turn += happened
        self._unsure = False
        return happened

    def losers(self, batch: Batch) -> dict[str, Existing]:
        """Of a batch that turned out to be committed: what ``commit`` would have returned."""
        try:
            return _losers(self._connection(), batch)
        except sqlite3.Error as error:
            self._disconnect()
            raise refusal(error, self.url, at_commit=False) from error

    def _write_rows(self, db: sqlite3.Connection, batch: Batch) -> dict[str, Existing]:
        losers: dict[str, Existing] = {}
        if batch.structures:
            db.executemany(SQL["keep_structure"], batch.structures)
        if batch.starts and db.executemany(START, batch.starts).rowcount < len(batch.starts):
            losers = _losers(db, batch)
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
        """The executions of a batch that were refused: those of others, or all where that cannot be told."""
        claims = batch.claims
        db.execute("rollback")
        foreign = {claim[0] for claim in claims if db.execute(SQL["still_owned"], claim).fetchone() is None}
        return foreign or {claim[0] for claim in claims}

    # -- ownership -------------------------------------------------------------------------------------------------

    def read_structures(self, structures: Iterable[str]) -> dict[str, str]:
        """The stored graphs of these structures."""
        return dict(self._read("read_structures", (json.dumps(sorted(set(structures))),)))

    def declare_dead(self, runner: str) -> None:
        """Make every later turn of a runner fail, in a transaction of its own that waits for a turn in progress."""
        self._turn_of(lambda db: db.execute(SQL["declare_dead"], (runner,)))

    def owned_by(self, runner: str, *, limit: int) -> list[OwnedRow]:
        """Open executions of a runner; one in which a suspect runs alone comes last."""
        return [OwnedRow(*row) for row in self._read("read_owned", (runner, limit))]

    def ran_alone(self, runner: str) -> bool:
        """Whether some suspect of this runner was running with nothing beside it."""
        return bool(self._read("count_alone", (runner,))[0][0])

    def release(self, owner: str, executions: Sequence[str], suspects: Sequence[SuspectRow] = ()) -> None:
        """Give up executions of an owner, this runner or a dead one, and enter which of their attempts are suspects."""

        def write(db: sqlite3.Connection) -> None:
            claims = [(execution, owner) for execution in executions]
            db.executemany(SQL["clear_alone"], claims)
            db.executemany(SQL["suspect_attempt"], [(*suspect, owner) for suspect in suspects])
            db.executemany(SQL["release_execution"], claims)

        self._turn_of(write)

    def bury(self, runner: str) -> None:
        """Remove a dead runner that owns nothing any more."""
        self._turn_of(lambda db: db.execute(SQL["leave_runner"], (runner,)))
        if self._locks:
            self._locks.drop(runner)

    def waiting_structures(self) -> list[tuple[str, str]]:
        """``(workflow, structure)`` of the open executions that nobody owns, each once."""
        return self._read("list_waiting")

    def claim(self, structures: Iterable[str], *, limit: int, now: float) -> list[ClaimedExecution]:
        """Take executions that nobody owns, oldest first, of these structures only."""
        parameters = (self._runner, now, json.dumps(sorted(structures)), limit)

        def write(db: sqlite3.Connection) -> list[ClaimedExecution]:
            rows = db.execute(SQL["claim_executions"], parameters).fetchall()
            return [ClaimedExecution._make((*row, self._attempts(db, row[0]))) for row in rows]

        return self._turn_of(write)

    # -- reading ---------------------------------------------------------------------------------------------------

    def read_execution(self, execution: str) -> ExecutionRow | None:
        """An execution, or ``None``."""
        rows = self._read("read_execution", (execution,))
        return ExecutionRow(*rows[0]) if rows else None

    def read_attempts(self, execution: str) -> list[StoredAttempt]:
        """All attempts of an execution, by task and attempt."""
        return [StoredAttempt(*row) for row in self._read("read_attempts", (execution,))]

    def list_executions(
        self, *, workflow: str | None, status: str | None, after: str | None, limit: int
    ) -> list[ExecutionRow]:
        """Executions, newest first, those before ``after``."""
        return [ExecutionRow(*row) for row in self._read("list_executions", (workflow, status, after, limit))]

    def _attempts(self, db: sqlite3.Connection, execution: str) -> list[StoredAttempt]:
        return [StoredAttempt(*row) for row in db.execute(SQL["read_attempts"], (execution,))]

    def _read(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            if self.url.path is None:
                with self._writing:
                    return self._connection().execute(SQL[name], parameters).fetchall()
            with self._reading, self._open_reader() as reader:
                return reader.execute(SQL[name], parameters).fetchall()
        except sqlite3.Error as error:
            raise DatabaseError(explained(error, self.url)) from error

    @contextlib.contextmanager
    def _open_reader(self) -> Iterator[sqlite3.Connection]:
        """The reader's connection; one for this read alone once the store is closed."""
        if self._closed:
            with contextlib.closing(connect(self.url)) as reader:
                yield reader
        else:
            self._reader = self._reader or connect(self.url)
            yield self._reader

    # -- transactions ----------------------------------------------------------------------------------------------

    def _turn_of(self, write: Callable[[sqlite3.Connection], T], *, size: int = 0) -> T:
        """A transaction under the interlock of the runner's row."""

        def under_interlock(db: sqlite3.Connection) -> T:
            if self._unsure:
                row = db.execute(SQL["read_turn"], (self._runner,)).fetchone()
                self._turn += row == (self._epoch, self._turn + 1)
                self._unsure = False
            if db.execute(ADVANCE_TURN, (self._runner, self._epoch, self._turn + 1)).rowcount != 1:
                raise RunnerLost
            return write(db)

        try:
            result = self._write(under_interlock, size=size)
        except CommitUnknown:
            self._unsure = True
            raise
        self._turn += 1
        return result

    def _write(self, write: Callable[[sqlite3.Connection], T], *, size: int = 0) -> T:
        """A transaction; an error before the commit rolls it back, one at the commit closes the connection."""
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
        """Close everything; reading from a file goes on to work."""
        self.forsake()
        if self._locks:
            self._locks.close()
        with self._reading:
            self._closed = True
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        if self._db is not None:
            self._db.close()
            self._db = None


def _losers(db: sqlite3.Connection, batch: Batch) -> dict[str, Existing]:
    losers = {}
    for row in batch.starts:
        if row.idempotency_key is not None:
            found = Existing(*db.execute(SQL["find_by_key"], (row.workflow, row.idempotency_key)).fetchone())
            if found.id != row.id:
                losers[row.id] = found
                continue
        if db.execute(SQL["find_started"], (row.id, row.owner, row.fence)).fetchone() is None:
            # It was committed before this runner was declared dead, and goes on under another claim.
            losers[row.id] = Existing(row.id, row.input)
    return losers


def _bytes_of(batch: Batch) -> int:
    return sum(len(row.delta or "") + 200 for row in batch.settles) + sum(
        len(row.input) + 300 for row in batch.starts
    )


def _open_locks(path: str, *, timeout: float) -> RunnerLocks | None:
    try:
        return RunnerLocks(path, timeout=timeout)
    except OSError as error:
        logger.warning("no file locks beside %s (%s): no dead runner will be noticed", path, error)
        return None
