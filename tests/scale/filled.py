"""Databases that are filled once and copied for each run."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg

from cloaca.store.postgres import connection as postgres_driver
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.sqlite import connection as sqlite_driver
from cloaca.store.url import SqliteUrl, parse_database_url
from tests import postgres
from tests.scale.contents import Contents, statements


@contextmanager
def databases(kind: str, folder: Path, made: Contents) -> Iterator[Copies]:
    """Copies of what is filled in a folder, which keeps what was filled."""
    with ExitStack() as stack:
        yield _SqliteCopies(folder, made, stack) if kind == "sqlite" else _PostgresCopies(folder, made, stack)


class _SqliteCopies:
    def __init__(self, folder: Path, made: Contents, stack: ExitStack) -> None:
        self._folder = folder
        self._made = made
        self._stack = stack

    def of(self, size: int) -> str:
        """The URL of a copy of a database of so many executions."""
        filled = self._folder / f"filled-{size}.db"
        if not filled.exists():
            self._fill(filled.with_suffix(".unfinished"), size).rename(filled)
        copy = self._folder / f"copy-{size}.db"
        shutil.copyfile(filled, copy)
        self._stack.callback(_remove, copy)
        return f"sqlite:///{copy}"

    def _fill(self, path: Path, size: int) -> Path:
        began = time.perf_counter()
        path.unlink(missing_ok=True)
        url = SqliteUrl(str(path), synchronous="normal")
        with closing(sqlite_driver.connect(url)) as db:
            sqlite_driver.migrate(db, url)
            db.execute("pragma journal_mode = off")
            db.execute("pragma synchronous = off")
            db.execute("pragma cache_size = -500000")
            db.execute("begin")
            db.executemany(
                "insert into cloaca_structures (structure, workflow, graph) values (?, ?, ?)", self._made.structures
            )  # fmt: skip
            for statement in statements("sqlite", size, self._made):
                db.execute(statement)
            db.execute("commit")
            db.execute("pragma journal_mode = wal")
        sys.stdout.write(f"filled {path.name} in {time.perf_counter() - began:.0f} s\n")
        return path


class _PostgresCopies:
    def __init__(self, folder: Path, made: Contents, stack: ExitStack) -> None:
        self._made = made
        self._stack = stack
        server = postgres.Server(folder / "postgres")
        server.start()
        stack.callback(server.control, "stop", "-m", "fast")
        self._server = server.url

    def of(self, size: int) -> str:
        """The URL of a copy of a database of so many executions."""
        name = f"filled_{size}"
        postgres.make_template(self._server, name, lambda url: self._fill(url, size))
        url = postgres.in_database(self._server, f"copy_{size}")
        postgres.drop_database(url)
        self._stack.callback(postgres.drop_database, url)
        with closing(psycopg.connect(self._server, autocommit=True)) as db:
            # Not by way of the log, which would still be at it while others are measured.
            db.execute(f"create database copy_{size} template {name} strategy file_copy".encode())
            db.execute("checkpoint")
        return url

    def _fill(self, text: str, size: int) -> None:
        began = time.perf_counter()
        url = parse_database_url(text)
        assert isinstance(url, PostgresUrl)
        with closing(postgres_driver.connect(url)) as db:
            postgres_driver.migrate(db, url)
        with closing(psycopg.connect(text, autocommit=True)) as db:
            db.execute("set maintenance_work_mem = '500MB'")
            db.execute("set work_mem = '200MB'")
            with db.cursor() as cursor:
                cursor.executemany(
                    "insert into cloaca.structures (structure, workflow, graph) values (%s, %s, %s)", self._made.structures
                )  # fmt: skip
            for statement in statements("postgres", size, self._made):
                db.execute(statement.encode())
            # As its own vacuum does within minutes.
            db.execute("vacuum analyze")
            db.execute("checkpoint")
        sys.stdout.write(f"filled {size:,} on PostgreSQL in {time.perf_counter() - began:.0f} s\n")


Copies = _SqliteCopies | _PostgresCopies


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    shutil.rmtree(f"{path}-locks", ignore_errors=True)
