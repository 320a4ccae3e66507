"""Forks: what a new execution keeps of an earlier one, up to the task from which it is to run again."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cloaca.model.delta import Delta
from cloaca.model.execution import StoredAttempt
from cloaca.model.graph import Graph
from cloaca.model.states import TaskStatus


def kept(
    graph: Graph, attempts: Iterable[StoredAttempt], *, from_task: str, edited: Collection[str]
) -> list[tuple[StoredAttempt, str | None]]:
    """The completed attempts at tasks that neither are ``from_task`` nor come after it, with what they leave in the fork.

    What they have written to a key that is ``edited`` is left out: the fork's input has its value.
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
