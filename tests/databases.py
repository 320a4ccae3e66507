"""Databases of both kinds for tests that speak to a store: made within milliseconds, with guards that watch inside.

What tests ask a database themselves is written in SQLite's dialect and names; see ``rows``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from typing import Any

import psycopg

from cloaca.store.postgres import connection as postgres_driver
from cloaca.store.postgres.store import PostgresStore
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.sqlite import connection as sqlite_driver
from cloaca.store.sqlite.store import SqliteStore
from cloaca.store.url import SqliteUrl, parse_database_url
from tests import postgres

KINDS = ("sqlite", "postgres")

SQLITE_GUARDS = """
create table violations (what text, execution_id text);
create trigger fence_shrinks after update on cloaca_executions
when new.fence < old.fence or (new.owner is not null and new.owner is not old.owner and new.fence <= old.fence)
begin insert into violations values ('I2: a fence that did not grow', old.id); end;
create trigger steered_without_a_fence after update on cloaca_executions
when new.status <> old.status and new.status not in ('Completed', 'Failed') and new.fence <= old.fence
begin insert into violations values ('I2: steered under an old fence', old.id); end;
create trigger execution_ends_twice after update on cloaca_executions
when old.finished_at is not null and (
    new.finished_at is not null or new.round <> old.round + 1 or old.status not in ('Failed', 'Cancelled'))
begin insert into violations values ('I5: a finished execution was changed', old.id); end;
create trigger execution_vanishes after delete on cloaca_executions when old.finished_at is null
begin insert into violations values ('I5: an open execution was deleted', old.id); end;
create trigger attempt_ends_twice after update on cloaca_attempts
when old.status in ('Completed', 'Failed', 'Skipped', 'Cancelled')
begin insert into violations values ('I3: a settled attempt was changed', old.execution_id); end;
create trigger attempt_after_the_end after insert on cloaca_attempts
when (select finished_at from cloaca_executions where id = new.execution_id) is not null
begin insert into violations values ('I5: an attempt after the end', new.execution_id); end;
create trigger attempt_changed_after_the_end after update on cloaca_attempts
when new.status <> 'Cancelled'
    and (select finished_at from cloaca_executions where id = new.execution_id) is not null
begin insert into violations values ('I5: an attempt changed after the end', new.execution_id); end;
create trigger events_with_a_gap after insert on cloaca_events
when new.fence > 2
    and not exists (select 1 from cloaca_events where execution_id = new.execution_id and fence = new.fence - 1)
begin insert into violations values ('I11: a gap before an event', new.execution_id); end;
create trigger orphaned_event after insert on cloaca_events
when not exists (select 1 from cloaca_executions where id = new.execution_id)
begin insert into violations values ('I11: an event of nothing', new.execution_id); end;
"""
"""Watch every transaction of every runner from inside the database."""

POSTGRES_GUARDS = """
create table public.violations (what text, execution_id text);
create function public.note() returns trigger language plpgsql as $$
begin
    insert into public.violations values (tg_argv[0], to_jsonb(coalesce(new, old)) ->> tg_argv[1]);
    return null;
end $$;
create function public.note_after_the_end() returns trigger language plpgsql as $$
begin
    if (select finished_at from cloaca.executions where id = new.execution_id) is not null then
        insert into public.violations values (tg_argv[0], new.execution_id);
    end if;
    return null;
end $$;
create function public.note_event() returns trigger language plpgsql as $$
begin
    if new.fence > 2
        and not exists (select 1 from cloaca.events where execution_id = new.execution_id and fence = new.fence - 1) then
        insert into public.violations values ('I11: a gap before an event', new.execution_id);
    end if;
    if not exists (select 1 from cloaca.executions where id = new.execution_id) then
        insert into public.violations values ('I11: an event of nothing', new.execution_id);
    end if;
    return null;
end $$;
create trigger fence_shrinks after update on cloaca.executions for each row
when (new.fence < old.fence
    or (new.owner is not null and new.owner is distinct from old.owner and new.fence <= old.fence))
execute function public.note('I2: a fence that did not grow', 'id');
create trigger steered_without_a_fence after update on cloaca.executions for each row
when (new.status <> old.status and new.status not in ('Completed', 'Failed') and new.fence <= old.fence)
execute function public.note('I2: steered under an old fence', 'id');
create trigger execution_ends_twice after update on cloaca.executions for each row
when (old.finished_at is not null and (
    new.finished_at is not null or new.round <> old.round + 1 or old.status not in ('Failed', 'Cancelled')))
