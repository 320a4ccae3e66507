"""What people may do to an execution, given where it stands: pure decisions, each a new standing or a refusal.

| verb   | Pending, Running    | Paused              | Completed  | Failed, Cancelled    |
|--------|---------------------|---------------------|------------|----------------------|
| cancel | Cancelled           | Cancelled           | refused    | refused, or no change |
| pause  | Paused              | no change           | refused    | refused              |
| resume | no change           | Pending or Running  | refused    | refused              |
| retry  | refused             | refused             | refused    | Pending or Running   |
| delete | refused             | refused             | deleted    | deleted              |

Every change takes the next fence, so that no turn writes by what was true before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cloaca.errors import ExecutionStateError
from cloaca.model.states import EventKind, Status


class Standing(NamedTuple):
    """Where an execution stands, as far as steering reads and changes it, in the order of the statement that reads it."""

    id: str
    workflow: str
    structure: str
    version: str
    status: str
    owner: str | None
    fence: int
    round: int
    round_fence: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    timed_from: float | None
    error: str | None


class Change(NamedTuple):
    """A new standing, and the event that led to it; ``details`` are JSON values."""

    standing: Standing
    event: EventKind
    details: dict[str, Any]


Verb = Callable[[Standing, float], Change | None]
"""Decides what becomes of a standing at a time, wall seconds; ``None`` where it already is as it shall be.

It raises ``ExecutionStateError`` where that cannot be.
"""


def cancel(standing: Standing, now: float) -> Change | None:
    """End it: nothing new starts, and what runs is told."""
    if standing.status == Status.CANCELLED:
        return None
    if standing.finished_at is not None:
        raise _refusal(standing, "cancelled", "it has ended, there is nothing left to cancel")
    changed = _next(
        standing, status=Status.CANCELLED.value, owner=None, finished_at=now, error="it was cancelled"
    )
    return Change(changed, EventKind.CANCELLED, {})


def pause(standing: Standing, now: float) -> Change | None:  # noqa: ARG001 - as every verb
    """Hold it: what runs ends and counts, nothing new starts."""
    if standing.status == Status.PAUSED:
        return None
    if standing.finished_at is not None:
        raise _refusal(standing, "paused", "it has ended, there is nothing left to hold")
    return Change(_next(standing, status=Status.PAUSED.value), EventKind.PAUSED, {})


def resume(standing: Standing, now: float) -> Change | None:
    """Let it go on; its time limit counts anew."""
    if standing.finished_at is not None:
        raise _refusal(standing, "resumed", _to_run_again(standing))
    if standing.status != Status.PAUSED:
        return None
    return Change(
        _next(standing, status=_open(standing), timed_from=_from(standing, now)), EventKind.RESUMED, {}
    )


def retry(standing: Standing, now: float) -> Change | None:
    """Open its next round; which tasks run again is decided when it is claimed, by what is stored of them.

    It may go on with any version of its workflow: a person has asked for it, most likely after a repair.
    """
    if standing.finished_at is None:
        raise _refusal(standing, "retried", "wait for its end, or cancel it first")
    if standing.status == Status.COMPLETED:
        raise _refusal(standing, "retried", _to_run_again(standing))
    ended = {"status": standing.status, "error": standing.error, "finished_at": standing.finished_at}
    changed = _next(
        standing, status=_open(standing), finished_at=None, error=None, round=standing.round + 1,
        round_fence=standing.fence + 1, timed_from=_from(standing, now), version="",
    )  # fmt: skip
    return Change(changed, EventKind.RETRIED, {"ended": ended})


def check_deletable(standing: Standing) -> None:
    """See that it has ended.

    Raises:
        ExecutionStateError: It has not.
    """
    if standing.finished_at is None:
        raise _refusal(standing, "deleted", "cancel it first")


def _next(standing: Standing, **changes: Any) -> Standing:
    return standing._replace(fence=standing.fence + 1, **changes)


def _open(standing: Standing) -> str:
    return (Status.PENDING if standing.started_at is None else Status.RUNNING).value


def _from(standing: Standing, now: float) -> float | None:
    return None if standing.started_at is None else now


def _to_run_again(standing: Standing) -> str:
    if standing.status == Status.COMPLETED:
        return "it has ended: fork it to run some of its tasks again in a new one"
    return "it has ended: retry it to run what failed again"


def _refusal(standing: Standing, done: str, advice: str) -> ExecutionStateError:
    return ExecutionStateError(
        f"execution {standing.id} of workflow {standing.workflow!r} is {standing.status} and cannot be {done}: {advice}",
        execution_id=standing.id,
        status=standing.status,
    )
