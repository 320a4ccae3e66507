"""Rounds: which tasks of an execution run again after it was retried.

Tasks that failed for good run again, unless another task has handled the failure, and so do the tasks that were skipped
because of them; completed tasks keep their results. Tasks that were cancelled before they were decided are simply still open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cloaca.model.graph import Graph
from cloaca.model.rows import AttemptRow, StoredAttempt
from cloaca.model.states import TaskStatus

Attempts = Mapping[int, Sequence[StoredAttempt]]
"""By node, in the order of their numbers."""

DECIDED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED)
"""Final statuses of attempts."""


def decides(stored: StoredAttempt | AttemptRow) -> bool:
    """Whether an attempt decides its task, unless a later round reopens it."""
    is_final_failure = stored.status == TaskStatus.FAILED and stored.retry_at is None
    return is_final_failure or stored.status in (TaskStatus.COMPLETED, TaskStatus.SKIPPED)


def reopened(graph: Graph, attempts: Attempts, round_fence: int) -> set[int]:
    """The nodes that an earlier round decided, and that are open in this one.

    The result does not depend on what happened to other nodes in this round, so every claim in it gets the same.
    """
    earlier = last_before(attempts, round_fence)
    return {node for node in _open_again(graph, earlier) if attempts[node][-1] is earlier[node]}


def last_before(attempts: Attempts, round_fence: int) -> dict[int, StoredAttempt]:
    """The last attempt at each node in earlier rounds."""
    earlier = {}
    for node, rows in attempts.items():
        for stored in rows:
            if stored.fence < round_fence and stored.status in DECIDED:
                earlier[node] = stored
    return earlier


def _open_again(graph: Graph, earlier: Mapping[int, StoredAttempt]) -> set[int]:
    found: set[int] = set()
    for node, stored in ((node, earlier[node]) for node in graph.order if node in earlier):
        if stored.status == TaskStatus.FAILED:
            is_open = stored.retry_at is not None or not is_handled(graph, node, earlier)
        else:
            is_open = stored.status == TaskStatus.SKIPPED and any(
                # It was reopened by a dependency that was decided again, in a round that ended before this node was decided too.
                dependency in found or (dependency in earlier and earlier[dependency].fence > stored.fence)
                for dependency in graph.dependencies[node]
            )
        if is_open:
            found.add(node)
    return found


def nearest_open(graph: Graph, undecided: Collection[int]) -> dict[int, frozenset[int]]:
    """For each node that has to wait: the undecided nodes before it that have only decided nodes in between.

    Usually these are dependencies. Others occur when a round or a fork has reopened a task before one that it keeps.
    """
    nearest: dict[int, frozenset[int]] = {}
    for node in graph.order:
        found = {dependency for dependency in graph.dependencies[node] if dependency in undecided}
        kept = {
            nearest[dependency]
            for dependency in graph.dependencies[node]
            if dependency in nearest and dependency not in undecided
        }
        if len(kept) == 1 and not found:
            # The nodes of a kept chain share one set.
            nearest[node] = kept.pop()
        elif found or kept:
            nearest[node] = frozenset(found.union(*kept))
    return nearest


def is_handled(graph: Graph, node: int, latest: Mapping[int, StoredAttempt]) -> bool:
    """Whether a task completed whose rule accepts the failure of this one."""
    return any(
        child in latest
        and latest[child].status == TaskStatus.COMPLETED
        and child in graph.rules
        and graph.ids[node] in graph.rules[child].handles()
        for child in graph.children[node]
    )
