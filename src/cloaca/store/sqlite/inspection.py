"""Diagnosing a SQLite database: its file, its log, its locks and who holds them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from cloaca.errors import DatabaseError
from cloaca.store.inspection import Damage, Holder, StartedRow, SuspectedRow, WaitingRow
from cloaca.store.sqlite import lock_holders
from cloaca.store.sqlite.connection import MIGRATIONS, explained, tables_version
from cloaca.store.sqlite.locks import Gate, GateTimeout, LockFile
from cloaca.store.statements import load_statements
from cloaca.store.url import SqliteUrl

SQL = load_statements(os.path.join(os.path.dirname(__file__), "inspection.sql"))

LARGE_LOG_BYTES = 64 << 20
"""Sixteen times as much as a runner writes between two checkpoints: several of them have been prevented."""

_SHOWN_PROBLEMS = 3


class SqliteInspection:
    """The database in an existing file; see ``Inspection``."""

    known_version = MIGRATIONS[-1][0]

    def __init__(self, url: SqliteUrl) -> None:
        assert url.path is not None  # noqa: S101 - one in memory is seen by nobody else
        self._url = url
        self._path = url.path
        self._db: sqlite3.Connection | None = None

    def server(self) -> str:
        self._rows("select 1")
        return f"SQLite {sqlite3.sqlite_version}"

    def tables_version(self) -> int:
        with self._explained():
            return tables_version(self._opened())

    def clock(self) -> float | None:
        return None

    def holders(self, *, patience: float) -> list[Holder]:
        """By taking the lock and releasing it; the holder is looked up only if that takes too long."""
        try:
            with self._gate(patience):
                self._take_lock(patience)
        except GateTimeout:
            return lock_holders.holders(self._path) or [_unknown("the gate that writers queue at")]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise DatabaseError(explained(error, self._url)) from error
            return lock_holders.holders(self._path) or [_unknown("the write lock")]
        return []

    def _gate(self, patience: float) -> Any:
        path = f"{self._path}-locks/gate"
        return Gate(LockFile(path), patience) if os.path.exists(path) else contextlib.nullcontext()

    def _take_lock(self, patience: float) -> None:
        with contextlib.closing(self._connected(patience)) as db:
            db.execute("begin immediate")
            db.execute("rollback")

    def damages(self, *, thorough: bool) -> list[Damage]:
        return [
            *self._of_file_system(),
            *self._of_log(),
            *(self._of_pages() if thorough else ()),
        ]

    def _of_file_system(self) -> Iterator[Damage]:
        if (kind := lock_holders.network_file_system(self._path)) is not None:
            yield Damage(
                "file system",
                f"{self._path} is on a network file system ({kind}), whose locks may not hold between hosts",
                "move the file to a local disk, or use PostgreSQL",
            )

    def _of_log(self) -> Iterator[Damage]:
        with contextlib.suppress(FileNotFoundError):
            size = os.path.getsize(f"{self._path}-wal")
            if size > LARGE_LOG_BYTES:
                readers = ", ".join(lock_holders.readers(self._path))
                yield Damage(
                    "log",
                    f"the log {self._path}-wal has grown to {size >> 20} MiB: "
                    + (
                        f"it is held by read transactions of {readers}"
                        if readers
                        else "no checkpoint has emptied it"
                    ),
                    "end long read transactions; the log is emptied when the last process closes the file",
                )

    def _of_pages(self) -> Iterator[Damage]:
        problems = [row[0] for row in self._rows(f"pragma quick_check({_SHOWN_PROBLEMS})") if row[0] != "ok"]
        if problems:
            yield Damage(
                "integrity",
                f"{self._path} is damaged: {'; '.join(problems)}",
                "restore it from a copy, and check the disk",
            )

    def owned(self) -> dict[str, int]:
        return dict(self._rows(SQL["count_owned"]))

    def waiting(self) -> list[WaitingRow]:
        return [
            WaitingRow(workflow, executions, oldest_at, bool(runs))
            for workflow, executions, oldest_at, runs in self._rows(SQL["count_waiting"])
        ]

    def suspected(self, *, limit: int) -> list[SuspectedRow]:
        return [SuspectedRow(*row) for row in self._rows(SQL["list_suspected"], (limit,))]

    def newest(self, *, limit: int) -> list[StartedRow]:
        return [StartedRow(*row) for row in self._rows(SQL["list_newest"], (limit,))]

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._explained():
            return self._opened().execute(statement, parameters).fetchall()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DatabaseError(explained(error, self._url)) from error

    def _opened(self) -> sqlite3.Connection:
        self._db = self._db or self._connected(self._url.busy_timeout_seconds)
        return self._db

    def _connected(self, timeout: float) -> sqlite3.Connection:
        """A connection that changes no settings: the journal mode is that of the runners.

        It may write, although it does not: a read-only connection would leave the log's files behind if it were the last one.
        """
        name = f"file:{quote(self._path)}?mode=rw"
        return sqlite3.connect(name, uri=True, isolation_level=None, timeout=timeout)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _unknown(what: str) -> Holder:
    return Holder(
        "a process that cannot be seen from here",
        what,
        None,
        "look for it with fuser, and end its transaction",
    )
