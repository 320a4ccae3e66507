"""One execution as a pure state machine: what an event changes, what is written for it, and what happens next.

``begin`` and ``advance`` read no clock, do no I/O and use no random numbers, so the same events give the same rows in the
engine, in a simulation and after a crash. They modify the state they are given, which belongs to the engine alone. If a
commit fails, the engine discards the state and loads it again from the rows.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

from cloaca.model.delta import Delta
from cloaca.model.events import Event, Failed, Failure, RetryDue, Succeeded, TimedOut
from cloaca.model.graph import Graph
from cloaca.model.retry import RetryPolicy
from cloaca.model.rows import AttemptRow, FinishRow, StoredAttempt
from cloaca.model.rules import Facts
from cloaca.model.states import Status, TaskStatus
from cloaca.model.view import View, final_view, replayed, view_before

KEPT_DELTA = 1000
"""Longer deltas are left out of the history in the state; for short ones, making a smaller row would cost more."""

PENDING, READY = TaskStatus.PENDING, TaskStatus.READY
COMPLETED, FAILED, SKIPPED = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED
CANCELLED = TaskStatus.CANCELLED


class TaskLimits(NamedTuple):
    """The retry policy and timeout of a task, with the runner's defaults filled in."""

    retry: RetryPolicy
    timeout_seconds: float


class Decision:
    """The result of an event: rows to commit, and what to do once they are committed."""

    __slots__ = ("finish", "ready", "retries", "rows")

    def __init__(self) -> None:
        self.rows: list[AttemptRow] = []
        self.ready: list[int] = []
        self.retries: list[tuple[float, int, int]] = []
        """(wall-clock time it is due, node, attempt)"""
        self.finish: FinishRow | None = None


class ExecutionState:
    """Everything the engine knows of one execution while it holds it.

    Args:
        limits: One entry per node.
        fence: The number of the claim under which it runs.
        round: The number of the current round, and the fence at which it began.
    """

    __slots__ = (
        "after", "attempts", "beyond", "blocked", "claim", "created_at", "deltas", "earlier_attempts", "expired",
        "failures", "fence", "graph", "history", "id", "initial", "limits", "merged", "open", "owner", "replays", "round",
        "round_fence", "size", "started_at", "status", "suspects", "timed_from", "uses", "version", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        execution_id: str,
        graph: Graph,
        limits: tuple[TaskLimits, ...],
        initial: View,
        *,
        owner: str,
        fence: int,
        created_at: float,
        started_at: float,
        version: str = "",
        round: tuple[int, int] = (1, 0),
    ) -> None:
        self.id = execution_id
        self.graph = graph
        self.limits = limits
        self.initial = initial
        self.owner = owner
        self.fence = self.claim = fence
        """Rows are written under the fence, which grows when the execution is steered; bodies run under the claim."""
        self.round, self.round_fence = round
        self.created_at = created_at
        self.started_at = self.timed_from = started_at
        self.version = version
        self.open = len(graph)
        self.waiting = list(graph.degrees)
        self.beyond: dict[int, list[int]] = {}
        """By node: nodes other than its children that wait for it, because all nodes between were kept from an earlier round."""
        self.uses = list(graph.readers)
        self.status = [PENDING] * len(graph)
        self.after: list[View | None] = [None] * len(graph)
        self.deltas: dict[int, Delta] = {}
        self.merged: dict[int, View] = {}
        """The context of a join, from when it is ready until it is decided."""
        self.attempts: dict[int, int] = {}
        """The number of the current or next attempt, if it is not the first."""
        self.blocked: dict[int, str] = {}
        """Node to the id of the failed task that will cause it to be skipped, unless it has a rule."""
        self.expired: str | None = None
        """Why nothing else may run, once the execution as a whole has timed out."""
        self.failures: dict[int, Failure] = {}
        self.suspects: dict[int, StoredAttempt] = {}
        """Nodes whose next attempt may have crashed a process before, with what is stored of it."""
        self.history: list[AttemptRow] = []
        """The rows so far, without long deltas: the source of a result's tasks."""
        self.earlier_attempts: dict[int, int] = {}
        """By node: the number of its last attempt in an earlier round, because each round counts retries from zero."""
        self.replays = False
        """Whether views are replayed from the input, because an unfinished task precedes a completed one."""
        self.size = 0
        """Roughly, the bytes of context text that are held."""

    def attempt(self, node: int) -> int:
        """The number of the current or next attempt, from 1."""
        return self.attempts.get(node, 1)

    def expects(self, node: int, attempt: int) -> bool:
        """Whether the outcome of this attempt would still be accepted."""
        return self.status[node] is READY and self.attempts.get(node, 1) == attempt

    def is_suspect(self, node: int) -> bool:
        """Whether the next attempt may have crashed a process before."""
        return node in self.suspects and self.suspects[node].attempt == self.attempt(node)

    def view(self, node: int) -> View:
        """The merged context that ``node`` sees."""
        if self.replays:
            return replayed(self.graph, self.initial, self.graph.dependencies[node], self.deltas)
        if self.graph.degrees[node] < 2:
            return view_before(self.graph, node, self.initial, self.after, self.deltas)
        if node not in self.merged:
            self.merged[node] = view_before(self.graph, node, self.initial, self.after, self.deltas)
        return self.merged[node]

    def leave(self, node: int, delta: Delta | None) -> None:
        """Keep what a decided node left, if anybody will read it; ``None`` if it left nothing."""
        if self.uses[node] and not self.replays:
            view = self.view(node)
            self.after[node] = view if delta is None else view.after(node, delta)
        self.merged.pop(node, None)
        if delta is not None:
            self.size += len(delta.text)
            if self.graph.has_joins or self.replays:
                self.deltas[node] = delta

    def final_view(self) -> View:
        """The merged contexts of all leaves."""
        if self.replays:
            return replayed(self.graph, self.initial, self.graph.leaves, self.deltas)
        return final_view(self.graph, self.initial, self.after, self.deltas)

    def row(
        self,
        node: int,
        attempt: int,
        status: TaskStatus,
        *,
        failure: Failure | None = None,
        reason: str | None = None,
        started_at: float | None = None,
        finished_at: float | None = None,
        retry_at: float | None = None,
    ) -> AttemptRow:
        """The row of an attempt that left nothing, under the owner and fence of this state."""
        return AttemptRow(
            self.id, self.graph.ids[node], attempt, status.value, None, failure.text() if failure else None,
            reason, started_at, finished_at, retry_at, self.owner, self.fence,
        )  # fmt: skip


