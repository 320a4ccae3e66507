"""What steering needs of a database: one verb is one transaction, the same in every dialect but for its locks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from cloaca.model.execution import StoredAttempt
from cloaca.model.states import EventKind
from cloaca.model.steering import Change, Standing, Verb

T = TypeVar("T")

Run = Callable[[str, Sequence[Any]], list[Any]]
"""Executes a named statement in the transaction; its rows, none where it returns none."""


class EventRow(NamedTuple):
    """Something that happened to an execution as a whole; ``details`` are JSON text."""

    fence: int
    kind: str
    at: float
    details: str


class Fork(NamedTuple):
    """A new execution that keeps some attempts of an earlier one, with what they left there."""

    id: str
    source: str
    from_task: str
    input: str
    kept: list[tuple[StoredAttempt, str | None]]
    created_at: float


class OldRow(NamedTuple):
    """An execution as pruning sees it."""

    seq: int
    id: str
    created_at: float
    finished_at: float | None


class Moved(Exception):  # noqa: N818 - the transaction is tried again
    """The execution has changed hands while its owner's turn was waited for."""


class SteeringTable(ABC):
    """The executions of one database, as people steer them.

    Any thread may call any method. Each raises ``DatabaseError`` where nothing was written.
    """

    def apply(self, execution: str, verb: Verb, now: float) -> tuple[Standing, Change | None] | None:
        """Let a verb decide on an execution, and make it so in one transaction.

        Returns:
            Where it stood, and what was changed; ``None`` where there is no such execution.

        Raises:
            ExecutionStateError: As the verb; nothing was written.
        """

        def work(run: Run) -> tuple[Standing, Change | None] | None:
            standing = self._locked(run, execution)
            if standing is None:
                return None
            change = verb(standing, now)
            if change is not None:
                self._write(run, standing, change, now)
            return standing, change

        return self._in_transaction(work)

    def _write(self, run: Run, before: Standing, change: Change, now: float) -> None:
        after = change.standing
        run(
            "change_standing",
            (
                after.version, after.status, after.owner, after.fence, after.round, after.round_fence, after.finished_at,
                after.timed_from, after.error, after.id,
            ),
        )  # fmt: skip
        if change.event is EventKind.CANCELLED:
            run("cancel_attempts", (now, after.fence, after.id))
        run("add_event", (after.id, after.fence, change.event.value, now, json.dumps(change.details)))
        if before.owner is not None:
            run("note_steered", (before.owner, after.id))

    def fork(self, fork: Fork) -> None:
        """Enter a fork for whoever claims it."""

        def work(run: Run) -> None:
            run("fork_execution", (fork.id, fork.input, fork.created_at, fork.from_task, fork.source))
            for attempt, delta in fork.kept:
                run("fork_attempt", (fork.id, delta, fork.source, attempt.task, attempt.attempt))
            details = json.dumps({"from": fork.source, "task": fork.from_task})
            run("add_event", (fork.id, 2, EventKind.FORKED.value, fork.created_at, details))

        self._in_transaction(work)

    def delete(self, execution: str, check: Callable[[Standing], None]) -> bool:
        """Remove an execution, with all that is stored of it; false where there is none.

        Raises:
            ExecutionStateError: As ``check``; nothing was removed.
        """

        def work(run: Run) -> bool:
            standing = self._locked(run, execution)
            if standing is None:
                return False
            check(standing)
            self._remove(run, [execution])
            return True

        return self._in_transaction(work)

    def remove(self, executions: Sequence[str]) -> None:
        """Remove executions that have ended."""
        self._in_transaction(lambda run: self._remove(run, executions))

    def _remove(self, run: Run, executions: Sequence[str]) -> None:
        for name in ("delete_attempts", "delete_events", "delete_executions"):
            run(name, (self._list(executions),))

    def standings(self, executions: Sequence[str]) -> dict[str, Standing]:
        """Where executions stand, of those that exist."""
        rows = self._fetch("read_standings", (self._list(executions),))
        return {row[0]: Standing(*row) for row in rows}

    def steered(self, runner: str) -> list[str]:
        """What others have changed of what a runner owned, as far as it has not said that it knows."""
        return [row[0] for row in self._fetch("read_steered", (runner,))]

    def forget_steered(self, runner: str, executions: Sequence[str]) -> None:
        """Say that a runner knows."""
        self._in_transaction(lambda run: run("forget_steered", (runner, self._list(executions))))

    def events(self, execution: str) -> list[EventRow]:
        """What happened to an execution as a whole, in order."""
        return [EventRow(*row) for row in self._fetch("read_events", (execution,))]

    def oldest(self, *, after: int, limit: int) -> list[OldRow]:
        """Executions in the order of their starts."""
        return [OldRow(*row) for row in self._fetch("list_oldest", (after, limit))]

    def count_attempts(self, executions: Sequence[str]) -> dict[str, int]:
        """How many attempts are stored of executions, of those that have any."""
        return dict(self._fetch("count_attempts", (self._list(executions),)))

    def newest(self, number: int) -> int | None:
        """Which of the newest executions comes after so many others: the number in their order, ``None`` if there are fewer."""
        rows = self._fetch("find_newest", (number,))
        return rows[0][0] if rows else None

    @abstractmethod
    def _locked(self, run: Run, execution: str) -> Standing | None:
        """Where an execution stands, and no turn changes it before the transaction ends."""

    @abstractmethod
    def _in_transaction(self, work: Callable[[Run], T]) -> T:
        """Work in a transaction beside the runner's turns."""

    @abstractmethod
    def _fetch(self, name: str, parameters: Sequence[Any]) -> list[Any]:
        """The rows of a statement."""

    @abstractmethod
    def _list(self, ids: Sequence[str]) -> Any:
        """Ids as one parameter."""
