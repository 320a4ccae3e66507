"""Diagnosing a PostgreSQL database: its server, its tables, and transactions that block others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from cloaca.errors import DatabaseError
from cloaca.store.inspection import Damage, Holder, StartedRow, SuspectedRow, WaitingRow
from cloaca.store.postgres.connection import (
    MIGRATIONS,
    Connection,
    connect,
    explained,
    qualified,
    tables_version,
)
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.statements import load_statements

SQL = load_statements(os.path.join(os.path.dirname(__file__), "inspection.sql"))


class PostgresInspection:
    """The tables of one schema; see ``Inspection``."""

    known_version = MIGRATIONS[-1][0]

    def __init__(self, url: PostgresUrl) -> None:
        self._url = url
        self._db: Connection | None = None

    def server(self) -> str:
        return f"PostgreSQL {self._rows('read_server')[0][0]}"

    def tables_version(self) -> int:
        with self._explained():
            return tables_version(self._opened(), self._url.schema)

    def clock(self) -> float | None:
        return float(self._rows("read_server")[0][1])

    def holders(self, *, patience: float) -> list[Holder]:
        return [_holder(row) for row in self._rows("list_holders", (patience, self._url.schema))]

    def damages(self, *, thorough: bool) -> list[Damage]:  # noqa: ARG002 - the server looks after its files itself
        return []

    def owned(self) -> dict[str, int]:
        return dict(self._rows("count_owned"))

    def waiting(self) -> list[WaitingRow]:
        return [WaitingRow(*row) for row in self._rows("count_waiting")]

    def suspected(self, *, limit: int) -> list[SuspectedRow]:
        return [SuspectedRow(*row) for row in self._rows("list_suspected", (limit,))]

    def newest(self, *, limit: int) -> list[StartedRow]:
        return [StartedRow(*row) for row in self._rows("list_newest", (limit,))]

    def _rows(self, name: str, parameters: Sequence[Any] | None = None) -> list[Any]:
        statement = qualified(SQL[name], self._url.schema, binds=parameters is not None)
        with self._explained():
            return self._opened().execute(statement, parameters).fetchall()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise DatabaseError(explained(error, self._url)) from error

    def _opened(self) -> Connection:
        self._db = self._db or connect(self._url)
        return self._db

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _holder(row: Sequence[Any]) -> Holder:
    pid, user, application, address, state, seconds, blocked = row
    who = f"session {pid} of role {user!r}" + (f", {application}" if application else "")
    who += f", from {address}" if address else ""
    what = f"rows of cloaca in a transaction that is {state}"
    if blocked:
        what += f", blocking {blocked} others"
    return Holder(who, what, seconds, f"end that transaction, or: select pg_terminate_backend({pid})")
