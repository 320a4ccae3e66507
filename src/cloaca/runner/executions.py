"""The executions in a database, as both runners and clients see them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from cloaca.authoring.keyword_suggestions import suggests_keywords
from cloaca.authoring.names import checked_name
from cloaca.authoring.workflow import Workflow
from cloaca.clock import id_bounds
from cloaca.engine.completions import Completions
from cloaca.engine.events import NewExecution
from cloaca.errors import RunnerError
from cloaca.model.states import Status
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.inputs import Input, check_input, many, new_execution, new_executions
from cloaca.runner.steering import Steering
from cloaca.runner.waiting import Waiting
from cloaca.runner.workflows import name_of
from cloaca.store.rows import Existing, StartRow
from cloaca.store.store import Store

if TYPE_CHECKING:
    from cloaca.insights import CodeOf, ExecutionRecord, ExecutionSummary
    from cloaca.insights.code import LimitOf
    from cloaca.insights.difference import ExecutionDiff
    from cloaca.insights.entries import HistoryRecord
    from cloaca.insights.reasons import Explanation
    from cloaca.insights.runners import RunnerRecord
    from cloaca.insights.service import Insights
    from cloaca.insights.upgrade import UpgradePlan


@suggests_keywords
class Executions(Steering):
    """Queries about a database, and starting executions for whichever runner claims them.

    Args:
        is_live: Whether this process runs an execution.
        code_of: As for ``read_record``.
        limit_of: The timeouts of tasks, where they are known here.
        watch: Asks whoever runs an execution to announce its end; defaults to ``Store.watch``.
    """

    _noun: ClassVar[str]

    def __init__(
        self,
        store: Store,
        completions: Completions,
        *,
        is_live: Callable[[str], bool],
        code_of: CodeOf | None,
        encoders: Any,
        limit_of: LimitOf = lambda workflow, task: None,  # noqa: ARG005 - nothing is known
        watch: Callable[[str], None] | None = None,
    ) -> None:
        self._process = os.getpid()
        self._store = store
        self._completions = completions
        self._code_of = code_of
        self._limit_of = limit_of
        self._encoders = encoders
        self._waiting = Waiting(
            completions, store, is_live, code_of, before_use=self._before_use, watch=watch or store.watch
        )

    def _handle(self, execution_id: str, workflow_name: str) -> ExecutionHandle:
        return ExecutionHandle(execution_id, workflow_name, self._waiting, self)

    @cached_property
    def _insights(self) -> Insights:
        from cloaca.insights.service import Insights  # noqa: PLC0415 - needed only to read records

        return Insights(self._store, code_of=self._code_of, limit_of=self._limit_of, now=self._now)

    def get_execution(self, execution_id: str) -> ExecutionRecord:
        """Everything that is stored about an execution.

        Raises:
            ExecutionNotFoundError: No execution has this id.
        """
        self._before_use()
        return self._insights.get_execution(execution_id)

    def list_executions(
        self,
        *,
        workflow_name: str | None = None,
        status: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Executions, newest first.

        Args:
            after: The id of the last execution on the previous page.
        """
        self._before_use()
        return self._insights.list_executions(
            workflow_name=workflow_name, status=status, limit=limit, after=after
        )

    def get_history(self, execution_id: str) -> list[HistoryRecord]:
        """What happened to an execution, in order: its starts and ends, those of its attempts, and how it was steered.

        Entries are ordered by the changes of owner and the steering between them, whatever the clocks of the machines said;
        no task comes before one that it depends on.

        Raises:
            ExecutionNotFoundError: No execution has this id.
        """
        self._before_use()
        return self._insights.history(execution_id)

    def explain(self, execution_id: str) -> Explanation:
        """Why an execution is not making progress: what it and each of its tasks are waiting for, and what to do about it.

        Raises:
            ExecutionNotFoundError: No execution has this id.
        """
        self._before_use()
        return self._insights.explain(execution_id)

    def diff(self, a: str, b: str) -> ExecutionDiff:
        """Where two executions differ: first in their inputs or in the first task and key in topological order, then elsewhere.

        Stored values are compared as they are written: 1 and 1.0 differ.

        Raises:
            ExecutionNotFoundError: No execution has one of the ids.
        """
        self._before_use()
        return self._insights.diff(a, b)

    def find_ids(self, prefix: str, *, limit: int = 10) -> list[str]:
        """The ids of executions that begin with ``prefix``, in order.

        An id begins with the time of its start in milliseconds. Executions started within about a minute share their first
        8 characters.

        Example:
            >>> import cloaca
            >>> with cloaca.Client("sqlite:///app.db") as client:
            ...     id = client.start("greeting").execution_id
            ...     print(client.find_ids(id[:18]) == [id])
            True
        """
        self._before_use()
        first, last = id_bounds(prefix)
        return self._store.steering.ids_between(first, last, limit=limit) if first else []

    def list_runners(self) -> list[RunnerRecord]:
        """The runners that work on this database, on any machine, oldest first."""
        self._before_use()
        return self._insights.runners()

    def plan(
        self,
        workflows: Mapping[str, Workflow],
        *,
        on_version_change: Literal["continue", "wait"] = "continue",
    ) -> UpgradePlan:
        """What would happen to unfinished executions if these workflows ran them from now on.

        Executions are read page by page. If one changes meanwhile, the plan may describe it before or after the change.

        Args:
            workflows: By registered name.
            on_version_change: The setting that the runners will have.
        """
        self._before_use()
        return self._insights.plan(workflows, on_version_change=on_version_change)

    def get_handle(self, execution_id: str) -> ExecutionHandle:
        """A handle for an execution that was started earlier, in this process or another.

        Raises:
            ExecutionNotFoundError: No execution has this id.
        """
        record = self.get_execution(execution_id)
        return self._handle(record.execution_id, record.workflow_name)

    # -- starting for whoever claims it ----------------------------------------------------------------------------

    def _enter(
        self, workflow: str | Workflow, context: Input, idempotency_key: str | None, connection: Any
    ) -> ExecutionHandle:
        name, declared = _named(workflow)
        if not self._store.is_shared:
            raise RunnerError(
                f"connection=... cannot be to {self._store.location}, which nobody but its {self._noun} can connect to: "
                "use a file or PostgreSQL, or start without connection"
            )
        new = new_execution(context, self._encoders, idempotency_key, workflow=declared)
        found = self._store.enter(_row(name, new), connection)
        return self._handles(name, [new], {new.id: found})[0]

    def _enter_many(self, workflow: str | Workflow, contexts: Iterable[Input]) -> list[ExecutionHandle]:
        name, declared = _named(workflow)
        executions = new_executions(many(contexts), self._encoders, workflow=declared)
        if executions:
            self._store.enter_many([_row(name, new) for new in executions])
        return self._handles(name, executions, {})

    def _handles(
        self, workflow: str, executions: Sequence[NewExecution], existing: dict[str, Existing]
    ) -> list[ExecutionHandle]:
        """A handle for each execution, or for the earlier one with the same idempotency key."""
        handles = []
        for new in executions:
            earlier = existing.get(new.id)
            if earlier is not None and earlier.id != new.id:
                check_input(workflow, new, earlier)
            handles.append(self._handle(earlier.id if earlier else new.id, workflow))
        return handles

    # -- checks ----------------------------------------------------------------------------------------------------

    def _before_use(self) -> None:
        """Called first by every method and handle; raises if this runner or client can no longer be used."""
        if self._process != os.getpid():
            raise RunnerError(
                f"this {self._noun} belongs to process {self._process}, of which this one was forked: "
                f"make a {self._noun} here"
            )

    # -- with ---------------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """What leaving a ``with`` block does."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self._leave()
        return False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        import asyncio  # noqa: PLC0415 - only those who await pay for it

        await asyncio.to_thread(self._leave)
        return False


def _named(workflow: str | Workflow) -> tuple[str, Workflow | None]:
    """The name of the workflow to start, and the workflow itself if it was given."""
    return checked_name(name_of(workflow)), workflow if isinstance(workflow, Workflow) else None


def _row(workflow: str, new: NewExecution) -> StartRow:
    """An execution without an owner; the first claim chooses its structure."""
    return StartRow(
        new.id, workflow, "", "", Status.PENDING.value, None, 0, new.input, new.idempotency_key, time.time(), None
    )  # fmt: skip
