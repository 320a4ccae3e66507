"""Steering executions, from any process that can reach the database: cancel, pause, resume, retry, fork, delete."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloaca.authoring.names import UNSTORABLE, is_str, listed, nearest, shown
from cloaca.clock import new_id
from cloaca.engine.completions import Completions
from cloaca.errors import (
    ConfigurationError,
    DatabaseError,
    ExecutionNotFoundError,
    ExecutionStateError,
    TaskNotFoundError,
)
from cloaca.model.values import encode, joined
from cloaca.runner.inputs import Input, texts_of
from cloaca.runner.waiting import check_no_loop
from cloaca.store.store import Store

if TYPE_CHECKING:
    from cloaca.engine.pruning import PruneReport
    from cloaca.model.graph import Graph
    from cloaca.model.steering import Verb
    from cloaca.runner.handle import ExecutionHandle


logger = logging.getLogger("cloaca")


class Steering:
    """Methods that each are one durable transaction; the owner of the execution learns of it, wherever it runs.

    A runner in this process has seen the change when the method returns. A runner in another process is notified at once on
    PostgreSQL, and sees it within two seconds on SQLite. Until then it cannot commit anything for the execution, so no task
    becomes ready after the method has returned, but a body that was already waiting for a slot may still start there.
    """

    _store: Store
    _encoders: Any
    _completions: Completions

    def cancel(self, execution_id: str) -> None:
        """End an execution as ``Cancelled``: completed tasks keep their results, and nothing new starts.

        A running body learns of it through ``TaskHandle``, an async body through ``asyncio.CancelledError``; its result is not
        stored. Child executions that it started continue. Cancelling an execution again has no effect.

        Raises:
            ExecutionNotFoundError: No execution has this id.
            ExecutionStateError: It has ended with another status.
            DatabaseError: The change could not be stored; nothing has changed.
        """
        from cloaca.model.steering import cancel  # noqa: PLC0415 - needed only for steering

        self._steer("cancel", execution_id, cancel)

    def pause(self, execution_id: str) -> None:
        """Pause an execution: running tasks finish and are stored, and nothing new starts until ``resume``.

        A paused execution uses no memory and no slots. If nothing was left to start, it ends as if it had not been paused.
        Pausing it again has no effect.

        Raises:
            ExecutionNotFoundError, DatabaseError: As for ``cancel``.
            ExecutionStateError: It has ended.
        """
        from cloaca.model.steering import pause  # noqa: PLC0415 - as above

        self._steer("pause", execution_id, pause)

    def resume(self, execution_id: str) -> None:
        """Continue a paused execution; ``workflow_timeout_seconds`` starts anew. Has no effect on one that is not paused.

        Raises:
            ExecutionNotFoundError, DatabaseError: As for ``cancel``.
            ExecutionStateError: It has ended.
        """
        from cloaca.model.steering import resume  # noqa: PLC0415 - as above

        self._steer("resume", execution_id, resume)

    def retry(self, execution_id: str) -> None:
        """Open a new round of an execution that failed or was cancelled.

        Failed tasks run again, with their full number of retries, and so do tasks that were skipped because of them.
        Completed tasks keep their results, and a failure that another task has handled stays as it is. The round may run under
        a newer version of the workflow, provided that its tasks, dependencies and rules are the same.

        Raises:
            ExecutionNotFoundError, DatabaseError: As for ``cancel``.
            ExecutionStateError: It has not ended, or it has completed.
        """
        from cloaca.model.steering import retry  # noqa: PLC0415 - as above

        self._steer("retry", execution_id, retry)

    def fork(self, execution_id: str, from_task: str, context: Input = None) -> ExecutionHandle:
        """Start a new execution that continues from a task of another one; the other one stays as it is.

        The fork keeps the results of completed tasks that do not come after ``from_task``; ``from_task`` and all other tasks
        run. The fork is durable when this returns, and runs under the newest version of its workflow.

        Args:
            context: Keys to replace: the tasks that run see these values, whichever task wrote the originals.

        Returns:
            A handle for the new execution.

        Raises:
            ExecutionNotFoundError, DatabaseError: As for ``cancel``.
            TaskNotFoundError: It has no such task.
            ExecutionStateError: No runner has claimed it yet, so it has no tasks.
            TypeError: A value in the context cannot be stored.
        """
        self._before_change()
        check_no_loop("fork", "await asyncio.to_thread(...)")
        from cloaca.model.forking import kept  # noqa: PLC0415 - as above
        from cloaca.store.steering import Fork  # noqa: PLC0415 - as above

        row = self._store.read_execution(self._checked(execution_id))
        if row is None:
            raise self._not_found(execution_id)
        graph = self._graph_of(row.id, row.workflow, row.structure)
        _check_task(graph, from_task)
        edited = texts_of(context, self._encoders)
        texts = {key: encode(value, key) for key, value in json.loads(row.input).items()} | edited
        attempts = self._store.read_attempts(row.id)
        fork = Fork(
            new_id(), row.id, from_task, joined(texts), kept(graph, attempts, from_task=from_task, edited=edited), self._now(),
        )  # fmt: skip
        if not self._store.steering.fork(fork):
            raise self._not_found(execution_id)
        self._steered([], work=True)
        return self._handle(fork.id, row.workflow)

    def delete(self, execution_id: str) -> None:
        """Delete an execution that has ended and everything stored about it. Its idempotency key can be used again.

        Raises:
            ExecutionNotFoundError, DatabaseError: As for ``cancel``.
            ExecutionStateError: It has not ended.
        """
        self._before_change()
        check_no_loop("delete", "await asyncio.to_thread(...)")
        from cloaca.model.steering import check_deletable  # noqa: PLC0415 - as above

        if not self._store.steering.delete(self._checked(execution_id), check_deletable):
            raise self._not_found(execution_id)
        self._completions.discard(execution_id)

    def prune(
        self, *, older_than: timedelta | None = None, keep: int | None = None, dry_run: bool = False
    ) -> PruneReport:
        """Remove ended executions with their attempts and events; unfinished ones are kept, whatever their age.

        Executions that an unfinished one has started with ``execute`` in a body are kept too. Idempotency keys of removed
        executions can be used again. The work is done in small transactions with pauses between them, so that runners are not
        held up: hundreds of executions a second. If it is interrupted, what was removed stays removed. Several may run at once.

        Args:
            older_than: Remove executions that ended longer ago than this.
            keep: Remove executions that were started before the newest ``keep``, which may themselves be unfinished. If
                both are given, either condition suffices.
            dry_run: Remove nothing, and report what would be removed.

        Returns:
            How many executions were removed, and how many of their attempts.

        Raises:
            ConfigurationError: Neither is given, or one of them is not valid.
            RunnerError: Called on an event loop.
            DatabaseError: As for ``cancel``; what was removed before stays removed.

        Example:
            >>> from datetime import timedelta
            >>> import cloaca
            >>> with cloaca.Client("sqlite:///app.db") as client:
            ...     client.prune(older_than=timedelta(days=30), keep=100_000)
            PruneReport(executions=0, attempts=0)
        """
        self._before_change()
        check_no_loop("prune", "await asyncio.to_thread(....prune, ...)")
        seconds = _checked_rule(older_than, keep)
        from cloaca.engine.pruning import Pruning  # noqa: PLC0415 - as above

        pruning = Pruning(self._store.steering, removed=self._forget, dry_run=dry_run)
        return pruning.prune(ended_by=None if seconds is None else self._now() - seconds, keep=keep)

    # -- how ---------------------------------------------------------------------------------------------------------

    def _steer(self, method: str, execution_id: str, verb: Verb) -> None:
        self._before_change()
        check_no_loop(method, f"await asyncio.to_thread(....{method}, ...)")
        applied = self._store.steering.apply(self._checked(execution_id), verb, self._now())
        if applied is None:
            raise self._not_found(execution_id)
        _, change = applied
        if change is not None:
            is_free = change.standing.owner is None and change.standing.finished_at is None
            self._steered([execution_id], work=is_free)

    def _steered(self, executions: Sequence[str], *, work: bool) -> None:
        """Notify everyone concerned that these executions were steered, and whether there is work without an owner."""
        try:
            self._store.tell(executions, work=work)
        except DatabaseError as error:
            logger.info("steering could not be announced, runners notice it on their next patrol: %s", error)
        self._completions.ended_elsewhere(executions)

    def _forget(self, executions: Sequence[str]) -> None:
        for execution in executions:
            self._completions.discard(execution)

    def _graph_of(self, execution_id: str, workflow: str, structure: str) -> Graph:
        from cloaca.model.graph import Graph  # noqa: PLC0415 - as above

        if not structure:
            raise ExecutionStateError(
                f"execution {execution_id} of workflow {workflow!r} has not been claimed by a runner, so that it has no "
                "tasks yet to fork from: wait until it runs, or start another one",
                execution_id=execution_id,
                status="Pending",
            )
        return Graph.from_json(self._store.read_structures([structure])[structure])

    def _checked(self, execution_id: Any) -> str:
        """An id, or an error if it is not a text that could be one."""
        if not is_str(execution_id) or UNSTORABLE.search(execution_id):
            raise self._not_found(execution_id)
        return str.__str__(execution_id)

    def _not_found(self, execution_id: object) -> ExecutionNotFoundError:
        own = getattr(execution_id, "execution_id", None)
        advice = (
            "check the id, and that this is its database" if own is None else f"give its id, {shown(own)}"
        )
        return ExecutionNotFoundError(
            f"execution {shown(execution_id)} is not in {self._store.location}: {advice}"
        )

    def _now(self) -> float:
        return time.time()

    def _before_use(self) -> None:
        """Called first by every method; raises if this runner or client can no longer be used."""
        raise NotImplementedError

    def _before_change(self) -> None:
        self._before_use()

    def _handle(self, execution_id: str, workflow_name: str) -> ExecutionHandle:
        raise NotImplementedError


def _check_task(graph: Graph, task: object) -> None:
    if not is_str(task) or task not in graph.index:
        hint = nearest(task, graph.ids) if is_str(task) else ""
        raise TaskNotFoundError(
            f"task {shown(task)} is not in workflow {graph.name!r}: {hint or f'it has {listed(graph.ids)}'}"
        )


def _checked_rule(older_than: Any, keep: Any) -> float | None:
    """The age in seconds from which executions are to be removed, or ``None``.

    Raises:
        ConfigurationError: Neither option is given, or one of them is not valid.
    """
    if older_than is None and keep is None:
        raise ConfigurationError(
            "prune() needs to know what to remove: say older_than=timedelta(days=30), keep=100_000, or both"
        )
    if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 0):
        raise ConfigurationError(f"keep={shown(keep)} must be a whole number from 0, or None")
    if older_than is None:
        return None
    if not isinstance(older_than, timedelta) or older_than < timedelta(0):
        raise ConfigurationError(
            f"older_than={shown(older_than)} must be a timedelta from 0, such as timedelta(days=30), or None"
        )
    return older_than.total_seconds()
