"""Steering in a SQLite database, where a transaction has the database to itself."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from cloaca.model.steering import Standing
from cloaca.store.statements import load_statements
from cloaca.store.steering import Run, SteeringTable

T = TypeVar("T")

SQL = load_statements(os.path.join(os.path.dirname(__file__), "steering.sql"))


class SqliteSteering(SteeringTable):
    """The tables of one database.

    Args:
        transaction: A transaction outside the runner's turns, which may be lazy.
        fetch: Reads the rows of a statement.
    """

    def __init__(
        self,
        transaction: Callable[[bool], AbstractContextManager[sqlite3.Connection]],
        fetch: Callable[[str, Sequence[Any]], list[Any]],
    ) -> None:
        self._transaction = transaction
        self._read = fetch

    def _locked(self, run: Run, execution: str) -> Standing | None:
        rows = run("read_standing", (execution,))
        return Standing(*rows[0]) if rows else None

    def _in_transaction(self, work: Callable[[Run], T], *, is_lazy: bool = False) -> T:
        with self._transaction(is_lazy) as db:
            return work(lambda name, parameters: db.execute(SQL[name], parameters).fetchall())

    def _fetch(self, name: str, parameters: Sequence[Any]) -> list[Any]:
        return self._read(SQL[name], parameters)

    def _list(self, ids: Sequence[str]) -> str:
        return json.dumps(list(ids))