execute function public.note('I5: a finished execution was changed', 'id');
create trigger execution_vanishes after delete on cloaca.executions for each row
when (old.finished_at is null)
execute function public.note('I5: an open execution was deleted', 'id');
create trigger attempt_ends_twice after update on cloaca.attempts for each row
when (old.status in ('Completed', 'Failed', 'Skipped', 'Cancelled'))
execute function public.note('I3: a settled attempt was changed', 'execution_id');
create trigger attempt_after_the_end after insert on cloaca.attempts for each row
execute function public.note_after_the_end('I5: an attempt after the end');
create trigger attempt_changed_after_the_end after update on cloaca.attempts for each row
when (new.status <> 'Cancelled')
execute function public.note_after_the_end('I5: an attempt changed after the end');
create trigger events_in_order after insert on cloaca.events for each row
execute function public.note_event();
"""

EVERYTHING = (
    "cloaca.runners, cloaca.structures, cloaca.executions, cloaca.attempts, cloaca.schedules, cloaca.fires, "
    "cloaca.events, cloaca.steered, public.violations"
)
YOUNG = "interval '10 seconds'"
"""How long after its server's start ``list_runners`` believes no lock; tests believe them at once."""

_numbers = itertools.count()


class SqliteDatabase:
    """A file with the tables and the guards."""

    kind = "sqlite"

    def __init__(self) -> None:
        path = os.path.join(_folder(), f"{next(_numbers)}.db")
        shutil.copyfile(_sqlite_template(), path)
        self.url = SqliteUrl(path, synchronous="normal")
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def store(self) -> SqliteStore:
        return SqliteStore(self.url)

    def connect(self) -> sqlite3.Connection:
        """A connection as an application opens one, with its own transactions."""
        return sqlite3.connect(self.url.path or "", timeout=5)

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        """What is committed."""
        return self.db.execute(sql, parameters).fetchall()

    def damage(self) -> list[Any]:
        return [row for row in self.rows("pragma integrity_check") if row != ("ok",)]

    def close(self) -> None:
        self.db.close()
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.url.path}{ending}")
        shutil.rmtree(f"{self.url.path}-locks", ignore_errors=True)


class PostgresDatabase:
    """A database of the tests' server with the tables and the guards."""

    kind = "postgres"

    def __init__(self, server: str | None = None) -> None:
        server = server or postgres.server_url()
        postgres.make_template(server, "cloaca_guarded", _fill)
        self.text = postgres.new_database(server, template="cloaca_guarded")
        url = parse_database_url(self.text)
        assert isinstance(url, PostgresUrl)
        self.url = url
        self.db = psycopg.connect(self.text, autocommit=True)

    def store(self) -> PostgresStore:
        return believing(PostgresStore(self.url))

    def connect(self) -> psycopg.Connection[Any]:
        """A connection as an application opens one, with its own transactions."""
        return psycopg.connect(self.text)

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        """What is committed."""
        return self.db.execute(translated(sql), parameters).fetchall()

    def damage(self) -> list[Any]:
        """Nothing that a query could find."""
        return []

    def reconnect(self) -> None:
        """After the server was restarted."""
        self.db.close()
        self.db = psycopg.connect(self.text, autocommit=True)

    @contextlib.contextmanager
    def emptied(self) -> Iterator[PostgresDatabase]:
        """As if new: whatever lies in it is gone, once whoever has died on it is."""
        self.db.execute(f"truncate {EVERYTHING} restart identity")
        yield self

    def close(self) -> None:
        self.db.close()
        postgres.drop_database(self.text)


Database = SqliteDatabase | PostgresDatabase


def new(kind: str) -> Database:
    return SqliteDatabase() if kind == "sqlite" else PostgresDatabase()


def translated(sql: str) -> str:
    """A statement in SQLite's dialect for PostgreSQL."""
    return sql.replace("cloaca_", "cloaca.").replace("?", "%s")


def believing(store: PostgresStore) -> PostgresStore:
    """The store, made to believe locks of a server that has just been started."""
    statement = store._sql["list_runners"]
    assert YOUNG in statement
    store._sql["list_runners"] = statement.replace(YOUNG, "interval '0 seconds'")
    return store


@functools.cache
def _folder() -> str:
    """A folder in memory where there is one."""
    path = tempfile.mkdtemp(prefix="cloaca-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.cache
def _sqlite_template() -> str:
    url = SqliteUrl(os.path.join(_folder(), "template.db"))
    db = sqlite_driver.connect(url)
    sqlite_driver.migrate(db, url)
    db.executescript(SQLITE_GUARDS)
    db.close()
    return url.path or ""


def _fill(text: str) -> None:
    url = parse_database_url(text)
    assert isinstance(url, PostgresUrl)
    with postgres_driver.connect(url) as db:
        postgres_driver.migrate(db, url)
        db.execute(POSTGRES_GUARDS)
