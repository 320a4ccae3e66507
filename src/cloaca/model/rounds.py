"""Rounds: which tasks of an execution run again after somebody has asked for it.

What failed for good runs again unless another task has handled the failure, and so does what was skipped behind it;
whatever completed stays completed. What was cancelled before it was decided is simply still open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cloaca.model.execution import AttemptRow, StoredAttempt
from cloaca.model.graph import Graph
from cloaca.model.states import TaskStatus

Attempts = Mapping[int, Sequence[StoredAttempt]]
"""By node, in the order of their numbers."""

DECIDED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED)
"""Statuses of attempts of which nothing more will come."""


def decides(stored: StoredAttempt | AttemptRow) -> bool:
    """Whether an attempt decides its task, unless a later round opens it again."""
    is_final_failure = stored.status == TaskStatus.FAILED and stored.retry_at is None
    return is_final_failure or stored.status in (TaskStatus.COMPLETED, TaskStatus.SKIPPED)


def reopened(graph: Graph, attempts: Attempts, round_fence: int) -> set[int]:
    """The nodes whose last attempt decided them in an earlier round, and which are open again in this one.

    What has become of others in this round does not matter: each claim in it finds the same.
    """
    former = last_before(attempts, round_fence)
    return {node for node in _open_again(graph, former) if attempts[node][-1] is former[node]}


def last_before(attempts: Attempts, round_fence: int) -> dict[int, StoredAttempt]:
    """The last attempt at each node in the rounds before."""
    former = {}
    for node, rows in attempts.items():
        for stored in rows:
            if stored.fence < round_fence and stored.status in DECIDED:
                former[node] = stored
    return former


def _open_again(graph: Graph, former: Mapping[int, StoredAttempt]) -> set[int]:
    found: set[int] = set()
    for node, stored in ((node, former[node]) for node in graph.order if node in former):
        if stored.status == TaskStatus.FAILED:
            is_open = stored.retry_at is not None or not is_handled(graph, node, former)
        else:
            is_open = stored.status == TaskStatus.SKIPPED and any(
                # One that was decided anew had opened this one, in a round that ended before it was decided too.
                dependency in found or (dependency in former and former[dependency].fence > stored.fence)
                for dependency in graph.dependencies[node]
            )
        if is_open:
            found.add(node)
    return found


def nearest_open(graph: Graph, undecided: Collection[int]) -> dict[int, frozenset[int]]:
    """The undecided nodes that a node has to wait for, of each that has to: those before it with only decided ones between.

    Mostly these are dependencies. Others are among them once a round or a fork has opened a task before one that it keeps.
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
            # A chain that is kept shares one set.
            nearest[node] = kept.pop()
        elif found or kept:
            nearest[node] = frozenset(found.union(*kept))
    return nearest


def is_handled(graph: Graph, node: int, latest: Mapping[int, StoredAttempt]) -> bool:
    """Whether a task completed whose rule asked for this one's failure."""
    return any(
        child in latest
        and latest[child].status == TaskStatus.COMPLETED
        and child in graph.rules
        and graph.ids[node] in graph.rules[child].handles()
        for child in graph.children[node]
    )
