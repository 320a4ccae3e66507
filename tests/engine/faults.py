"""The real SQLite store on a real file, with faults injected between it and the driver on purpose."""

import atexit
import functools
import os
import shutil
import sqlite3
import tempfile
from collections import deque

from cloaca.errors import DatabaseError
from cloaca.store.sqlite import locks
from cloaca.store.sqlite.connection import connect, migrate
from cloaca.store.sqlite.store import SQL, SqliteStore
from cloaca.store.url import SqliteUrl

AT_COMMIT = ("crash_before", "crash_after", "lost_done", "lost_undone", "full")
AT_BEGIN = ("locked",)
AT_READ = ("unreadable",)
AT_ANSWER = ("silent",)
"""While the runner asks whether a commit whose answer was lost has happened."""

_ANSWERS = (SQL["read_turn"], SQL["find_by_key"])


class Crash(BaseException):
    """The process dies here."""


class Faults:
    """What goes wrong next on one database: each once, in this order, at the first point of its kind."""

    def __init__(self):
        self.coming = deque()
        self.limbo = []
        """Statements of a commit that failed with an I/O error: a crash may bring them back."""
        self.refused = ()
        """Texts that the database accepts in no row."""
        self.commits = 0
        self.happened = 0

    def next(self, kinds):
        found = next((kind for kind in self.coming if kind in kinds), None)
        if found is not None:
            self.coming.remove(found)
            self.happened += 1
        return found


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


class FaultyStore(SqliteStore):
    """A store whose driver fails."""

    def __init__(self, url, faults=None):
        self.faults = faults or Faults()
        self.joined = []
        super().__init__(url)

    def _connection(self):
        return FaultyConnection(super()._connection(), self.faults)

    def _read(self, name, parameters=()):
        if self.faults.next(AT_READ):
            raise DatabaseError("disk I/O error")
        return super()._read(name, parameters)

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


GUARDS = """
create table violations (what text, execution_id text);
create trigger fence_shrinks after update on cloaca_executions
when new.fence < old.fence or (new.owner is not null and new.owner is not old.owner and new.fence <= old.fence)
begin insert into violations values ('I2: a fence that did not grow', old.id); end;
create trigger execution_ends_twice after update on cloaca_executions when old.finished_at is not null
begin insert into violations values ('I5: a finished execution was changed', old.id); end;
create trigger execution_vanishes after delete on cloaca_executions
begin insert into violations values ('I5: an execution was deleted', old.id); end;
create trigger attempt_ends_twice after update on cloaca_attempts
when old.status in ('Completed', 'Failed', 'Skipped')
begin insert into violations values ('I3: a settled attempt was changed', old.execution_id); end;
create trigger attempt_after_the_end after insert on cloaca_attempts
when (select finished_at from cloaca_executions where id = new.execution_id) is not null
begin insert into violations values ('I5: an attempt after the end', new.execution_id); end;
"""
"""Watch every transaction of every runner from inside the database."""


@functools.cache
def folder():
    """A folder in memory where there is one."""
    path = tempfile.mkdtemp(prefix="cloaca-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.cache
def _template():
    url = SqliteUrl(os.path.join(folder(), "template.db"), journal_mode="delete")
    db = connect(url)
    migrate(db, url)
    db.executescript(GUARDS)
    db.close()
    return url.path


def new_database(name):
    """A database file with the tables and the guards."""
    path = os.path.join(folder(), f"{name}.db")
    shutil.copyfile(_template(), path)
    return SqliteUrl(path, synchronous="normal")


def remove_database(url):
    for ending in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(url.path + ending):
            os.unlink(url.path + ending)
    shutil.rmtree(f"{url.path}-locks", ignore_errors=True)
