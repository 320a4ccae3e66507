"""The class through which runners, clients, commands and pages read stored state; it writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from cloaca.authoring.names import shown
from cloaca.authoring.workflow import Workflow
from cloaca.errors import ConfigurationError
from cloaca.insights.code import CodeOf, LimitOf
from cloaca.insights.listing import list_summaries
from cloaca.insights.reading import read_record, read_stored
from cloaca.insights.records import ExecutionRecord, ExecutionSummary

if TYPE_CHECKING:
    from cloaca.insights.difference import ExecutionDiff
    from cloaca.insights.entries import HistoryRecord
    from cloaca.insights.reasons import Explanation
    from cloaca.insights.runners import RunnerRecord, Sightings
    from cloaca.insights.upgrade import UpgradePlan
    from cloaca.store.store import Store


class Insights:
    """All reads of one database. Any thread may call any method, even before the store was prepared.

    Args:
        code_of: What is registered here; ``None`` if nothing runs here.
        limit_of: The timeouts of the tasks registered here.
        now: Wall-clock seconds.

    Every method that takes an id raises ``ExecutionNotFoundError`` if it does not exist, and ``DatabaseError`` if the
    database cannot be read.
    """

    def __init__(
        self,
        store: Store,
        *,
        code_of: CodeOf | None = None,
        limit_of: LimitOf = lambda workflow, task: None,  # noqa: ARG005 - nothing is known
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._code_of = code_of
        self._limit_of = limit_of
        self._now = now

    @cached_property
    def _sightings(self) -> Sightings:
        from cloaca.insights.runners import Sightings  # noqa: PLC0415 - needed only on request

        return Sightings()

    def get_execution(self, execution_id: str) -> ExecutionRecord:
        """Everything that is stored about an execution."""
        return read_record(self._store, execution_id, code_of=self._code_of)

    def list_executions(
        self,
        *,
        workflow_name: str | None = None,
        status: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Executions, newest first; ``after`` is the last id of the previous page."""
        return list_summaries(
            self._store, workflow_name=workflow_name, status=status, limit=limit, after=after
        )

    def history(self, execution_id: str) -> list[HistoryRecord]:
        """What happened to an execution, in order."""
        from cloaca.insights.history import history_of  # noqa: PLC0415 - as above

        stored = read_stored(self._store, execution_id)
        return history_of(stored, self._store.steering.events(stored.row.id))

    def explain(self, execution_id: str) -> Explanation:
        """Why an execution is not making progress."""
        from cloaca.insights.explain import Known, explanation  # noqa: PLC0415 - as above

        stored, runners = read_stored(self._store, execution_id), self._runners()
        if stored.row.owner not in (None, *runners):
            # Between the two reads it may have ended or been handed over, and its runner may have left.
            stored, runners = read_stored(self._store, execution_id), self._runners()
        events = self._store.steering.events(stored.row.id)
        return explanation(stored, Known(events, runners, self._code_of, self._limit_of, self._now()))

    def diff(self, a: str, b: str) -> ExecutionDiff:
        """Where two executions differ."""
        from cloaca.insights.difference import difference_of  # noqa: PLC0415 - as above

        return difference_of(read_stored(self._store, a), read_stored(self._store, b))

    def plan(self, workflows: Mapping[str, Workflow], *, on_version_change: str = "continue") -> UpgradePlan:
        """What happens to all unfinished executions if these workflows, by name, run from now on."""
        from cloaca.insights.upgrade import live_executions, plan_of  # noqa: PLC0415 - as above

        if on_version_change not in ("continue", "wait"):
            raise ConfigurationError(
                f"on_version_change={shown(on_version_change)} must be 'continue' or 'wait'"
            )
        return plan_of(workflows, live_executions(self._store), same_version=on_version_change == "wait")

    def runners(self) -> list[RunnerRecord]:
        """The runners that have joined and not left, oldest first."""
        return list(self._runners().values())

    def _runners(self) -> dict[str, RunnerRecord]:
        return self._sightings.look(self._store.runners(), self._now())
