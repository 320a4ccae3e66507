"""Restoring the state of an execution from its stored attempts."""

from __future__ import annotations

from collections.abc import Iterable

from cloaca.model.delta import Delta
from cloaca.model.events import Failure
from cloaca.model.execution import (
    COMPLETED,
    FAILED,
    PENDING,
    SKIPPED,
    Decision,
    ExecutionState,
    block_below,
    open_or_put_off,
    release,
)
from cloaca.model.rounds import DECIDED, decides, last_before, nearest_open, reopened
from cloaca.model.rows import AttemptRow, StoredAttempt
from cloaca.model.states import TaskStatus


def restore(state: ExecutionState, attempts: Iterable[StoredAttempt], now: float) -> Decision:
    """Bring a new state to where its stored attempts say it was.

    Returns:
        What to do now: which nodes are ready, and which wait for a retry. It has no rows and no finish, because the
        transaction that settles the last task of an execution also finishes it.
    """
    decision = Decision()
    by_node: dict[int, list[StoredAttempt]] = {}
    for stored in attempts:
        by_node.setdefault(state.graph.index[stored.task], []).append(stored)
        if stored.status in DECIDED:
            state.history.append(_summary(state, stored))
    latest = {node: rows[-1] for node, rows in by_node.items()}
    state.earlier_attempts = {
        node: last.attempt for node, last in last_before(by_node, state.round_fence).items()
    }
    again = reopened(state.graph, by_node, state.round_fence)
    kept = {node for node, last in latest.items() if decides(last)} - again
    _wait_beyond_what_is_kept(state, set(state.graph.order) - kept)
    for node in state.graph.order:
        last = latest.get(node)
        if node not in again:
            _restore_node(state, node, last)
        if last is not None and state.status[node] is PENDING:
            # A node that is skipped in the end and never becomes ready takes the next number as well.
            state.attempts[node] = last.attempt + (last.status in DECIDED)
    for node, status in enumerate(state.status):
        if status is PENDING and not state.waiting[node]:
            _restore_open(state, node, latest.get(node), now, decision, is_again=node in again)
    return decision


def _wait_beyond_what_is_kept(state: ExecutionState, undecided: set[int]) -> None:
    """Let each node wait for every earlier node that a round or a fork has reopened, even if all nodes between are kept.

    Otherwise its context would depend on whether these happen to end before it starts.
    """
    graph = state.graph
    for node, awaited in nearest_open(graph, undecided).items():
        if node not in undecided:
            state.replays = True
            continue
        for far in awaited.difference(graph.dependencies[node]):
            state.waiting[node] += 1
            state.beyond.setdefault(far, []).append(node)


def _summary(state: ExecutionState, stored: StoredAttempt) -> AttemptRow:
    return AttemptRow(
        state.id, stored.task, stored.attempt, stored.status, None, stored.error, stored.reason, stored.started_at,
        stored.finished_at, stored.retry_at, state.owner, state.fence,
    )  # fmt: skip


def _restore_node(state: ExecutionState, node: int, stored: StoredAttempt | None) -> None:
    if stored is None:
        return
    if stored.status == COMPLETED:
        state.leave(node, Delta.from_text(stored.delta or "{}"))
    elif stored.status == SKIPPED:
        state.leave(node, None)
        block_below(state, node)
    elif stored.status == FAILED and stored.retry_at is None:
        failure = Failure.from_text(stored.error) if stored.error else Failure("Error", "", "")
        state.failures[node] = failure
        state.leave(node, None)
        for child in state.graph.children[node]:
            state.blocked.setdefault(child, state.graph.ids[node])
    else:
        return
    state.status[node] = TaskStatus(stored.status)
    state.open -= 1
    release(state, node)
    for child in state.graph.children[node]:
        state.waiting[child] -= 1


def _restore_open(
    state: ExecutionState,
    node: int,
    stored: StoredAttempt | None,
    now: float,
    decision: Decision,
    *,
    is_again: bool,
) -> None:
    if stored is not None:
        if stored.status == "Suspect":
            state.suspects[node] = stored
        if stored.retry_at is not None and stored.retry_at > now and not is_again:
            decision.retries.append((stored.retry_at, node, state.attempt(node)))
            return
    open_or_put_off(state, node, now, decision)
