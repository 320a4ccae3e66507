"""The real PostgreSQL store on a real server, with faults injected between it and the driver.

No commit is ever in limbo here: who asks for the turn waits for the backend that was at its commit.
"""

import contextlib
from functools import cached_property

import psycopg

from cloaca.errors import DatabaseError
from cloaca.store.postgres.steering import PostgresSteering
from cloaca.store.postgres.store import BEGIN, PostgresStore
from tests.databases import believing
from tests.engine.faults import AT_ANSWER, AT_BEGIN, AT_COMMIT, AT_READ, Crash, Faults

REFUSE = "select cloaca.demand(false, '23514')"
"""Fails as a violated check does: on the server, with the rest of the pipeline."""


class FaultyConnection:
    """A connection that fails where the faults say so; one is made for each transaction."""

    def __init__(self, db, store):
        self._db = db
        self._faults = store.faults
        self._gone = store.wait_until_gone
        self._answers = store._sql["read_turn"], store._sql["find_by_key"]
        self._alone = store._sql["join_runner"], store._sql["leave_runner"]
        self._in_turn = False

    def __getattr__(self, name):
        return getattr(self._db, name)

    @contextlib.contextmanager
    def pipeline(self):
        self._in_turn = True
        try:
            with self._db.pipeline():
                yield
        finally:
            self._in_turn = False
        self._faults.commits += 1

    def execute(self, sql, parameters=None, **options):
        if self._in_turn:
            return self._execute_in_turn(sql, parameters, options)
        if sql in self._answers and self._faults.next(AT_ANSWER):
            raise self._lost()
        if sql in self._alone:
            self._begin()
            return self._commit(sql, parameters)
        return self._db.execute(sql, parameters, **options)

    def _execute_in_turn(self, sql, parameters, options):
        if sql == BEGIN:
            self._begin()
        if sql == "commit" and self._faults.are_coming(AT_COMMIT):
            # What has failed before the commit does not get that far.
            self._db.execute("select 1").fetchone()
            return self._commit(sql, parameters)
        for text in self._faults.refused:
            if text in str(parameters):
                return self._db.execute(REFUSE)
        return self._db.execute(sql, parameters, **options)

    def _begin(self):
        if self._faults.next(AT_BEGIN):
            raise psycopg.errors.LockNotAvailable("canceling statement due to lock timeout")

    def _commit(self, sql, parameters):
        fault = self._faults.next(AT_COMMIT)
        if fault == "crash_before":
            raise Crash
        if fault == "full":
            raise psycopg.errors.DiskFull("could not extend file: No space left on device")
        if fault == "lost_undone":
            raise self._lost()
        done = self._db.execute(sql, parameters)
        if fault is None:
            return done
        self._db.execute("select 1").fetchone()
        self._faults.commits += 1
        raise Crash if fault == "crash_after" else self._lost()

    def _lost(self):
        self._db.close()
        self._gone()
        return psycopg.OperationalError("server closed the connection unexpectedly")


class FaultyVerb(FaultyConnection):
    """The readers' connection, on which people steer in transactions of their own."""

    def __init__(self, db, store):
        super().__init__(db, store)
        # This connection holds no lock that outlasts it: whoever needs its rows waits for its backend.
        self._gone = lambda: None

    def execute(self, sql, parameters=None, **options):
        if sql == BEGIN:
            self._begin()
            self._in_turn = True
        elif not self._in_turn and self._faults.next(AT_READ):
            raise DatabaseError("the server closed the connection unexpectedly")
        if sql == "commit":
            done = self._commit(sql, parameters)
            self._faults.commits += 1
            return done
        return self._db.execute(sql, parameters, **options)


class FaultyPostgresStore(PostgresStore):
    """A store whose driver fails."""

    def __init__(self, database, faults=None):
        self.faults = faults or Faults()
        self.joined = []
        self.database = database
        self.between = lambda: None
        """Called before each read that is no part of a turn's transaction: others may do something there."""
        super().__init__(database.url)
        believing(self)

    def _connection(self):
        return FaultyConnection(super()._connection(), self)

    @cached_property
    def steering(self):
        return PostgresSteering(self._steer, schema=self.url.schema)

    def _steer(self, work):
        self.between()
        return self._ask(lambda db: work(FaultyVerb(db, self)))

    def _read(self, name, parameters=()):
        self.between()
        if self.faults.next(AT_READ):
            raise DatabaseError("the server closed the connection unexpectedly")
        return super()._read(name, parameters)

    def join(self, runner, now):
        self.joined.append(runner)
        super().join(runner, now)

    def look_dead(self):
        """Let go of the proof that this runner lives, as a process does that ends."""
        if self._db is not None and not self._db.closed:
            self._db.execute("select pg_advisory_unlock_all()")
        self.wait_until_gone()

    def wait_until_gone(self):
        """Until the backends of connections that were closed have noticed: a schedule is to be the same every time."""
        for key in [self._lock_key(runner) for runner in self.joined]:
            self.database.db.execute("select pg_advisory_lock(%s), pg_advisory_unlock(%s)", (key, key))

    def die(self):
        """End as a process does, with nothing tidied up."""
        for db in (self._db, self._reader):
            if db is not None:
                db.close()
        self._db = self._reader = None
        self.wait_until_gone()
