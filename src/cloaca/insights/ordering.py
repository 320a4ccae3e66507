"""Ordering what happened where clocks cannot be relied on; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush


def in_order(times: Sequence[float], before: Mapping[int, Sequence[int]]) -> list[int]:
    """The positions of events with these times: in time order, except that nothing precedes what must come before it.

    Args:
        before: Position to the positions that must come before it; without cycles.

    >>> in_order([3.0, 1.0, 2.0], {1: [0]})
    [2, 0, 1]
    """
    waiting = [len(before.get(position, ())) for position in range(len(times))]
    behind: dict[int, list[int]] = {}
    for position, earlier in before.items():
        for one in earlier:
            behind.setdefault(one, []).append(position)
    free = [(times[position], position) for position, number in enumerate(waiting) if not number]
    heapify(free)
    ordered: list[int] = []
    while free:
        _, position = heappop(free)
        ordered.append(position)
        for later in behind.get(position, ()):
            waiting[later] -= 1
            if not waiting[later]:
                heappush(free, (times[later], later))
    return ordered