def begin(state: ExecutionState) -> Decision:
    """The first decision about a new execution: its roots are ready.

    It has no rows, because the start may lose to an earlier one with the same key. A root that is to be skipped is skipped
    by the ``RetryDue`` that follows.
    """
    decision = Decision()
    for node in state.graph.roots:
        open_or_put_off(state, node, state.started_at, decision)
    return decision


def advance(state: ExecutionState, event: Event, now: float) -> Decision:
    """Apply one event.

    An outdated event (another attempt has settled the task, or the task was given up) decides nothing.

    Returns:
        The rows to commit, and what to do once they are committed. Doing it earlier would break the guarantee
        that a decision is durable before anything acts on it.
    """
    decision = Decision()
    match event:
        case Succeeded():
            _succeeded(state, event, decision)
        case Failed():
            _failed(state, event, decision)
        case RetryDue(node, attempt):
            if state.status[node] is PENDING and state.attempts.get(node, 1) == attempt:
                _open(state, node, decision)
        case TimedOut(limit, _):
            _timed_out(state, limit, now, decision)
        case _:
            assert_never(event)
    if not state.open and decision.rows:
        decision.finish = _finish(state, now)
    return decision


def _succeeded(state: ExecutionState, event: Succeeded, decision: Decision) -> None:
    node, attempt, delta, started_at, finished_at = event
    if not state.expects(node, attempt):
        return
    graph = state.graph
    _write(
        state, decision,
        AttemptRow(
            state.id, graph.ids[node], attempt, "Completed", delta.text, None, None, started_at, finished_at, None,
            state.owner, state.fence,
        ),
    )  # fmt: skip
    state.leave(node, delta)
    _settle(state, node, COMPLETED, decision)


def _failed(state: ExecutionState, event: Failed, decision: Decision) -> None:
    node, attempt, failure, started_at, finished_at, final = event
    if not state.expects(node, attempt):
        return
    retry_at = None if final else _retry_at(state, event)
    row = state.row(
        node,
        attempt,
        FAILED,
        failure=failure,
        started_at=started_at,
        finished_at=finished_at,
        retry_at=retry_at,
    )
    _write(state, decision, row)
    if retry_at is None:
        _give_up(state, node, failure, decision)
    else:
        state.status[node] = PENDING
        state.attempts[node] = attempt + 1
        decision.retries.append((retry_at, node, attempt + 1))


def _retry_at(state: ExecutionState, event: Failed) -> float | None:
    policy = state.limits[event.node].retry
    attempt = event.attempt - state.earlier_attempts.get(event.node, 0)
    if not policy.should_retry(attempt - 1, str(event.failure)):
        return None
    task = state.graph.ids[event.node]
    return event.finished_at + policy.delay_of(attempt, execution_id=state.id, task=task)


def _give_up(state: ExecutionState, node: int, failure: Failure, decision: Decision) -> None:
    state.failures[node] = failure
    state.leave(node, None)
    for child in state.graph.children[node]:
        state.blocked.setdefault(child, state.graph.ids[node])
    _settle(state, node, FAILED, decision)


