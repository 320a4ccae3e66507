"""The queries that are the same in every dialect: a named statement, and rows made from its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from cloaca.model.rows import StoredAttempt
from cloaca.store.listing import page_of
from cloaca.store.rows import ExecutionRow, OwnedRow, Waiting


class Queries:
    """Part of a store; see ``Store`` for what each method promises."""

    _statuses: ClassVar[Any]
    """All statuses of executions, as the dialect binds them."""

    def _read(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The rows of a named statement."""
        raise NotImplementedError

    def owned_by(self, runner: str, *, limit: int) -> list[OwnedRow]:
        return [OwnedRow(*row) for row in self._read("read_owned", (runner, limit))]

    def ran_alone(self, runner: str) -> bool:
        return bool(self._read("count_alone", (runner,))[0][0])

    def waiting_structures(self) -> list[tuple[str, str]]:
        return self._read("list_waiting")

    def waiting_versions(self) -> list[Waiting]:
        return [Waiting(*row) for row in self._read("list_waiting_versions")]

    def read_execution(self, execution: str) -> ExecutionRow | None:
        rows = self._read("read_execution", (execution,))
        return ExecutionRow(*rows[0]) if rows else None

    def read_attempts(self, execution: str) -> list[StoredAttempt]:
        return [StoredAttempt(*row) for row in self._read("read_attempts", (execution,))]

    def list_executions(
        self, *, workflow: str | None, status: str | None, after: str | None, limit: int
    ) -> list[ExecutionRow]:
        return page_of(
            self._read, workflow=workflow, status=status, after=after, limit=limit, statuses=self._statuses
        )
