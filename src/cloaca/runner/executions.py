"""Executions as the database tells of them, wherever they run: what runners and clients have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloaca.engine.events import NewExecution
from cloaca.insights import ExecutionRecord, ExecutionSummary, list_summaries, read_record
from cloaca.model.states import Status
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.inputs import check_input
from cloaca.runner.waiting import StructureOf, Waiting
from cloaca.store.rows import StartRow
from cloaca.store.store import Store


class Executions:
    """The executions of one database.

    Args:
        is_usable: Called first by each method; raises where nothing can be done here any more.
    """

    def __init__(
        self, store: Store, waiting: Waiting, structure_of: StructureOf, is_usable: Callable[[], None]
    ) -> None:
        self._store = store
        self._waiting = waiting
        self._structure_of = structure_of
        self._is_usable = is_usable

    def get(self, execution_id: str) -> ExecutionRecord:
        """All that is stored of an execution."""
        self._is_usable()
        return read_record(self._store, execution_id, structure_of=self._structure_of)

    def list(
        self, *, workflow_name: str | None, status: str | None, limit: int, after: str | None
    ) -> list[ExecutionSummary]:
        """Executions, newest first."""
        self._is_usable()
        return list_summaries(
            self._store, workflow_name=workflow_name, status=status, limit=limit, after=after
        )

    def handle(self, execution_id: str) -> ExecutionHandle:
        """A handle on an execution that exists."""
        record = self.get(execution_id)
        return ExecutionHandle(record.execution_id, record.workflow_name, self._waiting)

    def enter(self, workflow: str, new: NewExecution, *, now: float, connection: Any) -> ExecutionHandle:
        """Start an execution for whoever claims it: the first claim chooses its structure."""
        self._is_usable()
        row = StartRow(
            new.id, workflow, "", "", Status.PENDING.value, None, 0, new.input, new.idempotency_key, now, None
        )  # fmt: skip
        found = self._store.enter(row, connection)
        if found.id != new.id:
            check_input(workflow, new, found)
        return ExecutionHandle(found.id, workflow, self._waiting)
