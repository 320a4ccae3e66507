"""Executions that wait here for a slot although another runner could run them."""

from __future__ import annotations

from cloaca.engine.core import Core
from cloaca.engine.events import AfterTurn
from cloaca.engine.ownership import Ownership
from cloaca.executors.job import Job
from cloaca.model.execution import READY

GIVEN_AT_ONCE = 500


class Surplus:
    """Gives back what a runner took while it was alone, as soon as another runner joins.

    What it starts or claims from then on is only as much as its slots will soon run.
    """

    def __init__(self, core: Core, ownership: Ownership) -> None:
        self._core = core
        self._ownership = ownership
        self._was_crowded = False
        self._to_give = 0
        """How many at most: what is claimed from then on is not given back again."""

    def patrol(self) -> None:
        """Find out whether another runner has joined."""
        if self._core.crowded and not self._was_crowded:
            self._to_give = len(self._core.live)
            self._core.inbox.put(AfterTurn(self._give_back_some))
        self._was_crowded = self._core.crowded

    def _give_back_some(self) -> None:
        """Give back executions of which nothing runs, last in the queue first."""
        if not self._core.crowded:
            return
        keep = self._core.settings.held_per_slot
        surplus = self._core.executors.take_surplus(keep, limit=min(self._to_give, GIVEN_AT_ONCE))
        given = [execution for execution, jobs in surplus.items() if self._give_back(execution, jobs)]
        self._to_give -= len(given)
        if given and self._to_give:
            self._core.inbox.put(AfterTurn(self._give_back_some))

    def _give_back(self, execution: str, jobs: list[Job]) -> bool:
        state = self._core.live.get(execution)
        if state is None:
            return False
        only_waits = state.status.count(READY) == len(jobs) and not self._core.callbacks.awaits(execution)
        if only_waits:
            self._ownership.give_back(execution)
        else:
            self._core.executors.submit(jobs)
        return only_waits
