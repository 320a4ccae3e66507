"""Processes that bring a database's tables up to date: ``python -m tests.store.migrating together|killed PLACE``.

A process of its own, for it forks: PLACE is a folder for SQLite files or the URL of a PostgreSQL database.
"""

# ruff: noqa: T201 - what is found is printed

import json
import os
import sqlite3
import sys
from contextlib import closing

import psycopg

from cloaca.runner.stores import store_of
from tests.crash.kills import Fuse, at_statements

TOGETHER = 10
MOST_STATEMENTS = 60


def prepare(place, name):
    """Bring the tables of one name up to date, as a runner does that starts."""
    if place.startswith("postgresql"):
        store = store_of(place, schema=name)
    else:
        store = store_of(f"sqlite:///{place}/{name}.db")
    store.prepare()
    store.close()


def tables(place, name):
    """What is there under a name: tables and versions that were applied."""
    if place.startswith("postgresql"):
        with psycopg.connect(place) as db:
            there = db.execute("select tablename from pg_tables where schemaname = %s", (name,)).fetchall()
            schemas = db.execute("select nspname from pg_namespace where nspname = %s", (name,)).fetchall()
            versions = db.execute(f"select version from {name}.migrations").fetchall() if there else []
        return sorted(table for (table,) in there + (schemas if not there else [])), versions
    with closing(sqlite3.connect(f"{place}/{name}.db")) as db:
        there = db.execute("select name from sqlite_master where type = 'table'").fetchall()
        versions = db.execute("select version from cloaca_migrations").fetchall() if there else []
    return sorted(table.removeprefix("cloaca_") for (table,) in there), versions


def forked(work):
    """Do something in another process; its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def exit_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def together(place):
    """Several at once on nothing."""
    waiting, starting = os.pipe()

    def wait_and_prepare():
        os.close(starting)
        os.read(waiting, 1)
        prepare(place, "together")

    children = [forked(wait_and_prepare) for _ in range(TOGETHER)]
    os.close(starting)
    return {"exits": [exit_of(child) for child in children], "tables": tables(place, "together")}


def killed(place):
    """One that is killed at its first, second, third ... statement, and one that follows it."""
    points = []
    for number in range(1, MOST_STATEMENTS):
        name = f"killed{number}"
        code = exit_of(forked(lambda name=name, number=number: prepare_and_die(place, name, number)))
        found, versions = tables(place, name)
        followed = exit_of(forked(lambda name=name: prepare(place, name)))
        points.append([code, found, versions, followed, *tables(place, name)])
        if code == 0:
            break
    return points


def prepare_and_die(place, name, number):
    fuse = Fuse(number, after=False)
    at_statements(fuse)
    psycopg.Connection.execute = fuse.around(psycopg.Connection.execute)
    prepare(place, name)


if __name__ == "__main__":
    works = {"together": together, "killed": killed}
    print(json.dumps(works[sys.argv[1]](sys.argv[2])))
