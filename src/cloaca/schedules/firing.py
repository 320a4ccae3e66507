"""Firing cron schedules: each scheduled time starts one execution, whichever of many runners comes first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cloaca.errors import ScheduleError
from cloaca.model.catchup import CatchUp, Due, due, first_from
from cloaca.model.cron import Cron
from cloaca.schedules.starts import MakeId, clock_fire
from cloaca.store.schedules import Advance, Firing, ScheduleRow, ScheduleStore

if TYPE_CHECKING:
    from cloaca.telemetry.observer import Observer

logger = logging.getLogger("cloaca.schedules")

TAKEN_AT_ONCE = 100
STARTED_AT_ONCE = 1000
"""The limits of one transaction, because other writers wait for it."""

AGAIN_SECONDS = 0.05
"""How soon to look again at schedules that another runner is firing."""

AHEAD_SECONDS = 60.0
"""How far the clocks of machines that share a database may differ before it looks as if one was set back."""


class ClockFiring:
    """Fires what is due.

    Args:
        needs: What is registered in this process, see ``ScheduleRow.needs``.
        most: How many missed times are fired at once, for schedules without a limit of their own.
    """

    def __init__(
        self,
        schedules: ScheduleStore,
        *,
        needs: Callable[[], Sequence[str]],
        make_id: MakeId,
        most: int,
        observer: Observer | None = None,
    ) -> None:
        self._schedules = schedules
        self._needs = needs
        self._make_id = make_id
        self._most = most
        self._observer = observer
        self._put_aside: set[str] = set()
        """Schedules that cannot be handled here: created by a newer release, or in a time zone that is not installed."""

    def tick(self, now: float) -> tuple[float | None, int]:
        """Fire everything that is due; returns when the next one is due, and how many executions were started."""
        if self._schedules.any_ahead(now + AHEAD_SECONDS):
            self._reckon_again(now)
        started, needs = 0, self._needs()
        while (next_due := self._schedules.next_due(needs, but=self._aside)) is not None and next_due <= now:
            fired = self._schedules.fire_due(
                now, needs, but=self._aside, limit=TAKEN_AT_ONCE, decide=lambda rows: self._firing(rows, now)
            )
            started += fired.executions
            if self._observer is not None and fired.executions:
                self._observer.fired(fired.executions, max(0.0, now - next_due))
            if not fired.schedules:
                # Another runner is firing them right now.
                return now + AGAIN_SECONDS, started
        return next_due, started

    def look_again(self) -> None:
        """Retry schedules that could not be handled: somebody may have fixed them."""
        self._put_aside.clear()

    @property
    def _aside(self) -> list[str]:
        return sorted(self._put_aside)

    def _firing(self, rows: Sequence[ScheduleRow], now: float) -> Firing:
        firing = Firing([], [], [])
        for row in rows:
            if len(firing.starts) >= STARTED_AT_ONCE:
                break  # it is still due, and taken next
            found = self._due(row, now)
            if found is None:
                continue
            fires = [clock_fire(row, instant, now=now, make_id=self._make_id) for instant in found.instants]
            firing.fires.extend(fire for fire, _ in fires)
            firing.starts.extend(start for _, start in fires)
            last = found.instants[-1] if found.instants else None
            firing.advances.append(Advance(found.next, now, last, row.id))
        return firing

    def _due(self, row: ScheduleRow, now: float) -> Due | None:
        most = self._most if row.most is None else row.most
        cron, since = self._cron(row), row.next_run_at
        if cron is None or since is None:
            return None
        found = due(cron, since=since, now=now, policy=CatchUp(row.catch_up), most=most)
        if found.is_cut:
            logger.warning(
                "schedule %s of workflow %r has missed more than %d instants: the latest %d are fired",
                row.id, row.workflow, most, most,
            )  # fmt: skip
        return found

    def _cron(self, row: ScheduleRow) -> Cron | None:
        try:
            CatchUp(row.catch_up)
            return Cron(row.expression or "", row.timezone or "")
        except (ScheduleError, ValueError) as error:
            self._put_aside.add(row.id)
            logger.error("schedule %s of workflow %r is not fired here: %s", row.id, row.workflow, error)  # noqa: TRY400
            return None

    def _reckon_again(self, now: float) -> None:
        """The clock was set back: times computed from the later clock would be too late."""
        logger.warning("schedules were last computed at a time in the future: computing them again")

        def decide(rows: Sequence[ScheduleRow]) -> Firing:
            crons = [(row, cron) for row in rows if (cron := self._cron(row)) is not None]
            return Firing([Advance(first_from(cron, now), now, None, row.id) for row, cron in crons], [], [])

        while self._schedules.reckon_ahead(
            now + AHEAD_SECONDS, but=self._aside, limit=TAKEN_AT_ONCE, decide=decide
        ):
            pass
