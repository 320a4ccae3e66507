"""The schedules of a PostgreSQL database; see ``ScheduleStore`` for what each method promises."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cloaca.store.postgres.arrays import columns
from cloaca.store.postgres.connection import Connection, in_transaction, qualified
from cloaca.store.rows import StartRow
from cloaca.store.schedule_table import ScheduleTable
from cloaca.store.schedules import Advance, Decide, Fired, FireRow, Firing, ScheduleRow, TriggerFire
from cloaca.store.statements import load_statements

T = TypeVar("T")

SQL = load_statements(os.path.join(os.path.dirname(__file__), "schedules.sql"))


class PostgresSchedules(ScheduleTable):
    """The tables of one schema.

    Args:
        ask: Runs work on the readers' connection, again if that is lost.
        start: The statement that starts executions.
        announce: Notifies other runners, on this connection, that there is work.
    """

    def __init__(
        self,
        ask: Callable[[Callable[[Connection], Any]], Any],
        *,
        schema: str,
        start: str,
        announce: Callable[[Connection], None],
    ) -> None:
        self._ask = ask
        self._sql = {name: qualified(statement, schema, binds=True) for name, statement in SQL.items()}
        self._start = start
        self._announce = announce

    def change(self, row: ScheduleRow) -> bool:
        changed = (row.expression, row.timezone, row.catch_up, row.most, row.next_run_at)
        return self._changed("change_schedule", (*changed, row.reckoned_at, row.reckoned_at, row.id))

    def enable(self, schedule: str, *, enabled: bool, next_run_at: float | None, now: float) -> bool:
        return self._changed("enable_schedule", (enabled, next_run_at, now, now, enabled, schedule))

    # -- firing by the clock -----------------------------------------------------------------------------------------

    def next_due(self, needs: Sequence[str], *, but: Sequence[str]) -> float | None:
        found: float | None = self._fetch("next_due", (list(needs), list(but)))[0][0]
        return found

    def fire_due(
        self, now: float, needs: Sequence[str], *, but: Sequence[str], limit: int, decide: Decide
    ) -> Fired:
        def fire(db: Connection) -> Fired:
            rows = self._taken(db, "take_due", (now, list(needs), list(but), limit))
            firing = decide(rows)
            self._advance(db, firing.advances)
            return Fired(len(rows), self._fire(db, firing))

        fired: Fired = self._in_transaction(fire)
        self._tell_of(fired.executions)
        return fired

    def reckon_ahead(self, until: float, *, but: Sequence[str], limit: int, decide: Decide) -> int:
        def reckon(db: Connection) -> int:
            rows = self._taken(db, "take_ahead", (until, list(but), limit))
            self._advance(db, decide(rows).advances)
            return len(rows)

        return self._in_transaction(reckon)

    def _advance(self, db: Connection, advances: Sequence[Advance]) -> None:
        if advances:
            self._execute(db, "advance_schedule", [*columns(advances), len(advances)])

    def _fire(self, db: Connection, firing: Firing) -> int:
        return self._start_new(db, firing.fires, firing.starts) if firing.fires else 0

    def _start_new(self, db: Connection, fires: Sequence[FireRow], starts: Sequence[StartRow]) -> int:
        """Start the executions of scheduled times that have not fired before; returns their number."""
        new = {row[0] for row in self._execute(db, "add_fire", columns(fires)).fetchall()}
        started = [start for start in starts if start.id in new]
        if started:
            db.execute(self._start, columns(started), prepare=True)
        return len(started)

    def _tell_of(self, executions: int) -> None:
        """Outside the transaction that started them, because notifications in transactions serialise all commits."""
        if executions:
            self._ask(self._announce)

    # -- polling -----------------------------------------------------------------------------------------------------

    def claim_triggers(self, runner: str, needs: Sequence[str]) -> list[ScheduleRow]:
        def claim(db: Connection) -> list[ScheduleRow]:
            self._execute(db, "claim_triggers", (runner, list(needs)))
            return self._taken(db, "owned_triggers", (runner,))

        return self._in_transaction(claim)

    def note_poll(self, row: ScheduleRow, *, now: float, next_at: float, fire: TriggerFire | None) -> str:
        def note(db: Connection) -> str:
            if self._execute(db, "note_poll", (now, next_at, now, row.id, row.owner)).rowcount != 1:
                return "lost"
            if fire is None:
                return "polled"
            like = (row.id, fire.fire.context_hash)
            if fire.is_alone and self._execute(db, "active_like", like).fetchone():
                return "active"
            self._start_new(db, [fire.fire], [fire.start])
            self._execute(db, "note_fire", (now, row.id))
            return "fired"

        noted = self._in_transaction(note)
        self._tell_of(noted == "fired")
        return noted

    # -- statements --------------------------------------------------------------------------------------------------

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        done: T = self._ask(lambda db: in_transaction(db, work))
        return done

    def _execute(self, db: Connection, name: str, parameters: Sequence[Any] = ()) -> Any:
        return db.execute(self._sql[name], parameters, prepare=True)

    def _changed(self, name: str, parameters: Sequence[Any]) -> bool:
        return bool(self._ask(lambda db: self._execute(db, name, parameters).rowcount > 0))

    def _fetch(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        rows: list[Any] = self._ask(lambda db: self._execute(db, name, parameters).fetchall())
        return rows

    def _taken(self, db: Connection, name: str, parameters: Sequence[Any]) -> list[ScheduleRow]:
        return list(map(self._schedule, self._execute(db, name, parameters).fetchall()))
