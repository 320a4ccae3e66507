"""The readers' connection: for every query, and every write that is not part of a turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import psycopg

from cloaca.errors import DatabaseError
from cloaca.model.states import Status
from cloaca.store.postgres import connection as driver
from cloaca.store.postgres.connection import Connection, explained, is_broken
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.queries import Queries

T = TypeVar("T")


class PostgresReader(Queries):
    """A connection that threads share. It is opened when it is first used, and again after it was lost."""

    _statuses: ClassVar[Any] = list(map(str, Status))

    def __init__(self, url: PostgresUrl, statements: Mapping[str, str]) -> None:
        self.url = url
        self._sql = statements
        self._reader: Connection | None = None
        self._reading = threading.Lock()
        self._closed = False

    def _read(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        def fetch(db: Connection) -> list[Any]:
            try:
                rows: list[Any] = self._execute(db, name, parameters).fetchall()
            except (psycopg.DataError, UnicodeEncodeError):
                return []  # no row holds what the database cannot store
            return rows

        return self._ask(fetch)

    def _execute(self, db: Connection, name: str, parameters: Sequence[Any]) -> Any:
        return db.execute(self._sql[name], parameters, prepare=True)

    def _ask(self, work: Callable[[Connection], T]) -> T:
        """Work on the connection, a second time if it turns out to be lost: it may have been idle for long."""
        with self._reading:
            for may_retry in (True, False):
                db = self._open_reader()
                try:
                    return work(db)
                except (psycopg.Error, UnicodeEncodeError) as error:
                    broken = is_broken(error, db)
                    if broken:
                        self._close_reader()
                    if not (broken and may_retry):
                        raise DatabaseError(explained(error, self.url)) from error
                finally:
                    if self._closed:
                        self._close_reader()
        raise AssertionError("unreachable")

    def _open_reader(self) -> Connection:
        self._reader = self._reader or driver.connect(self.url)
        return self._reader

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
