"""What steering does to an execution, given its status: pure decisions, each a new state or a refusal.

| verb   | Pending, Running    | Paused              | Completed  | Failed, Cancelled    |
|--------|---------------------|---------------------|------------|----------------------|
| cancel | Cancelled           | Cancelled           | refused    | refused, or no change |
| pause  | Paused              | no change           | refused    | refused              |
| resume | no change           | Pending or Running  | refused    | refused              |
| retry  | refused             | refused             | refused    | Pending or Running   |
| delete | refused             | refused             | deleted    | deleted              |

Every change takes the next fence, so that no turn can write based on the previous state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cloaca.errors import ExecutionStateError
from cloaca.model.states import EventKind, Status


class Standing(NamedTuple):
    """The part of an execution's row that steering reads and changes, in the order of the statement that reads it."""

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
    """The new state of an execution, and the event to record; ``details`` are JSON values."""

    standing: Standing
    event: EventKind
    details: dict[str, Any]


Verb = Callable[[Standing, float], Change | None]
"""Decides on the change to an execution at a time in wall-clock seconds; ``None`` if there is nothing to change.

Raises ``ExecutionStateError`` if the execution does not allow it.
"""


def cancel(standing: Standing, now: float) -> Change | None:
    """End it: nothing new starts, and running bodies are interrupted."""
    if standing.status == Status.CANCELLED:
        return None
    if standing.finished_at is not None:
        raise _refusal(standing, "cancelled", "it has already ended")
    changed = _next(
        standing, status=Status.CANCELLED.value, owner=None, finished_at=now, error="it was cancelled"
    )
    return Change(changed, EventKind.CANCELLED, {})


def pause(standing: Standing, now: float) -> Change | None:  # noqa: ARG001 - as every verb
    """Hold it: running tasks finish and count, and nothing new starts."""
    if standing.status == Status.PAUSED:
        return None
    if standing.finished_at is not None:
        raise _refusal(standing, "paused", "it has already ended")
    return Change(_next(standing, status=Status.PAUSED.value), EventKind.PAUSED, {})


def resume(standing: Standing, now: float) -> Change | None:
    """Continue it; its timeout starts anew."""
    if standing.finished_at is not None:
        raise _refusal(standing, "resumed", _to_run_again(standing))
    if standing.status != Status.PAUSED:
        return None
    return Change(
        _next(standing, status=_open(standing), timed_from=_from(standing, now)), EventKind.RESUMED, {}
    )


def retry(standing: Standing, now: float) -> Change | None:
    """Open its next round. Which tasks run again is decided when it is claimed, from what is stored of them.

    Any version of its workflow may continue it: somebody has requested this, most likely after a fix.
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
    """Check that it has ended.

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
    return "it has ended: retry it to run the failed tasks again"


def _refusal(standing: Standing, done: str, advice: str) -> ExecutionStateError:
    return ExecutionStateError(
        f"execution {standing.id} of workflow {standing.workflow!r} is {standing.status} and cannot be {done}: {advice}",
        execution_id=standing.id,
        status=standing.status,
    )
