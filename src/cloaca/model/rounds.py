"""Rounds: which tasks of an execution run again after somebody has asked for it.

What failed for good runs again unless another task has handled the failure, and so does what was skipped behind it;
whatever completed stays completed. What was cancelled before it was decided is simply still open.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloaca.model.execution import StoredAttempt
from cloaca.model.graph import Graph
from cloaca.model.states import TaskStatus


def reopened(graph: Graph, latest: Mapping[int, StoredAttempt], round_fence: int) -> set[int]:
    """The nodes whose last attempt decided them in an earlier round, and which are open again in this one."""
    found: set[int] = set()
    for node in graph.order:
        stored = latest.get(node)
        if stored is None or stored.fence >= round_fence:
            continue
        if stored.status == TaskStatus.FAILED:
            is_open = stored.retry_at is not None or not is_handled(graph, node, latest)
        else:
            is_open = stored.status == TaskStatus.SKIPPED and any(
                dependency in found for dependency in graph.dependencies[node]
            )
        if is_open:
            found.add(node)
    return found


def is_handled(graph: Graph, node: int, latest: Mapping[int, StoredAttempt]) -> bool:
    """Whether a task completed whose rule asked for this one's failure."""
    return any(
        child in latest
        and latest[child].status == TaskStatus.COMPLETED
        and child in graph.rules
        and graph.ids[node] in graph.rules[child].handles()
        for child in graph.children[node]
    )
