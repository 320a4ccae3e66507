"""Following what people do to executions that are held here, from this process or another.

Whoever steers an execution moves its fence, in a transaction that cannot overlap a turn of this runner. A turn that does not
know of it yet can therefore commit nothing for that execution. It reads the execution's current state instead, and if this
runner still owns it, commits the results of its bodies under the new fence. No finished work is lost, and nothing new
becomes ready before that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from cloaca.engine.core import Core
from cloaca.engine.events import Steered
from cloaca.engine.ownership import Ownership
from cloaca.engine.suspects import Suspects
from cloaca.engine.turn import Turn
from cloaca.errors import DatabaseError
from cloaca.executors.job import Job, execution_cancelled, lease_lost
from cloaca.model.execution import READY, ExecutionState
from cloaca.model.states import Status
from cloaca.model.steering import Standing
from cloaca.store.signals import StoreUnavailable

logger = logging.getLogger("cloaca.engine")


class Steering:
    """How one engine follows steering; only the thread that runs a turn may use it."""

    def __init__(self, core: Core, ownership: Ownership, suspects: Suspects) -> None:
        self._core = core
        self._ownership = ownership
        self._suspects = suspects
        self._touched: set[str] = set()
        """Paused executions to check again, because something has happened since it was last seen what still runs."""
        self._unseen: set[str] = set()
        """Executions that may have been steered, but could not be read."""

    # -- noticing ----------------------------------------------------------------------------------------------------

    def patrol(self) -> None:
        """Look for steering that was not announced.

        Raises:
            DatabaseError: The database cannot be read now.
        """
        if not self._core.live:
            return
        steering = self._core.store.steering
        if steered := steering.steered(self._core.runner):
            steering.forget_steered(self._core.runner, steered)
        unseen, self._unseen = self._unseen, set()
        if steered or unseen:
            self._core.inbox.put(Steered([*steered, *unseen]))

    def heard(self, executions: Iterable[str], turn: Turn) -> None:
        """Check these executions: somebody has steered them, or they are about to continue after a wait."""
        held = [execution for execution in dict.fromkeys(executions) if execution in self._core.live]
        if not held:
            return
        try:
            standings = self._core.store.steering.standings(held)
        except DatabaseError as error:
            self._core.log.warning("steered executions could not be read, retrying in a moment: %s", error)
            self._unseen.update(held)
            return
        for execution in held:
            self._follow(execution, standings.get(execution), turn)

    def refenced(self, execution: str, turn: Turn) -> bool:
        """Whether the refused rows of an execution may be committed again, or have been removed from the turn.

        Raises:
            StoreUnavailable: It cannot be determined now; the rows, which hold the results of bodies, are kept.
        """
        state = self._core.live.get(execution)
        try:
            standing = self._core.store.steering.standings([execution]).get(execution)
        except DatabaseError as error:
            raise StoreUnavailable(error) from error
        if state is None or (standing is not None and standing.fence <= state.fence):
            return False
        self._follow(execution, standing, turn)
        return True

    # -- following ---------------------------------------------------------------------------------------------------

    def _follow(self, execution: str, standing: Standing | None, turn: Turn) -> None:
        state = self._core.live[execution]
        if standing is None or standing.owner != self._core.runner:
            self._lose(state, standing, turn)
        elif standing.fence > state.fence:
            state.fence = standing.fence
            turn.batch.refence(execution, standing.fence)
            if standing.status == Status.PAUSED:
                self._pause(state, turn)
            else:
                self._resume(state, standing, turn)

    def _lose(self, state: ExecutionState, standing: Standing | None, turn: Turn) -> None:
        """It was cancelled, deleted, retried or taken over."""
        is_taken_over = (
            standing is not None and standing.finished_at is None and standing.round == state.round
        )
        turn.drop({state.id})
        del self._core.live[state.id]
        if self._core.observer is not None:
            status = None if is_taken_over or standing is None else str(standing.status)
            self._core.observer.left(state.id, state.graph.name, status)
        self._core.paused.pop(state.id, None)
        self._core.executors.drop(state.id, lease_lost if is_taken_over else execution_cancelled)
        self._core.completions.ended_elsewhere([state.id])

    def _pause(self, state: ExecutionState, turn: Turn) -> None:
        waiting = [*self._core.executors.take_back(state.id), *self._suspects.take_back(state.id, turn)]
        self._core.paused.setdefault(state.id, set()).update(job.node for job in waiting)
        self._touched.add(state.id)

    def _resume(self, state: ExecutionState, standing: Standing, turn: Turn) -> None:
        if standing.timed_from is not None:
            self._core.limit(state, standing.timed_from)
        nodes = self._core.paused.pop(state.id, set())
        self._core.hand_out(state, [node for node in sorted(nodes) if state.status[node] is READY], turn)

    # -- holding back ------------------------------------------------------------------------------------------------

    def withhold(self, turn: Turn) -> None:
        """Remove the ready jobs of paused executions from a turn."""
        if self._core.paused:
            turn.ready = self._not_paused(turn.ready)
            turn.suspects = self._not_paused(turn.suspects)

    def _not_paused(self, jobs: Iterable[Job]) -> list[Job]:
        going_on = []
        for job in jobs:
            held = self._core.paused.get(job.execution_id)
            if held is None:
                going_on.append(job)
            else:
                held.add(job.node)
        return going_on

    def called_back(self, execution: str) -> None:
        """A callback of an execution has returned."""
        self._touched.add(execution)

    def let_go(self, turn: Turn) -> None:
        """Release paused executions of which nothing runs any more, so that they use no memory."""
        if not self._core.paused:
            self._touched.clear()
            return
        touched, self._touched = self._touched.union(turn.batch.executions), set()
        for execution in touched & self._core.paused.keys():
            if self._is_still(self._core.live[execution]):
                self._ownership.give_back(execution)

    def _is_still(self, state: ExecutionState) -> bool:
        held = self._core.paused[state.id]
        runs = any(status is READY and node not in held for node, status in enumerate(state.status))
        return not runs and not self._core.callbacks.awaits(state.id)