def _settle(state: ExecutionState, node: int, status: TaskStatus, decision: Decision) -> None:
    """Mark a node as decided, and decide which nodes that makes ready or skipped, transitively."""
    settled = [(node, status)]
    children, rules = state.graph.children, state.graph.rules
    beyond, blocked = state.beyond, state.blocked
    while settled:
        node, status = settled.pop()
        state.status[node] = status
        state.open -= 1
        release(state, node)
        for child in (*children[node], *beyond[node]) if node in beyond else children[node]:
            state.waiting[child] -= 1
            if state.waiting[child] or state.status[child] is not PENDING:
                continue
            may_be_skipped = child in rules or child in blocked or state.expired
            if may_be_skipped and (reason := _why_skipped(state, child)):
                _skip(state, child, reason, decision)
                settled.append((child, SKIPPED))
            else:
                state.status[child] = READY
                decision.ready.append(child)


def _open(state: ExecutionState, node: int, decision: Decision) -> None:
    """Make a node ready whose dependencies are decided, or skip it and decide what follows from that."""
    if reason := _why_skipped(state, node):
        _skip(state, node, reason, decision)
        _settle(state, node, SKIPPED, decision)
    else:
        state.status[node] = READY
        decision.ready.append(node)


def open_or_put_off(state: ExecutionState, node: int, now: float, decision: Decision) -> None:
    """Make a node ready, or have it skipped by an event: no row can be written yet."""
    if _why_skipped(state, node):
        decision.retries.append((now, node, state.attempt(node)))
    else:
        state.status[node] = READY
        decision.ready.append(node)


def _why_skipped(state: ExecutionState, node: int) -> str | None:
    """Why a node whose dependencies are decided does not run, or ``None`` if it runs."""
    rule = state.graph.rules.get(node)
    if rule is None and node in state.blocked:
        return f"upstream failed: {state.blocked[node]!r}"
    if rule is None or state.expired:
        return state.expired
    graph, status = state.graph, state.status
    return rule.refusal(Facts(lambda task: status[graph.index[task]], lambda key: state.view(node).get(key)))


def _skip(state: ExecutionState, node: int, reason: str, decision: Decision) -> None:
    # A suspect that is skipped after all already has a row with its number.
    _write(state, decision, state.row(node, state.attempts.get(node, 0), SKIPPED, reason=reason))
    state.leave(node, None)
    block_below(state, node)


def block_below(state: ExecutionState, node: int) -> None:
    """Dependents of a skipped node are skipped too, unless the node was skipped by its own rule."""
    if node in state.blocked and (state.expired or node not in state.graph.rules):
        for child in state.graph.children[node]:
            state.blocked.setdefault(child, state.blocked[node])


def release(state: ExecutionState, node: int) -> None:
    """Drop the views that nobody will read again now that ``node`` is decided."""
    for source in state.graph.reads[node]:
        state.uses[source] -= 1
        if not state.uses[source]:
            state.after[source] = None


def _timed_out(state: ExecutionState, limit: float, now: float, decision: Decision) -> None:
    message = f"the execution took longer than its workflow_timeout_seconds of {limit:g}"
    failure = Failure("WorkflowTimeoutError", message, "")
    state.expired = message
    undecided = (PENDING, READY)
    for node in [n for n, status in enumerate(state.status) if status in undecided and not state.waiting[n]]:
        _write(
            state, decision, state.row(node, state.attempt(node), FAILED, failure=failure, finished_at=now)
        )
        _give_up(state, node, failure, decision)


def _write(state: ExecutionState, decision: Decision, row: AttemptRow) -> None:
    decision.rows.append(row)
    if row.delta is not None and len(row.delta) > KEPT_DELTA:
        row = row._replace(delta=None)
    state.history.append(row)


def _finish(state: ExecutionState, now: float) -> FinishRow:
    message = failure_message(state)
    status = Status.FAILED if message else Status.COMPLETED
    return FinishRow(status, message, now, state.id, state.owner, state.fence)


def failure_message(state: ExecutionState) -> str | None:
    """The unhandled failures, in declared order: task, type and message of each; ``None`` if there are none."""
    lines = [
        f"task {state.graph.ids[node]!r} failed: {state.failures[node]}"
        for node in sorted(state.failures)
        if not _is_handled(state, node)
    ]
    # A lone surrogate or NUL in a message is valid in Python, but not a valid text for a database.
    return "; ".join(lines).encode("utf-8", "backslashreplace").decode().replace("\0", r"\x00") or None


def _is_handled(state: ExecutionState, node: int) -> bool:
    """Whether a task completed whose rule accepts the failure of this one."""
    graph = state.graph
    return any(
        state.status[child] is COMPLETED
        and child in graph.rules
        and graph.ids[node] in graph.rules[child].handles()
        for child in graph.children[node]
    )
