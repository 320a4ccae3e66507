"""Time moved by hand, and schedulers whose ticks a test takes one by one."""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, datetime

from cloaca.clock import new_id
from cloaca.schedules.registrations import Registrations
from cloaca.schedules.scheduler import Scheduler, SchedulerSettings, Surroundings
from tests import databases


def at(text):
    """Seconds since 1970 of a moment, UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


NOON = at("2026-11-25 12:00")


class Hand:
    """A clock that stands until it is moved. ``passes`` is time that goes by, ``is_set`` somebody who changes the clock."""

    def __init__(self, now=NOON):
        self._now, self._monotonic = now, 1000.0

    def now(self):
        return self._now

    def monotonic(self):
        return self._monotonic

    def passes(self, seconds):
        self._now += seconds
        self._monotonic += seconds

    def is_set(self, now):
        self._now = now


class Place:
    """A database, a clock, and the schedulers of runners on it."""

    def __init__(self, database, stack):
        self.database = database
        self.kind = database.kind
        self.clock = Hand()
        self.workflows = ["w"]
        self.triggers = []
        self.encoders = None
        self.started = []
        self.polls = []
        """Polls that wait for the test to run them."""
        self._stack = stack
        self._names = (f"runner {number}" for number in itertools.count(1))
        self.schedules = self.store().schedules

    def store(self):
        store = self.database.store()
        self._stack.callback(store.close)
        return store

    @property
    def registrations(self):
        return Registrations(self.schedules, now=self.clock.now, make_id=new_id)

    def scheduler(self, *, store=None, runner=None, polls=None, clock=None, **settings):
        """One of a runner that has joined."""
        store = store or self.store()
        runner = runner or next(self._names)
        store.join(runner, self.clock.now())
        polls = self.polls if polls is None else polls
        around = Surroundings(
            lambda: runner, lambda: self.workflows, lambda: self.triggers, lambda: self.started.append(runner)
        )
        made = Scheduler(
            store.schedules, around, settings=SchedulerSettings(**settings), clock=clock or self.clock,
            make_id=new_id, encoders=self.encoders, spawn=lambda work, name: polls.append(work),
            wait=lambda event, seconds: self.clock.passes(seconds),
        )  # fmt: skip
        made.runner, made.store = runner, store
        return made

    def rows(self, sql, *parameters):
        return self.database.rows(sql, *parameters)

    def write(self, sql):
        """Change what is committed, past everybody."""
        self.database.db.execute(databases.translated(sql) if self.kind == "postgres" else sql)

    def fired(self):
        """The nominal instants of all fires, each with how many executions there are of it."""
        return self.rows(
            "select f.scheduled_at, count(e.id) from cloaca_fires f left join cloaca_executions e on e.id = f.execution_id "
            "group by f.id, f.scheduled_at order by f.scheduled_at"
        )

    def instants(self):
        """What clocks show at all fires, which have one execution each."""
        assert all(executions == 1 for _, executions in self.fired())
        assert self.rows("select count(*) from cloaca_executions") == [(len(self.fired()),)]
        return [datetime.fromtimestamp(instant, UTC).strftime("%H:%M:%S") for instant, _ in self.fired()]


@contextlib.contextmanager
def place_of(kind):
    with contextlib.closing(databases.new(kind)) as database, contextlib.ExitStack() as stack:
        yield Place(database, stack)
        assert not database.rows("select * from violations")
