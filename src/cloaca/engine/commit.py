"""Committing a turn, whatever the database answers.

Whichever way ``commit`` returns, the turn then holds exactly what was committed, so acting on it is always safe.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable

from cloaca.engine.core import Core
from cloaca.engine.events import StartRequest, Stop
from cloaca.engine.ownership import Ownership
from cloaca.engine.rollback import roll_back
from cloaca.engine.steering import Steering
from cloaca.engine.suspects import Suspects
from cloaca.engine.turn import Turn
from cloaca.errors import CommitUnknownError, DatabaseError, RunnerError
from cloaca.model.events import Failure
from cloaca.model.states import TaskStatus
from cloaca.store.rows import Batch, Existing
from cloaca.store.signals import CommitUnknown, Fenced, RowRefused, RunnerLost, StoreUnavailable

logger = logging.getLogger("cloaca.engine")

PAUSES = (0.01, 0.05, 0.2, 1.0)

PATIENCE_SECONDS = 30
"""How long a start waits while the database does not say what became of it."""


class Committer:
    """Commits the turns of one engine."""

    def __init__(
        self,
        core: Core,
        ownership: Ownership,
        suspects: Suspects,
        steering: Steering,
        pause: Callable[[float], None],
    ) -> None:
        self._core = core
        self._steering = steering
        self._ownership = ownership
        self._suspects = suspects
        self._pause = pause
        self._doubted = False
        """Whether the reply to a commit of this turn was lost: its starts may be committed, so they are not refused."""
        self._patient_until = 0.0
        self.losers: dict[str, Existing] = {}
        """Of the last turn: starts whose idempotency key already belonged to an earlier execution."""

    def commit(self, turn: Turn) -> None:
        """Commit the rows of a turn, and remove from it what could not be committed."""
        self.losers, self._doubted = {}, False
        self._patient_until = self._core.clock.monotonic() + PATIENCE_SECONDS
        try:
            self._commit_whole(turn)
        except RunnerLost:
            self.start_over(turn)
        except CommitUnknown:
            self._leave_unknown(turn)
        for loser, existing in self.losers.items():
            self._core.live.pop(loser, None)
            if existing.id == loser:
                # It was steered before its commit was confirmed. If this runner owns it, it is claimed again.
                self._ownership.give_back(loser)
            turn.ready = [job for job in turn.ready if job.execution_id != loser]

    def _commit_whole(self, turn: Turn) -> None:
        tries, done = 0, False
        while turn.batch and not done:
            try:
                done = self._commit_or_lose(turn, turn.batch)
            except RowRefused:
                self._commit_in_parts(turn)
                done = True
            except StoreUnavailable as unavailable:
                tries += 1
                self._try_later(turn, unavailable.error, tries)

    def _commit_or_lose(self, turn: Turn, batch: Batch) -> bool:
        """Try to commit a batch; false if nothing was written because part of it was based on outdated state."""
        try:
            self.losers |= self._once(turn, batch)
        except Fenced as fenced:
            self._lose(turn, fenced.executions)
            return False
        return True

    def _once(self, turn: Turn, batch: Batch) -> dict[str, Existing]:
        """Commit a batch once. If the reply is lost, find out what happened before doing anything else."""
        try:
            return self._core.store.commit(batch)
        except CommitUnknown as unknown:
            logger.warning("the reply to a commit was lost, finding out what became of it: %s", unknown)
        self._doubted = True
        return self._until_known(turn, batch)

    def _until_known(self, turn: Turn, batch: Batch) -> dict[str, Existing]:
        """Find out whether a batch was committed, and retry the same rows if it was not, until the answer is known.

        None of its starts is refused meanwhile: after a crash, the database may still contain what it reported as failed.
        """
        store, tries, happened = self._core.store, 0, False
        while True:
            self._pause(PAUSES[min(tries, 3)])
            self._set_messages_aside()
            self._keep_no_start_waiting(turn)
            tries += 1
            try:
                happened = happened or store.was_committed()
                return store.losers(batch) if happened else store.commit(batch)
            except (CommitUnknown, StoreUnavailable) as error:
                self._core.log.warning(
                    "it is not known yet whether a turn was committed, asking again: %s", error
                )
                if self._must_leave(tries):
                    raise CommitUnknown from error

    def _try_later(self, turn: Turn, error: DatabaseError, tries: int) -> None:
        """Nothing was written: refuse the starts and keep the rest for the next attempt."""
        self._core.log.warning("a turn could not be committed, retrying: %s", error)
        refusing = None if self._doubted else error
        if refusing:
            self._refuse_starts(turn, error)
        if self._must_leave(tries):
            self._leave_unknown(turn)
        elif turn.batch:
            self._pause(PAUSES[min(tries, 3)])
            self._set_messages_aside(refusing=refusing)
            self._keep_no_start_waiting(turn)

    def _must_leave(self, tries: int) -> bool:
        """Whether the runner is stopping and the database has had its retries."""
        stopping = self._core.stopping or any(isinstance(message, Stop) for message in self._core.set_aside)
        return tries > len(PAUSES) and stopping

    def _leave_unknown(self, turn: Turn) -> None:
        """The runner ends before the database answers. Whoever takes over will see what was committed."""
        error = RunnerError(
            "the runner was shut down before the database answered: the execution may have been started; with an "
            "idempotency key it is safe to start it again"
        )
        for request in turn.starting:
            self._core.refuse(request, error)
        for execution in turn.batch.executions:
            self._core.live.pop(execution, None)
        turn.clear()

    def _set_messages_aside(self, *, refusing: DatabaseError | None = None) -> None:
        try:
            while True:
                message = self._core.inbox.get_nowait()
                if refusing is not None and isinstance(message, StartRequest):
                    self._core.refuse(message, refusing)
                else:
                    self._core.set_aside.append(message)
        except queue.Empty:
            pass

    def _keep_no_start_waiting(self, turn: Turn) -> None:
        """Answer all who wait for a start once they have waited long enough. The turn itself goes on being retried."""
        if self._core.clock.monotonic() < self._patient_until:
            return
        unknown = CommitUnknownError(
            f"the database was lost during the start, {PATIENCE_SECONDS} s ago: the execution may have been started, or "
            "may be once the database is back; with an idempotency key it is safe to start it again"
        )
        for request in turn.starting:
            self._core.answer_with(request, unknown)
        refused = DatabaseError(
            f"the execution was not started: the database was lost {PATIENCE_SECONDS} s ago; start it again once it is back"
        )
        messages, self._core.set_aside = self._core.set_aside, []
        for message in messages:
            if isinstance(message, StartRequest):
                self._core.refuse(message, refused)
            else:
                self._core.set_aside.append(message)

    def _refuse_starts(self, turn: Turn, error: BaseException) -> None:
        starting = turn.starting
        turn.drop({new.id for request in starting for new in request.executions})
        for request in starting:
            self._core.refuse(request, error)

    def _lose(self, turn: Turn, executions: set[str]) -> None:
        """Some executions were steered, have another owner, or differ from what is held here: read them again."""
        for execution in executions:
            if not self._steering.refenced(execution, turn):
                self._reload(turn, execution)

    def _reload(self, turn: Turn, execution: str) -> None:
        turn.drop({execution})
        self._ownership.reload(execution)

    # -- refused rows ----------------------------------------------------------------------------------------------

    def _commit_in_parts(self, turn: Turn) -> None:
        """A row was refused: commit whatever can be committed, and fail the rest."""
        parts, tries = [_units(turn)], 0
        refused: list[tuple[set[str], str]] = []
        while parts:
            part = parts.pop()
            batch = turn.batch.only(set().union(*part))
            try:
                if batch and not self._commit_or_lose(turn, batch):
                    parts.append(part)
            except RowRefused as why:
                half = len(part) // 2
                if half:
                    parts += [part[:half], part[half:]]
                else:
                    refused.append((part[0], str(why)))
            except StoreUnavailable as unavailable:
                tries += 1
                self._put_off(unavailable.error, tries)
                parts.append(part)
        for unit, reason in refused:
            self._fail_refused(turn, unit, reason)

    def _put_off(self, error: DatabaseError, tries: int) -> None:
        self._core.log.warning("part of a turn could not be committed, retrying: %s", error)
        if self._must_leave(tries):
            raise CommitUnknown from error
        self._pause(PAUSES[min(tries, 3)])
        self._set_messages_aside(refusing=error)

    def _fail_refused(self, turn: Turn, unit: set[str], why: str) -> None:
        """Refuse the start that cannot be committed, or fail the tasks whose rows were refused."""
        refused = turn.batch.only(unit)
        error = DatabaseError(f"the database refused the execution's data: {why}")
        starting = [r for r in turn.starting if any(new.id in unit for new in r.executions)]
        for request in starting:
            turn.drop(unit)
            self._core.refuse(request, error)
        for execution in unit - {row.id for row in refused.starts}:
            logger.error("execution %s: %s", execution, error, extra={"execution_id": execution})
            try:
                roll_back(self._core, turn, execution, _refusals(refused, execution, why))
            except DatabaseError:
                self._reload(turn, execution)

    # -- starting over ---------------------------------------------------------------------------------------------

    def start_over(self, turn: Turn) -> None:
        """This runner was declared dead: forget everything, join again, and repeat the starts that were never committed."""
        logger.error("another runner declared this one dead: it gives up its executions and joins again")
        for execution in list(self._core.live):
            self._core.executors.drop(execution)
        self._core.live.clear()
        self._core.paused.clear()
        self._core.set_aside.extend(turn.starting)
        turn.clear()
        self._suspects.forget()
        self._patient_until = self._core.clock.monotonic() + PATIENCE_SECONDS
        self._join_again(turn)

    def _join_again(self, turn: Turn) -> None:
        tries, joined = 0, False
        while not joined and not self._must_leave(tries):
            try:
                self._ownership.join()
                joined = True
            except (CommitUnknown, StoreUnavailable) as error:
                self._core.log.warning("cannot join the database yet, retrying: %s", error)
                self._pause(PAUSES[min(tries, 3)])
                self._set_messages_aside()
                self._keep_no_start_waiting(turn)
                tries += 1


def _units(turn: Turn) -> list[set[str]]:
    """The executions of a turn in units that commit as a whole: executions started by one request stay together."""
    together = [{new.id for new in request.executions} for request in turn.starting]
    started = set().union(*together)
    return together + [{execution} for execution in turn.batch.executions if execution not in started]


def _refusals(refused: Batch, execution: str, why: str) -> dict[str, Failure]:
    """By task: the failure of each task whose row the database refused."""
    return {
        row.task: Failure("DatabaseError", f"the database refused what task {row.task!r} left: {why}", "")
        for row in refused.settles
        if row.execution_id == execution and row.status != TaskStatus.SKIPPED
    }
