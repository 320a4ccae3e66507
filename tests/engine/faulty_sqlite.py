"""The real SQLite store on a real file, with faults injected between it and the driver."""

import contextlib
import sqlite3

from cloaca.errors import DatabaseError
from cloaca.store.sqlite import locks
from cloaca.store.sqlite.connection import connect
from cloaca.store.sqlite.steering import SqliteSteering
from cloaca.store.sqlite.store import SQL, SqliteStore
from tests.engine.faults import AT_ANSWER, AT_BEGIN, AT_COMMIT, AT_READ, Crash, Faults

_ANSWERS = (SQL["read_turn"], SQL["find_by_key"])


def failure(text, code):
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class FaultyConnection:
    """A connection that fails where the faults say so; one is made for each transaction."""

    def __init__(self, db, faults):
        self._db = db
        self._faults = faults
        self._statements = []

    @property
    def in_transaction(self):
        return self._db.in_transaction

    @property
    def total_changes(self):
        return self._db.total_changes

    def cursor(self):
        return self._db.cursor()

    def execute(self, sql, parameters=()):
        if sql == "commit":
            return self._commit()
        if sql == "begin immediate" and self._faults.next(AT_BEGIN):
            raise failure("database is locked", sqlite3.SQLITE_BUSY)
        if sql in _ANSWERS and not self._db.in_transaction and self._faults.next(AT_ANSWER):
            raise failure("disk I/O error", sqlite3.SQLITE_IOERR)
        self._statements.append((sql, parameters))
        return self._db.execute(sql, parameters)

    def executemany(self, sql, rows):
        rows = list(rows)
        for text in self._faults.refused:
            if any(text in str(value) for row in rows for value in row):
                raise sqlite3.IntegrityError("a value is refused")
        self._statements += [(sql, row) for row in rows]
        return self._db.executemany(sql, rows)

    def _commit(self):
        fault = self._faults.next(AT_COMMIT)
        if fault == "crash_before":
            raise Crash
        if fault in ("full", "lost_undone"):
            self._db.execute("rollback")
            if fault == "full":
                raise failure("database or disk is full", sqlite3.SQLITE_FULL)
            self._faults.limbo = self._statements
            raise failure("disk I/O error", sqlite3.SQLITE_IOERR)
        self._db.execute("commit")
        self._faults.limbo = []
        self._faults.commits += 1
        if fault == "crash_after":
            raise Crash
        if fault == "lost_done":
            raise failure("disk I/O error", sqlite3.SQLITE_IOERR)


class FaultySqliteStore(SqliteStore):
    """A store whose driver fails."""

    def __init__(self, database, faults=None):
        self.faults = faults or Faults()
        self.joined = []
        self.between = lambda: None
        """Called before each read that is no part of a turn's transaction: others may do something there."""
        super().__init__(database.url)

    def _connection(self):
        return FaultyConnection(super()._connection(), self.faults)

    @contextlib.contextmanager
    def _own_connection(self):
        with super()._own_connection() as own:
            yield FaultyConnection(own, self.faults)

    @property
    def steering(self):
        return SqliteSteering(self._own_transaction, self._read_statement)

    def _read(self, name, parameters=()):
        return self._read_statement(SQL[name], parameters)

    def _read_statement(self, statement, parameters):
        self.between()
        if self.faults.next(AT_READ):
            raise DatabaseError("disk I/O error")
        return super()._fetch(statement, parameters)

    def join(self, runner, now):
        self.joined.append(runner)
        super().join(runner, now)

    def look_dead(self):
        """Let go of the proof that this runner lives, as a process does that ends."""
        for runner in self.joined:
            if lock := locks._held.pop(runner, None):
                lock.close()

    def die(self):
        """End as a process does, with nothing tidied up; a commit in limbo comes back."""
        self.look_dead()
        if self._db is not None and self._db.in_transaction:
            self._db.execute("rollback")
        if self.faults.limbo:
            self._come_back()
        self.close()

    def _come_back(self):
        db = connect(self.url)
        for sql, parameters in self.faults.limbo:
            db.execute(sql, parameters)
        db.execute("commit")
        db.close()
        self.faults.limbo = []
