"""Why an execution is not making progress; pure, from what is stored and what is known of code and runners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cloaca.authoring.names import listed
from cloaca.insights.code import CodeOf, LimitOf, wanted
from cloaca.insights.reading import Stored, tasks_of
from cloaca.insights.reasons import Explanation, Reason, ReasonKind
from cloaca.insights.records import TaskRecord, time_text
from cloaca.insights.runners import RunnerRecord
from cloaca.insights.tasks import SETTLED
from cloaca.model.events import Failure
from cloaca.model.rounds import nearest_open
from cloaca.model.rows import StoredAttempt
from cloaca.model.shown import times_text
from cloaca.model.states import EventKind, Status, TaskStatus

if TYPE_CHECKING:
    from cloaca.model.graph import Graph
    from cloaca.store.rows import ExecutionRow
    from cloaca.store.steering import EventRow

WORKER = "cloaca worker MODULE"


class Known(NamedTuple):
    """What is known besides the execution itself."""

    events: Sequence[EventRow]
    runners: Mapping[str, RunnerRecord]
    code_of: CodeOf | None
    limit_of: LimitOf
    now: float


def explanation(stored: Stored, known: Known) -> Explanation:
    """Why an execution is not making progress."""
    row = stored.row
    if row.finished_at is not None:
        reasons = [_end(row)]
    else:
        reasons = [*_of_execution(row, known), *_of_tasks(stored, known)]
    reasons += _skips(stored)
    return Explanation(row.id, Status(row.status), reasons or [_ending(row, known)])


# -- the execution as a whole ------------------------------------------------------------------------------------------


def _end(row: ExecutionRow) -> Reason:
    again = f"cloaca retry {row.id}" if row.status != Status.COMPLETED else f"cloaca show {row.id}"
    return Reason(
        ReasonKind.ENDED,
        None,
        f"it has ended as {row.status}" + (f": {row.error}" if row.status == Status.FAILED else ""),
        again,
    )


def _ending(row: ExecutionRow, known: Known) -> Reason:
    text = f"all its tasks have ended: {_owner(row, known)} stores the result in its next turn"
    return Reason(ReasonKind.ENDING, None, text, None)


def _of_execution(row: ExecutionRow, known: Known) -> Iterator[Reason]:
    if row.status == Status.PAUSED:
        yield _pause(row, known.events)
    elif row.owner is None:
        yield _nobody(row, known)
    if row.owner is not None:
        yield from _lease(row, known)


def _pause(row: ExecutionRow, events: Iterable[EventRow]) -> Reason:
    since = [event.at for event in events if event.kind == EventKind.PAUSED and event.fence <= row.fence]
    text = "it is paused" + (f" since {time_text(since[-1])}" if since else "")
    if row.owner is not None:
        text += "; running tasks may still finish"
    return Reason(ReasonKind.PAUSED, None, text, f"cloaca resume {row.id}")


def _nobody(row: ExecutionRow, known: Known) -> Reason:
    kind, text = wanted(row, known.code_of)
    text = f"it waits for {text}" if kind == ReasonKind.RUNNER else f"it waits for its code: {text}"
    if not known.runners:
        text += "; no runner is using this database"
    return Reason(ReasonKind(kind), None, text, WORKER)


def _lease(row: ExecutionRow, known: Known) -> Iterator[Reason]:
    owner = known.runners.get(row.owner or "")
    if owner is None:
        text = f"{_owner(row, known)} owns it, but is not among the runners of this database: no runner takes over from it"
        yield Reason(ReasonKind.LEASE, None, text, f"cloaca cancel {row.id}")
        return
    if owner.is_gone:
        text = f"{owner} owns it, but has ended or lost its connection: another runner takes over as soon as that is certain"
    elif owner.silent_since is not None:
        since = time_text(owner.silent_since.timestamp())
        text = f"{owner} owns it, but has been silent since {since}: another runner takes over when its lease ends"
    else:
        return
    yield Reason(ReasonKind.LEASE, None, text, WORKER)


def _is_gone(row: ExecutionRow, known: Known) -> bool:
    """Whether nothing that its owner has started is running any more."""
    owner = known.runners.get(row.owner or "")
    return owner is None or owner.is_gone is True


def _owner(row: ExecutionRow, known: Known) -> str:
    owner = known.runners.get(row.owner or "")
    return str(owner) if owner else f"runner {row.owner}" if row.owner else "a runner"


# -- its tasks ---------------------------------------------------------------------------------------------------------


def _of_tasks(stored: Stored, known: Known) -> Iterator[Reason]:
    """What its tasks wait for, in declared order; tasks that could continue come first."""
    latest = {attempt.task: attempt for attempt in stored.attempts}
    tasks: dict[str, TaskRecord] = tasks_of(*stored)
    behind = []
    for task in tasks.values():
        if task.status in (TaskStatus.PENDING, TaskStatus.READY, TaskStatus.RUNNING):
            reason = _of_task(stored, known, task, latest.get(task.id))
            if reason is not None:
                yield reason
            elif task.status is TaskStatus.PENDING:
                behind.append(task)
    yield from _dependencies(stored.graph, tasks, behind)


def _of_task(stored: Stored, known: Known, task: TaskRecord, last: StoredAttempt | None) -> Reason | None:
    """What a task with decided dependencies waits for; ``None`` if only the execution as a whole waits."""
    row = stored.row
    if last is not None and last.status == "Suspect":
        return _suspect(task, last, known.now)
    if last is not None and task.status is TaskStatus.PENDING and last.retry_at is not None and task.reason:
        return _retry(task, last, known.now)
    if row.owner is None or _is_gone(row, known):
        return None
    if last is not None and task.status is TaskStatus.RUNNING:
        return _body(row, known, task, last)
    if task.status is TaskStatus.READY and row.status != Status.PAUSED:
        text = f"task {task.id!r} waits for a slot at {_owner(row, known)}, or started there less than 100 ms ago"
        return Reason(ReasonKind.SLOT, task.id, text, None)
    return None


def _suspect(task: TaskRecord, last: StoredAttempt, now: float) -> Reason:
    due = (
        f", not before {time_text(last.retry_at)}"
        if last.retry_at is not None and last.retry_at > now
        else ""
    )
    text = (
        f"task {task.id!r} may have crashed its process {times_text(last.crashes)}: it runs alone next{due}"
    )
    return Reason(ReasonKind.SUSPECT, task.id, text, None)


def _retry(task: TaskRecord, last: StoredAttempt, now: float) -> Reason:
    assert last.retry_at is not None  # noqa: S101 - the caller has seen to it
    failure = Failure.from_text(last.error) if last.error else "it failed"
    due = "is due at" if last.retry_at > now else "was due at"
    text = f"task {task.id!r} failed, {failure}: attempt {last.attempt + 1} {due} {time_text(last.retry_at)}"
    return Reason(ReasonKind.RETRY, task.id, text, None)


def _body(row: ExecutionRow, known: Known, task: TaskRecord, last: StoredAttempt) -> Reason:
    since = f", started at {time_text(last.started_at)}" if last.started_at is not None else ""
    limit = known.limit_of(row.workflow, task.id)
    timeout = f", timeout {limit:g} s" if limit is not None else ""
    where = f"at {_owner(row, known)}{since}{timeout}"
    if last.deferred:
        text = f"task {task.id!r}, attempt {last.attempt}, waits for its condition without a slot {where}"
        return Reason(ReasonKind.DEFERRED, task.id, text, None)
    return Reason(
        ReasonKind.RUNNING, task.id, f"task {task.id!r}, attempt {last.attempt}, runs {where}", None
    )


def _dependencies(
    graph: Graph, tasks: Mapping[str, TaskRecord], behind: Iterable[TaskRecord]
) -> Iterator[Reason]:
    undecided = {graph.index[id] for id, task in tasks.items() if task.status not in SETTLED}
    awaited = nearest_open(graph, undecided)
    for task in behind:
        waits = [graph.ids[node] for node in sorted(awaited[graph.index[task.id]])]
        yield Reason(ReasonKind.DEPENDENCY, task.id, f"task {task.id!r} waits for {listed(waits)}", None)


def _skips(stored: Stored) -> Iterator[Reason]:
    for task in tasks_of(*stored).values():
        if task.status is TaskStatus.SKIPPED:
            text = f"task {task.id!r} was skipped: {task.reason}"
            yield Reason(ReasonKind.SKIPPED, task.id, text, None)
