"""The executions of one database, as runners and clients see them alike, wherever they run."""

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
    """What can be asked about a database, and how executions are left there for whoever claims them.

    Args:
        is_live: Whether this process runs an execution.
        code_of: As for ``read_record``.
        limit_of: The time limits of tasks, as far as they are known here.
        watch: Asks whoever runs an execution to announce its end; without one the store is asked itself.
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
        from cloaca.insights.service import Insights  # noqa: PLC0415 - records are loaded by those who read them

        return Insights(self._store, code_of=self._code_of, limit_of=self._limit_of, now=self._now)

    def get_execution(self, execution_id: str) -> ExecutionRecord:
        """All that is stored of an execution.

        Raises:
            ExecutionNotFoundError: There is none of this id.
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
            after: The id of the last execution of the page before.
        """
        self._before_use()
        return self._insights.list_executions(
            workflow_name=workflow_name, status=status, limit=limit, after=after
        )

    def get_history(self, execution_id: str) -> list[HistoryRecord]:
        """What happened to an execution, in order: starts and ends of it and of its attempts, and what people did to it.

        What is stored under one change of hands or one act of steering comes after what was stored before it, whatever
        the clocks of the machines said; no task comes before one that it depends on.

        Raises:
            ExecutionNotFoundError: There is none of this id.
        """
        self._before_use()
        return self._insights.history(execution_id)

    def explain(self, execution_id: str) -> Explanation:
        """Why an execution is not further: what it and each of its tasks wait for, and what helps.

        Raises:
            ExecutionNotFoundError: There is none of this id.
        """
        self._before_use()
        return self._insights.explain(execution_id)

    def diff(self, a: str, b: str) -> ExecutionDiff:
        """Where two executions part: in their inputs, or the first task and key in topological order, and all others.

        What is stored is compared, numbers as they are written: 1 and 1.0 differ.

        Raises:
            ExecutionNotFoundError: There is none of one of the ids.
        """
        self._before_use()
        return self._insights.diff(a, b)

    def find_ids(self, prefix: str, *, limit: int = 10) -> list[str]:
        """The ids of executions that begin with a text, in order.

        An id begins with the milliseconds of its start: its first 8 characters are shared by what was started within
        about a minute.

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
        """The runners that work on this database, wherever they are, the oldest first."""
        self._before_use()
        return self._insights.runners()

    def plan(
        self,
        workflows: Mapping[str, Workflow],
        *,
        on_version_change: Literal["continue", "wait"] = "continue",
    ) -> UpgradePlan:
        """What it would mean for the executions that have not ended if these workflows ran them from now on.

        Executions are read page by page: of those that change meanwhile it may tell what they were or what they are.

        Args:
            workflows: By the names under which they are registered.
            on_version_change: As runners would be configured.
        """
        self._before_use()
        return self._insights.plan(workflows, on_version_change=on_version_change)

    def get_handle(self, execution_id: str) -> ExecutionHandle:
        """A handle on an execution that was started before, here or elsewhere.

        Raises:
            ExecutionNotFoundError: There is none of this id.
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
        """A handle on each, or on the one that its idempotency key names already."""
        handles = []
        for new in executions:
            earlier = existing.get(new.id)
            if earlier is not None and earlier.id != new.id:
                check_input(workflow, new, earlier)
            handles.append(self._handle(earlier.id if earlier else new.id, workflow))
        return handles

    # -- checks ----------------------------------------------------------------------------------------------------

    def _before_use(self) -> None:
        """Called first by each method and each handle; raises where nothing can be done here any more."""
        if self._process != os.getpid():
            raise RunnerError(
                f"this {self._noun} belongs to process {self._process}, of which this one was forked: "
                f"make a {self._noun} here"
            )

    # -- with ---------------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """What the end of a ``with`` block does."""
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
    """The name of what is to be started, and what it is where that is known."""
    return checked_name(name_of(workflow)), workflow if isinstance(workflow, Workflow) else None


def _row(workflow: str, new: NewExecution) -> StartRow:
    """An execution that nobody owns; the first claim chooses its structure."""
    return StartRow(
        new.id, workflow, "", "", Status.PENDING.value, None, 0, new.input, new.idempotency_key, time.time(), None
    )  # fmt: skip
