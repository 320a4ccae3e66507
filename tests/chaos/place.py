"""Where a scenario happens: its database with the audit in it, and a folder with what is written outside of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg

import cloaca
from tests import postgres
from tests.crash import postgres_audit, sqlite_audit
from tests.crash.audits import read_tables
from tests.crash.journal import Event, Journal
from tests.crash.servers import OwnServer
from tests.crash.tables import Tables

SQLITE, POSTGRES = "sqlite", "postgres"
LOOK_AGAIN_SECONDS = 0.05


class Place:
    """A folder and a database.

    Args:
        server: Of the PostgreSQL database; without one it is a SQLite file in the folder.
    """

    def __init__(self, name: str, server: OwnServer | None) -> None:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix=f"cloaca-{name}-", dir=memory)
        self.kind = POSTGRES if server else SQLITE
        self.server = server
        path = os.path.join(self.folder, "chaos.db")
        self.url = postgres.new_database(server.url) if server else f"sqlite:///{path}"
        self._audit(path)

    def _audit(self, path: str) -> None:
        with cloaca.Client(self.url) as client:
            client.list_executions(limit=1)
        if self.server:
            with psycopg.connect(self.url, autocommit=True) as db:
                postgres_audit.install_audit(db)
        else:
            with closing(sqlite3.connect(path, isolation_level=None)) as file:
                sqlite_audit.install_audit(file)

    @property
    def journal(self) -> Journal:
        """What bodies and those who start executions write down."""
        return Journal(os.path.join(self.folder, "journal"))

    def log(self, name: str) -> str:
        """The path of a log."""
        return os.path.join(self.folder, f"{name}.log")

    def events(self) -> list[Event]:
        """All that was written down so far."""
        return self.journal.read()

    def tables(self) -> Tables:
        """All that the database tells."""
        return read_tables(self.url)

    def ask(self, question: str) -> list[Any]:
        """Rows of the database, in SQLite's dialect for both; none while it does not answer."""
        try:
            if self.kind == SQLITE:
                with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=1)) as file:
                    return file.execute(question).fetchall()
            with psycopg.connect(self.url, autocommit=True) as db:
                return db.execute(question.replace("cloaca_", "cloaca.")).fetchall()
        except (sqlite3.OperationalError, psycopg.OperationalError):
            return []

    def runner_of(self, pid: int) -> str:
        """The runner of a process, if it is known."""
        found = self.ask(f"select id from cloaca_runners where pid = {pid} order by joined_at desc")
        return str(found[0][0]) if found else ""

    def open_executions(self) -> int | None:
        """How many have not finished; ``None`` while the database does not answer."""
        found = self.ask("select count(*) from cloaca_executions where finished_at is null")
        return int(found[0][0]) if found else None

    def discard(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


def until(is_so: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: It never was.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {seconds:g} s: {what}")
        time.sleep(LOOK_AGAIN_SECONDS)
