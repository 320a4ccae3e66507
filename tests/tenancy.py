"""Tenants on a server of our own, where their passwords count; see ``tests.postgres``."""

import contextlib
import itertools
import os
import pickle
import traceback
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import cloaca
from cloaca.runner.stores import store_of
from tests import postgres
from tests.conftest import FOLDER

NOBODY = "postgresql://ada:pass-phrase@127.0.0.1:1/app"
"""Where no server listens."""

HOSTILE = [
    "x; drop schema public cascade; --",
    'x" authorization postgres; --',
    "x' or '1'='1",
    "x\0y",
    "../x",
    "\u202exyz",
    "tenänt",
    "{user}",
    "%s",
    " ",
    "x\n",
    "\ud800",
]

_numbers = itertools.count(1)


class Guarded:
    """A new database; ``admin`` creates tenants in it, all of whose roles are dropped at the end."""

    def __init__(self):
        self.server = postgres.Server(Path(os.environ[FOLDER]))
        self.server.start()
        self.url = postgres.new_database(self.server.url)
        self.name = self.url.partition("?")[0].rpartition("/")[2]
        self.admin = cloaca.DatabaseAdmin(self.url)
        self.db = psycopg.connect(self.url, autocommit=True)
        self._stack = contextlib.ExitStack()
        self._roles = []

    def role(self):
        """A name that no other test uses; roles belong to the whole server."""
        self._roles.append(f"{postgres.GUARDED}{os.getpid()}_{next(_numbers)}")
        return self._roles[-1]

    def tenant(self, schema, password=None):
        """The credentials of a new tenant."""
        return self.admin.create_tenant(cloaca.TenantConfig(schema, self.role(), password))

    def connect(self, tenant):
        """A connection of a tenant's own, as any program of it could open one."""
        db = psycopg.connect(tenant.connection_string, autocommit=True)
        return self._stack.enter_context(contextlib.closing(db))

    def store(self, url, **options):
        """A store that is ready; closed at the end."""
        store = store_of(url, **options)
        self._stack.callback(store.close)
        store.prepare()
        return store

    def ask(self, statement, *values):
        """What a superuser sees."""
        return self.db.execute(statement, values).fetchall()

    def names(self):
        """Everything that creating a tenant leaves behind: schemas, roles and who may do what."""
        return self.ask(
            "select nspname, nspacl::text from pg_namespace where nspname !~ '^pg_' union all "
            "select datname, datacl::text from pg_database where datname = current_database() union all "
            "select rolname, rolcanlogin::text from pg_roles where rolname = any(%s) union all "
            "select rolname, 'member' from pg_auth_members m join pg_roles r on r.oid = m.roleid "
            "where rolname = any(%s) order by 1, 2",
            self._roles,
            self._roles,
        )

    def close(self):
        self.db.close()
        postgres.drop_database(self.url)
        with psycopg.connect(self.server.url, autocommit=True) as db:
            for role in self._roles:
                db.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


@contextlib.contextmanager
def new_guarded():
    with contextlib.ExitStack() as stack:
        database = Guarded()
        stack.callback(database.close)
        # What tenants have opened is closed before what they have opened it on.
        database._stack = stack.enter_context(contextlib.ExitStack())
        yield database


@pytest.fixture
def guarded():
    """A new database for tenants."""
    with new_guarded() as database:
        yield database


@pytest.fixture
def runner_of(guarded):
    """Runners and clients on URLs; closed before the database is gone."""
    with contextlib.ExitStack() as stack:

        def make(url, *, make=cloaca.DefaultRunner, **options):
            made = make(url, **options)
            stack.enter_context(made)
            return made

        yield make


def whole(error):
    """All that could be shown of an error: its chain, its attributes, its pickle."""
    shown = "".join(traceback.format_exception(error))
    while error is not None:
        shown += f"{error!r}{vars(error)!r}"
        with contextlib.suppress(TypeError, pickle.PicklingError):
            shown += pickle.dumps(error).decode("latin-1")
        error = error.__cause__ or error.__context__
    return shown
