"""The schedules of a SQLite database; see ``ScheduleStore`` for what each method promises."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from cloaca.store.rows import StartRow
from cloaca.store.schedule_table import ScheduleTable
from cloaca.store.schedules import Decide, Fired, FireRow, Firing, ScheduleRow, TriggerFire
from cloaca.store.statements import load_statements

SQL = load_statements(os.path.join(os.path.dirname(__file__), "schedules.sql"))


class SqliteSchedules(ScheduleTable):
    """The tables of one database.

    Args:
        transaction: A transaction outside the runner's turns.
        fetch: Reads the rows of a statement.
        start: The statement that starts an execution.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        fetch: Callable[[str, Sequence[Any]], list[Any]],
        start: str,
    ) -> None:
        self._transaction = transaction
        self._read = fetch
        self._start = start

    def change(self, row: ScheduleRow) -> bool:
        changed = (row.expression, row.timezone, row.catch_up, row.most, row.next_run_at, row.reckoned_at)
        return self._changed("change_schedule", (*changed, row.id))

    def enable(self, schedule: str, *, enabled: bool, next_run_at: float | None, now: float) -> bool:
        return self._changed("enable_schedule", (enabled, next_run_at, now, schedule))

    # -- firing by the clock -----------------------------------------------------------------------------------------

    def next_due(self, needs: Sequence[str], *, but: Sequence[str]) -> float | None:
        found: float | None = self._fetch("next_due", (json.dumps(needs), json.dumps(but)))[0][0]
        return found

    def fire_due(
        self, now: float, needs: Sequence[str], *, but: Sequence[str], limit: int, decide: Decide
    ) -> Fired:
        with self._transaction() as db:
            rows = self._taken(db, "take_due", (now, json.dumps(needs), json.dumps(but), limit))
            firing = decide(rows)
            db.executemany(SQL["advance_schedule"], firing.advances)
            return Fired(len(rows), self._fire(db, firing))

    def reckon_ahead(self, until: float, *, but: Sequence[str], limit: int, decide: Decide) -> int:
        with self._transaction() as db:
            rows = self._taken(db, "take_ahead", (until, json.dumps(but), limit))
            db.executemany(SQL["advance_schedule"], decide(rows).advances)
        return len(rows)

    def _fire(self, db: sqlite3.Connection, firing: Firing) -> int:
        pairs = zip(firing.fires, firing.starts, strict=True)
        return sum(self._start_if_new(db, fire, start) for fire, start in pairs)

    def _start_if_new(self, db: sqlite3.Connection, fire: FireRow, start: StartRow) -> bool:
        """Fire a scheduled time and start its execution; false if it has fired before."""
        is_new = db.execute(SQL["add_fire"], fire).rowcount == 1
        if is_new:
            db.execute(self._start, start)
        return is_new

    # -- polling -----------------------------------------------------------------------------------------------------

    def claim_triggers(self, runner: str, needs: Sequence[str]) -> list[ScheduleRow]:
        with self._transaction() as db:
            db.execute(SQL["claim_triggers"], (runner, json.dumps(needs)))
            return self._taken(db, "owned_triggers", (runner,))

    def note_poll(self, row: ScheduleRow, *, now: float, next_at: float, fire: TriggerFire | None) -> str:
        with self._transaction() as db:
            if db.execute(SQL["note_poll"], (now, next_at, row.id, row.owner)).rowcount != 1:
                return "lost"
            if fire is None:
                return "polled"
            like = (row.id, fire.fire.context_hash)
            if fire.is_alone and db.execute(SQL["active_like"], like).fetchone():
                return "active"
            self._start_if_new(db, fire.fire, fire.start)
            db.execute(SQL["note_fire"], (now, row.id))
            return "fired"

    # -- statements --------------------------------------------------------------------------------------------------

    def _changed(self, name: str, parameters: Sequence[Any]) -> bool:
        with self._transaction() as db:
            return db.execute(SQL[name], parameters).rowcount > 0

    def _fetch(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._read(SQL[name], parameters)

    def _taken(self, db: sqlite3.Connection, name: str, parameters: Sequence[Any]) -> list[ScheduleRow]:
        return list(map(self._schedule, db.execute(SQL[name], parameters).fetchall()))

    @staticmethod
    def _schedule(row: Sequence[Any]) -> ScheduleRow:
        found = ScheduleRow(*row)
        return found._replace(enabled=bool(found.enabled), allow_concurrent=bool(found.allow_concurrent))
