"""Steering in a PostgreSQL database, where it waits for turns of the execution's owner."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cloaca.errors import CommitUnknownError, DatabaseError
from cloaca.model.steering import Standing
from cloaca.store.postgres.connection import Connection, in_transaction, qualified
from cloaca.store.statements import load_statements
from cloaca.store.steering import Moved, Run, SteeringTable

T = TypeVar("T")

SQL = load_statements(os.path.join(os.path.dirname(__file__), "steering.sql"))
TRIES = 10


class PostgresSteering(SteeringTable):
    """The tables of one schema.

    Args:
        ask: Runs work on the readers' connection, again if that is lost.
    """

    def __init__(self, ask: Callable[[Callable[[Connection], Any]], Any], *, schema: str) -> None:
        self._ask = ask
        self._sql = {name: qualified(statement, schema, binds=True) for name, statement in SQL.items()}

    def _locked(self, run: Run, execution: str) -> Standing | None:
        """Lock the owner's row first, as a turn does: transactions that lock in the same order do not deadlock."""
        owner = run("lock_owner", (execution,))
        rows = run("read_standing", (execution,))
        if not rows:
            return None
        standing = Standing(*rows[0])
        if standing.owner != (owner[0][0] if owner else None):
            raise Moved
        return standing

    def _in_transaction(self, work: Callable[[Run], T], *, is_lazy: bool = False) -> T:
        is_sent = False

        def begun(db: Connection) -> T:
            nonlocal is_sent
            if is_lazy:
                db.execute("set local synchronous_commit = off")
            done = work(self._run_on(db))
            is_sent = True
            return done

        for _ in range(TRIES):
            try:
                done: T = self._ask(lambda db: in_transaction(db, begun))
            except Moved:
                continue
            except DatabaseError as error:
                if is_sent:
                    raise CommitUnknownError(
                        f"the database was lost during the commit, so the change may have happened or not: {error}; look at "
                        "the execution before you repeat it"
                    ) from error
                raise
            return done
        raise DatabaseError("the execution changed owners at every attempt to steer it: try again")

    def _run_on(self, db: Connection) -> Run:
        def run(name: str, parameters: Sequence[Any]) -> list[Any]:
            done = db.execute(self._sql[name], parameters, prepare=True)
            return done.fetchall() if done.description else []

        return run

    def _fetch(self, name: str, parameters: Sequence[Any]) -> list[Any]:
        rows: list[Any] = self._ask(lambda db: self._run_on(db)(name, parameters))
        return rows

    def _list(self, ids: Sequence[str]) -> list[str]:
        return list(ids)
