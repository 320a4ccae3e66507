"""What steering requires of a database: each operation is one transaction, the same in every dialect except for locks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from cloaca.model.rows import StoredAttempt
from cloaca.model.states import EventKind
from cloaca.model.steering import Change, Standing, Verb

T = TypeVar("T")

PRUNED = ""
"""In the table of steered executions, in place of a runner: the execution was removed, but not yet all its attempts."""

Run = Callable[[str, Sequence[Any]], list[Any]]
"""Executes a named statement in the transaction; returns its rows, or none."""


class EventRow(NamedTuple):
    """Something that happened to an execution as a whole; ``details`` is JSON text."""

    fence: int
    kind: str
    at: float
    details: str


class Fork(NamedTuple):
    """A new execution that keeps some attempts of an earlier one, with their deltas."""

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
    idempotency_key: str | None


class LiveRow(NamedTuple):
    """An unfinished execution, with what determines which code can run it."""

    seq: int
    id: str
    workflow: str
    structure: str
    version: str
    round_fence: int


class Moved(Exception):  # noqa: N818 - the transaction is tried again
    """The execution changed owners while its previous owner's turn was waited for."""


class SteeringTable(ABC):
    """Steering the executions of one database.

    Any thread may call any method. Each raises ``DatabaseError``, in which case nothing was written, unless it is a
    ``CommitUnknownError``, or an I/O error at the commit on SQLite.
    """

    def apply(self, execution: str, verb: Verb, now: float) -> tuple[Standing, Change | None] | None:
        """Let a verb decide about an execution, and write its decision, in one transaction.

        Returns:
            The state before, and the change; ``None`` if there is no such execution.

        Raises:
            ExecutionStateError: Raised by the verb; nothing was written.
        """
        tried: tuple[Standing, Change] | None = None

        def work(run: Run) -> tuple[Standing, Change | None] | None:
            nonlocal tried
            standing = self._locked(run, execution)
            if standing is None:
                return None
            if tried is not None and self._was_done(run, tried[1], now):
                return tried
            change = verb(standing, now)
            if change is not None:
                tried = standing, change
                self._write(run, standing, change, now)
            return standing, change

        return self._in_transaction(work)

    def _was_done(self, run: Run, change: Change, now: float) -> bool:
        """Whether the transaction was committed and only its reply was lost."""
        after = change.standing
        return bool(run("find_event", (after.id, after.fence, change.event.value, now)))

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

    def fork(self, fork: Fork) -> bool:
        """Store a fork, to be claimed by any runner; false if its source was deleted meanwhile."""

        def work(run: Run) -> bool:
            if not run("fork_execution", (fork.id, fork.input, fork.created_at, fork.from_task, fork.source)):
                # It exists if this was committed before and the reply was lost.
                return bool(run("read_standing", (fork.id,)))
            if fork.kept:
                run("fork_attempts", (fork.id, _copies(fork.kept), fork.source))
            details = json.dumps({"from": fork.source, "task": fork.from_task})
            run("add_event", (fork.id, 2, EventKind.FORKED.value, fork.created_at, details))
            return True

        return self._in_transaction(work)

    def delete(self, execution: str, check: Callable[[Standing], None]) -> bool:
        """Delete an execution and everything stored about it; false if there is none.

        Raises:
            ExecutionStateError: Raised by ``check``; nothing was deleted.
        """
        tried = False

        def work(run: Run) -> bool:
            nonlocal tried
            standing = self._locked(run, execution)
            if standing is None:
                # It was recorded here if this was committed before and the reply was lost.
                return tried
            check(standing)
            tried = True
            self._remove(run, [execution])
            return True

        return self._in_transaction(work)

    def _remove(self, run: Run, executions: Sequence[str]) -> None:
        # What is noted for a runner stays until it has seen it: it may run bodies of what was cancelled just before.
        for name in ("delete_attempts", "delete_events", "delete_executions"):
            run(name, (self._list(executions),))

    def standings(self, executions: Sequence[str]) -> dict[str, Standing]:
        """The states of those of the executions that exist."""
        rows = self._fetch("read_standings", (self._list(executions),))
        return {row[0]: Standing(*row) for row in rows}

    def ids_between(self, first: str, last: str, *, limit: int) -> list[str]:
        """The ids of executions between two ids, inclusive, in order."""
        return [row[0] for row in self._fetch("find_ids", (first, last, limit))]

    def workflow_names(self) -> list[str]:
        """The names of all workflows that have executions, in order."""
        return [row[0] for row in self._fetch("list_workflow_names", ())]

    def steered(self, runner: str) -> list[str]:
        """The steered executions of a runner that it has not acknowledged yet."""
        return [row[0] for row in self._fetch("read_steered", (runner,))]

    def forget_steered(self, runner: str, executions: Sequence[str]) -> None:
        """Acknowledge steering on behalf of a runner."""
        self._in_transaction(lambda run: run("forget_steered", (runner, self._list(executions))))

    def events(self, execution: str) -> list[EventRow]:
        """What happened to an execution as a whole, in order."""
        return [EventRow(*row) for row in self._fetch("read_events", (execution,))]

    # -- pruning -----------------------------------------------------------------------------------------------------

    def oldest(self, *, after: int, limit: int) -> list[OldRow]:
        """Executions in start order."""
        return [OldRow(*row) for row in self._fetch("list_oldest", (after, limit))]

    def newest(self, number: int, *, before: int) -> int | None:
        """The position of the execution that comes ``number`` before another in start order, ``None`` if there are fewer."""
        rows = self._fetch("find_newest", (before, number - 1))
        return rows[0][0] if rows else None

    def count_attempts(self, executions: Sequence[str]) -> dict[str, int]:
        """The number of stored attempts by execution, for those that have any."""
        return dict(self._fetch("count_attempts", (self._list(executions),)))

    def remove(self, rows: Sequence[OldRow], *, is_large: bool = False) -> list[str]:
        """Remove those of these executions that are still as they were read, ended; returns which these were.

        Executions started by an unfinished one are kept: its body finds them again when it is retried.

        Args:
            is_large: Leave the attempts to ``remove_attempts``, even after a crash.
        """

        def work(run: Run) -> list[str]:
            ended = self._still_ended(run, rows)
            if ended and is_large:
                for name in ("delete_events", "delete_executions"):
                    run(name, (self._list(ended),))
                for execution in ended:
                    run("note_steered", (PRUNED, execution))
            elif ended:
                self._remove(run, ended)
            return ended

        return self._in_transaction(work, is_lazy=True)

    def _still_ended(self, run: Run, rows: Sequence[OldRow]) -> list[str]:
        ended = dict(run("lock_ended", (self._list([row.id for row in rows]),)))
        starters = {row.id: starter for row in rows if (starter := _starter(row))}
        going_on = {row[0] for row in run("find_open", (self._list(sorted(set(starters.values()))),))}
        return [
            row.id
            for row in rows
            if ended.get(row.id) == row.finished_at is not None and starters.get(row.id) not in going_on
        ]

    def pruned(self) -> list[str]:
        """Executions that were removed and may still have attempts."""
        return self.steered(PRUNED)

    def remove_attempts(self, execution: str, *, limit: int) -> bool:
        """Remove some attempts of a removed execution; false once there are none, or if somebody else is removing them."""

        def work(run: Run) -> bool:
            if not run("lock_steered", (PRUNED, execution)):
                return False
            is_rest = len(run("delete_some_attempts", (execution, limit))) < limit
            if is_rest:
                run("forget_steered", (PRUNED, self._list([execution])))
            return not is_rest

        return self._in_transaction(work, is_lazy=True)

    # -- what dialects differ in ---------------------------------------------------------------------------------------

    def workflows(self) -> list[str]:
        """The names of all workflows that have executions."""
        return [row[0] for row in self._fetch("list_workflows", ())]

    def of_workflow(self, workflow: str, status: str, *, after: int, limit: int) -> list[LiveRow]:
        """Executions of a workflow with a status, in start order."""
        return [LiveRow(*row) for row in self._fetch("list_of_workflow", (workflow, status, after, limit))]

    def outcomes(self, executions: Sequence[str]) -> dict[str, list[StoredAttempt]]:
        """The attempts of executions, by task and number, without deltas and errors."""
        found: dict[str, list[StoredAttempt]] = {execution: [] for execution in executions}
        for execution, task, attempt, status, retry_at, fence in self._fetch(
            "read_outcomes", (self._list(executions),)
        ):
            found[execution].append(
                StoredAttempt(
                    task, attempt, status, None, None, None, None, None, retry_at, 0, 0, alone=False, fence=fence,
                    deferred=False,
                )
            )  # fmt: skip
        return found

    @abstractmethod
    def _locked(self, run: Run, execution: str) -> Standing | None:
        """The state of an execution, which no turn changes before the transaction ends."""

    @abstractmethod
    def _in_transaction(self, work: Callable[[Run], T], *, is_lazy: bool = False) -> T:
        """Run a transaction outside the runner's turns.

        Args:
            is_lazy: It need not be durable when this returns: a power loss may undo it until the next durable transaction.
        """

    @abstractmethod
    def _fetch(self, name: str, parameters: Sequence[Any]) -> list[Any]:
        """The rows of a statement."""

    @abstractmethod
    def _list(self, ids: Sequence[str]) -> Any:
        """Ids as one parameter."""


def _copies(kept: Iterable[tuple[StoredAttempt, str | None]]) -> str:
    """As JSON, for one statement: a journey to the server for each would hold the source for as long."""
    return json.dumps(
        [
            (attempt.task, attempt.attempt, None if delta == attempt.delta else delta)
            for attempt, delta in kept
        ]
    )


def _starter(row: OldRow) -> str | None:
    """The execution whose body has started this one, if any: the key then starts with its id."""
    return (
        row.idempotency_key.partition("/")[0] if row.idempotency_key and "/" in row.idempotency_key else None
    )
