"""Forks: what a new execution keeps of an earlier one, given the task from which it runs again."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cloaca.model.delta import Delta
from cloaca.model.graph import Graph
from cloaca.model.rows import StoredAttempt
from cloaca.model.states import TaskStatus


def kept(
    graph: Graph, attempts: Iterable[StoredAttempt], *, from_task: str, edited: Collection[str]
) -> list[tuple[StoredAttempt, str | None]]:
    """The completed attempts of tasks other than ``from_task`` and its descendants, with the deltas they have in the fork.

    Changes to keys in ``edited`` are left out: the fork's input has their values.
    """
    again = graph.descendants(graph.index[from_task]) | {graph.index[from_task]}
    return [
        (stored, _without(stored.delta, edited))
        for stored in attempts
        if stored.status == TaskStatus.COMPLETED and graph.index[stored.task] not in again
    ]


def _without(delta: str | None, keys: Collection[str]) -> str | None:
    if delta is None or not keys:
        return delta
    operations = Delta.from_text(delta).operations
    return Delta({key: operation for key, operation in operations.items() if key not in keys}).text
