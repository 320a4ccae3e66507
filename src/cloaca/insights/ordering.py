"""Putting what happened in order where clocks cannot be relied on; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush


def in_order(times: Sequence[float], before: Mapping[int, Sequence[int]]) -> list[int]:
    """The positions of what happened at these times: by time, but nothing before what must come before it.

    Args:
        before: Position to those that must come before it; without circles.

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
