"""Stores whose statements a test lets through one by one, so that two of them meet at any statement it likes."""

import contextlib
import threading
import time

from cloaca.store.postgres.store import PostgresStore
from cloaca.store.sqlite.locks import Gate
from cloaca.store.sqlite.store import SqliteStore
from tests.databases import believing

LOOK_SECONDS = 0.002
"""How often a step that takes its time is asked whether it waits for somebody else."""

SOON = 20
"""Seconds after which a test gives up on what ought to happen at once."""


def until(holds, what):
    """Ask again and again until it holds; each time costs a question to the server."""
    give_up = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < give_up, what


class Stepper:
    """A thread that works on a store; each statement waits for a permit.

    A step ends when the statement has been executed on the database, when it waits for a lock that somebody else
    holds, or when the work is done.
    """

    def __init__(self, store, work):
        self.result = None
        self.error = None
        self.statements = 0
        self.store = store
        self._work = work
        self._change = threading.Condition()
        self._permits = 0
        self._asking = self._done = False
        store.stepper = self
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._settle()

    def _run(self):
        try:
            self.result = self._work(self.store)
        except Exception as error:
            self.error = error
        with self._change:
            self._done = True
            self._change.notify_all()

    def pace(self):
        """Called before each statement."""
        with self._change:
            self._asking = True
            self._change.notify_all()
            self._change.wait_for(lambda: self._permits > 0)
            self._asking = False
            self._permits -= 1
            self.statements += 1

    @property
    def is_done(self):
        return self._done

    def step(self, number=1):
        """Let so many statements through, fewer where one has to wait."""
        for _ in range(number):
            if not self._done and not self.waits():
                self._let(1)

    def go_on(self):
        """Let all through; returns when the work is done or has to wait."""
        self._let(10_000)

    def finish(self):
        """Let all through, to the end."""
        self.go_on()
        self._thread.join(SOON)
        assert self._done, "it still waits for somebody"

    def _let(self, permits):
        with self._change:
            self._permits += permits
            self._asking = False
            self._change.notify_all()
        self._settle()

    def _settle(self):
        while not self.waits():
            with self._change:
                if self._change.wait_for(lambda: self._asking or self._done, LOOK_SECONDS):
                    return

    def waits(self):
        """Whether it waits for a lock that somebody else holds."""
        return not self._done and not self._asking and self.store.is_blocked()


class SteppedSqliteStore(SqliteStore):
    """A store whose turns ask a stepper before each statement."""

    stepper = None

    def __init__(self, database):
        super().__init__(database.url)
        self._spy = _SpiedLock(self._locks.gate._lock)
        self._gate = Gate(self._spy, timeout=SOON)

    def _connection(self):
        return _SteppedSqlite(super()._connection(), self.stepper) if self.stepper else super()._connection()

    def is_blocked(self):
        return self._spy.is_waited_for


class _SpiedLock:
    def __init__(self, lock):
        self._lock = lock
        self.is_waited_for = False

    def try_lock(self):
        taken = self._lock.try_lock()
        self.is_waited_for = not taken
        return taken

    def unlock(self):
        self._lock.unlock()


class _SteppedSqlite:
    def __init__(self, db, stepper):
        self._db = db
        self._stepper = stepper

    @property
    def in_transaction(self):
        return self._db.in_transaction

    def execute(self, *arguments):
        self._stepper.pace()
        return self._db.execute(*arguments)

    def executemany(self, *arguments):
        self._stepper.pace()
        return self._db.executemany(*arguments)


class SteppedPostgresStore(PostgresStore):
    """A store whose turns ask a stepper before each statement, and wait until it has been executed."""

    stepper = None

    def __init__(self, database):
        super().__init__(database.url)
        self.database = database
        believing(self)

    def _connection(self):
        return SteppedPostgres(super()._connection(), self.stepper) if self.stepper else super()._connection()

    def is_blocked(self):
        db = self._db
        return db is not None and bool(blockers(self.database, db.info.backend_pid))


class SteppedPostgres:
    """A connection whose statements are executed one by one, also those of a pipeline."""

    def __init__(self, db, stepper):
        self._db = db
        self._stepper = stepper
        self._in_pipeline = False

    @property
    def closed(self):
        return self._db.closed

    @property
    def info(self):
        return self._db.info

    @contextlib.contextmanager
    def pipeline(self):
        self._in_pipeline = True
        try:
            with self._db.pipeline():
                yield
        finally:
            self._in_pipeline = False

    def execute(self, *arguments, **options):
        self._stepper.pace()
        cursor = self._db.execute(*arguments, **options)
        if self._in_pipeline:
            self._db.execute("select 1").fetchone()
        return cursor


def blockers(database, backend):
    """The backends that one waits for."""
    return database.rows("select unnest(pg_blocking_pids(?))", backend)


def stepped(database):
    stores = {"sqlite": SteppedSqliteStore, "postgres": SteppedPostgresStore}
    return stores[database.kind](database)
