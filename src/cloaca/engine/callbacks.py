"""Task callbacks: called in commit order on a thread of their own, before the task's dependents start."""

from __future__ import annotations

import inspect
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from cloaca.authoring.task import AnyTask
from cloaca.engine.completions import Finished
from cloaca.engine.plan import Plan
from cloaca.executors.current import CurrentCallback, in_callback
from cloaca.executors.job import Job
from cloaca.model.context import Context
from cloaca.model.events import Event, Failure, Succeeded, TimedOut
from cloaca.model.execution import ExecutionState
from cloaca.model.rows import AttemptRow
from cloaca.model.states import TaskStatus
from cloaca.model.values import Encoders
from cloaca.model.view import View

logger = logging.getLogger("cloaca.engine")


class Call(NamedTuple):
    """A callback that is due; ``error`` is set if its task failed."""

    execution_id: str
    workflow: str
    node: int
    task: AnyTask
    error: str | None
    view: View


class CalledBack(NamedTuple):
    """A callback has returned."""

    execution_id: str
    node: int


def views_for(plan: Plan, state: ExecutionState, event: Event) -> dict[int, View]:
    """By node: the context of each task with callbacks that an event may settle. Call it before applying the event."""
    if isinstance(event, TimedOut):
        nodes = [node for node in plan.calling if not state.waiting[node]]
    else:
        nodes = [event.node] if event.node in plan.calling else []
    return {
        node: state.view(node)
        for node in nodes
        if state.status[node] in (TaskStatus.PENDING, TaskStatus.READY)
    }


def calls_for(
    plan: Plan, state: ExecutionState, event: Event, rows: Iterable[AttemptRow], views: Mapping[int, View]
) -> list[Call]:
    """The callbacks that are due once these rows are committed."""
    calls = []
    for row in rows:
        node = state.graph.index[row.task]
        task, view = plan.tasks[node], views.get(node)
        if view is None or row.retry_at is not None:
            continue
        if isinstance(event, Succeeded):
            if task.on_success is not None:
                calls.append(Call(state.id, plan.graph.name, node, task, None, view.after(node, event.delta)))
        elif task.on_failure is not None and row.error is not None:
            calls.append(Call(state.id, plan.graph.name, node, task, str(Failure.from_text(row.error)), view))
    return calls


class Callbacks:
    """The callbacks of one engine. Except for the calls themselves, only the thread that runs a turn may use it.

    Args:
        deliver: Called with ``CalledBack`` after each callback, on the callback thread.
    """

    def __init__(self, deliver: Callable[[CalledBack], None], encoders: Encoders | None) -> None:
        self._deliver = deliver
        self._encoders = encoders
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending: dict[str, set[int]] = {}
        """By execution: nodes whose callbacks have not returned."""
        self._held: dict[str, list[Job]] = {}
        self._finished: dict[str, Finished] = {}

    @property
    def idle(self) -> bool:
        """Whether every callback has returned."""
        return not self._pending

    def holds(self, execution_id: str) -> bool:
        """Whether an execution has ended but its end is not reported yet."""
        return execution_id in self._finished

    def awaits(self, execution_id: str) -> bool:
        """Whether a callback of this execution has not returned."""
        return execution_id in self._pending

    def call(self, calls: Iterable[Call]) -> None:
        """Queue these callbacks, in this order."""
        for call in calls:
            self._pending.setdefault(call.execution_id, set()).add(call.node)
            self._calls.put(call)
            self._rouse()

    def _rouse(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="cloaca-callbacks", daemon=True)
            self._thread.start()

    def startable(self, jobs: list[Job], dependencies: Callable[[Job], Iterable[int]]) -> list[Job]:
        """Those of the jobs that need not wait for a callback; the others are kept until their callbacks have returned."""
        if not self._pending:
            return jobs
        startable = []
        for job in jobs:
            pending = self._pending.get(job.execution_id)
            if pending and not pending.isdisjoint(dependencies(job)):
                self._held.setdefault(job.execution_id, []).append(job)
            else:
                startable.append(job)
        return startable

    def tells_later(self, finished: Finished) -> bool:
        """Whether the end of an execution is reported only once its callbacks have returned."""
        if finished.execution_id not in self._pending:
            return False
        self._finished[finished.execution_id] = finished
        return True

    def returned(self, done: CalledBack) -> tuple[list[Job], Finished | None]:
        """A callback has returned: the jobs to look at again, and the execution whose end can be reported now."""
        execution_id = done.execution_id
        pending = self._pending[execution_id]
        pending.discard(done.node)
        held = self._held.pop(execution_id, [])
        if pending:
            return held, None
        del self._pending[execution_id]
        return held, self._finished.pop(execution_id, None)

    def close(self) -> None:
        """End the thread after the callbacks that are due."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            self._make(call)

    def _make(self, call: Call) -> None:
        name = "on_success" if call.error is None else "on_failure"
        ids = {"execution_id": call.execution_id, "workflow": call.workflow, "task": call.task.id}
        in_callback.set(CurrentCallback(name, ids))
        try:
            self._call(call)
        except BaseException:
            logger.exception(
                "%s of task %r of execution %s raised; the task's outcome stands",
                name, call.task.id, call.execution_id, extra=ids,
            )  # fmt: skip
        self._deliver(CalledBack(call.execution_id, call.node))

    def _call(self, call: Call) -> None:
        context = Context.over(call.view, self._encoders)
        if call.error is None:
            assert call.task.on_success is not None  # noqa: S101 - otherwise there would be no call
            returned: Any = call.task.on_success(call.task.id, context)
        else:
            assert call.task.on_failure is not None  # noqa: S101 - as above
            returned = call.task.on_failure(call.task.id, call.error, context)
        if inspect.iscoroutine(returned):
            import asyncio  # noqa: PLC0415 - only async callbacks pay for it

            asyncio.run(returned)
