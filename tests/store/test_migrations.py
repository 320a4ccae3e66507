"""Bringing the tables up to date: once, whole, whoever comes, whatever happens."""

import contextlib
import json
import sqlite3
import sys
from subprocess import run

import psycopg
import pytest

from cloaca.errors import DatabaseError, MigrationError
from cloaca.runner.stores import store_of
from cloaca.store.postgres import connection as postgres_driver
from cloaca.store.sqlite import connection as sqlite_driver
from tests.store.migrating import TOGETHER
from tests.store.rows import start
from tests.world import environment

TABLES = [
    "attempts", "events", "executions", "fires", "migrations", "runners", "schedules", "steered", "structures",
]  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def nothing(request, tmp_path):
    """Where there are no tables yet."""
    return str(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def told(what, place):
    """What processes did that another process has forked."""
    command = [sys.executable, "-m", "tests.store.migrating", what, place]
    done = run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def test_ten_processes_that_start_at_once_all_find_the_tables(nothing):
    found = told("together", nothing)
    assert found["exits"] == [0] * TOGETHER
    tables, versions = found["tables"]
    assert tables == TABLES
    assert versions == [[number + 1] for number in range(len(versions))]


def test_one_that_opens_a_new_file_waits_for_another_that_writes_there(tmp_path, monkeypatch):
    path = tmp_path / "cloaca.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        other.execute("create table theirs (x)")
        waited = []

        def let_go(seconds):
            waited.append(seconds)
            other.execute("commit")

        monkeypatch.setattr(sqlite_driver.time, "sleep", let_go)
        store = store_of(f"sqlite:///{path}")
        store.prepare()
        store.close()
        assert len(waited) == 1
        assert other.execute("select * from theirs").fetchall() == []
        assert other.execute("pragma journal_mode").fetchall() == [("wal",)]


def test_one_that_opens_a_new_file_gives_up_in_time(tmp_path):
    path = tmp_path / "cloaca.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        store = store_of(f"sqlite:///{path}?timeout=0.05")
        with pytest.raises(DatabaseError, match=r"was locked by another process for 0\.05 s"):
            store.prepare()
        store.close()


def test_one_that_is_killed_at_any_statement_leaves_nothing_half_applied(nothing):
    points = told("killed", nothing)
    assert [point[0] for point in points] == [-9] * (len(points) - 1) + [0]
    assert len(points) > 8
    for _, found, versions, followed, tables, versions_then in points:
        assert (found, versions) == ([], []) or found == TABLES
        assert (followed, tables) == (0, TABLES)
        assert versions_then


def test_tables_of_a_newer_release_are_refused_and_left_alone(database_url):
    store = store_of(database_url)
    store.prepare()
    if database_url.startswith("sqlite"):
        store._db.execute("insert into cloaca_migrations values (99, '')")
    else:
        with psycopg.connect(database_url) as db:
            db.execute("insert into cloaca.migrations values (99, now())")
    for tried in (store, store_of(database_url)):
        with pytest.raises(
            MigrationError, match="have version 99, but this release knows only 4: upgrade pycloaca"
        ) as error:
            tried.prepare()
        assert error.value.target_version == 4
        tried.close()


def test_tables_of_the_release_before_are_brought_up_to_date_and_keep_what_is_in_them(
    database_url, monkeypatch
):
    before = store_of(database_url)
    with monkeypatch.context() as patched:
        for driver in (sqlite_driver, postgres_driver):
            patched.setattr(driver, "MIGRATIONS", driver.MIGRATIONS[:1])
        before.prepare()
    before.enter(start("e1", input='{"n":1}'))
    with pytest.raises(DatabaseError):
        before.schedules.any()
    after = store_of(database_url)
    after.prepare()
    assert after.read_execution("e1").input == '{"n":1}'
    assert not after.schedules.any()
    # What ran before goes on beside it.
    before.enter(start("e2"))
    assert after.read_execution("e2").workflow == before.read_execution("e1").workflow
    before.close()
    after.close()


def test_tables_that_are_up_to_date_are_not_written(database_url):
    store = store_of(database_url)
    store.prepare()
    store.prepare()
    store.close()
    if not database_url.startswith("sqlite"):
        with psycopg.connect(database_url, autocommit=True) as db:
            db.execute("create role reader login")
            try:
                db.execute("grant usage on schema cloaca to reader")
                db.execute("grant select on all tables in schema cloaca to reader")
                reader = store_of(database_url.replace("postgres@", "reader@"))
                reader.prepare()
                assert reader.waiting_structures() == []
                reader.close()
            finally:
                db.execute("drop owned by reader")
                db.execute("drop role reader")


def test_a_role_without_rights_is_told_which_it_lacks(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("create role nobody login")
        try:
            store = store_of(postgres_url.replace("postgres@", "nobody@"))
            with pytest.raises(
                MigrationError, match=r"permission is refused .*: grant it on schema 'cloaca'"
            ):
                store.prepare()
            store.close()
        finally:
            db.execute("drop role nobody")


def test_tables_that_were_emptied_of_their_version_are_refused(database_url):
    store = store_of(database_url)
    store.prepare()
    if database_url.startswith("sqlite"):
        store._db.execute("delete from cloaca_migrations")
    else:
        with psycopg.connect(database_url) as db:
            db.execute("delete from cloaca.migrations")
    with pytest.raises(MigrationError, match="already exists"):
        store.prepare()
    store.close()
