"""Going back to the committed state of an execution after the database has refused its rows."""

from __future__ import annotations

from collections.abc import Mapping

from cloaca.engine.core import Core
from cloaca.engine.turn import Turn
from cloaca.model.events import Failed, Failure
from cloaca.model.execution import Decision, ExecutionState
from cloaca.model.restore import restore
from cloaca.model.states import TaskStatus


def roll_back(core: Core, turn: Turn, execution_id: str, failures: Mapping[str, Failure]) -> None:
    """Undo what a turn has decided on an execution, and fail some of its tasks in the next turn.

    Running bodies continue, and their outcomes are accepted as before.

    Raises:
        DatabaseError: The execution cannot be read; nothing has changed.
    """
    gone = core.live[execution_id]
    under_way = _under_way(gone, turn)
    state, decision = _committed(core, gone, under_way)
    failing = {state.graph.index[task]: failure for task, failure in failures.items()}
    decision.ready = [node for node in decision.ready if node not in under_way and node not in failing]
    turn.drop({execution_id})
    core.live[execution_id] = state
    core.decided(state, decision, turn)
    now = core.clock.now()
    for node, failure in failing.items():
        event = Failed(node, state.attempt(node), failure, now, now, final=True)
        core.timers.set(core.clock.monotonic(), (execution_id, event))


def _under_way(state: ExecutionState, turn: Turn) -> set[int]:
    """Nodes whose bodies were submitted before this turn and have not ended."""
    new = {job.node for job in turn.ready if job.execution_id == state.id}
    return {node for node, status in enumerate(state.status) if status is TaskStatus.READY} - new


def _committed(core: Core, gone: ExecutionState, under_way: set[int]) -> tuple[ExecutionState, Decision]:
    plan = core.plan(gone)
    state = plan.state(
        gone.id, gone.initial, owner=gone.owner, fence=gone.fence, created_at=gone.created_at,
        started_at=gone.started_at, version=gone.version, round=(gone.round, gone.round_fence),
    )  # fmt: skip
    state.claim = gone.claim
    state.size = gone.size
    decision = restore(state, core.store.read_attempts(gone.id), core.clock.now())
    decision.retries = [retry for retry in decision.retries if retry[1] not in under_way]
    for node in under_way:
        state.status[node] = TaskStatus.READY
    return state, decision
