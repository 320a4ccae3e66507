"""Assigning the tasks of a drawing to rows."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

_STRETCH = 1.5


def rows_of(
    dependencies: Sequence[Sequence[int]], *, widths: Sequence[float], most_width: float
) -> list[list[int]]:
    """Nodes in rows, each below all its dependencies: the levels of the graph, if these are narrow enough.

    A level that is too wide is split into rows that fit. The next row first takes what depends on them, so that
    arrows stay short: list scheduling as by Coffman and Graham, for a machine of that width.
    """
    waiting = [len(deps) for deps in dependencies]
    children = _children(dependencies)
    ready = [(0, node) for node, count in enumerate(waiting) if not count]
    rows: list[list[int]] = []
    while ready:
        row = _row(ready, widths=widths, most_width=most_width, above=rows)
        rows.append(sorted(row))
        for node in row:
            for child in children[node]:
                waiting[child] -= 1
                if not waiting[child]:
                    heappush(ready, (-len(rows), child))
    return rows


def _row(
    ready: list[tuple[int, int]],
    *,
    widths: Sequence[float],
    most_width: float,
    above: Sequence[Sequence[int]],
) -> list[int]:
    row: list[int] = []
    taken = 0.0
    while ready:
        urgency, node = ready[0]
        # So that none of several parallel chains is cut because its next task has a longer name.
        goes_on = bool(above) and urgency == -len(above) and len(row) < len(above[-1])
        if row and taken + widths[node] > most_width * (_STRETCH if goes_on else 1):
            break
        row.append(heappop(ready)[1])
        taken += widths[node]
    return row


def _children(dependencies: Sequence[Sequence[int]]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in dependencies]
    for node, deps in enumerate(dependencies):
        for dep in deps:
            children[dep].append(node)
    return children
