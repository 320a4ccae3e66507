"""Ordering the elements of rows so that fewer arrows cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

from cloaca.drawing.routing import Net


def ordered(net: Net) -> list[list[int]]:
    """The rows with their elements from left to right.

    The rows are passed down and up repeatedly; each element moves to the mean position of its neighbours in the previous
    row (Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981).
    The order with the fewest crossings is kept.
    """
    rows = [list(row) for row in net.rows]
    place: dict[int, float] = {}
    for row in rows:
        _note(row, place)
    best, fewest = [list(row) for row in rows], crossings(rows, net.below)
    for sweep in range(_sweeps(sum(map(len, net.below)))):
        if not fewest:
            break
        is_down = sweep % 2 == 0
        joined = net.above if is_down else net.below
        for row in rows if is_down else reversed(rows):
            _sort(row, joined, place)
        if (found := crossings(rows, net.below)) < fewest:
            best, fewest = [list(row) for row in rows], found
    return best


def _sweeps(steps: int) -> int:
    return 24 if steps < 1_000 else 12 if steps < 5_000 else 6 if steps < 30_000 else 2


def _note(row: Sequence[int], place: dict[int, float]) -> None:
    # As fractions, so that an element without neighbours above keeps its relative position.
    place.update((element, (number + 0.5) / len(row)) for number, element in enumerate(row))


def _sort(row: list[int], joined: Sequence[Sequence[int]], place: dict[int, float]) -> None:
    means = {
        element: sum(place[other] for other in joined[element]) / len(joined[element])
        if joined[element]
        else place[element]
        for element in row
    }
    row.sort(key=means.__getitem__)
    _note(row, place)


def crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    """The number of crossings between neighbouring rows."""
    return sum(_between(upper, lower, below) for upper, lower in pairwise(rows))


def _between(upper: Sequence[int], lower: Sequence[int], below: Sequence[Sequence[int]]) -> int:
    place = {element: number for number, element in enumerate(lower)}
    found, passed = 0, list[int]()
    for element in upper:
        ends = [place[other] for other in below[element]]
        found += sum(len(passed) - bisect_right(passed, end) for end in ends)
        for end in ends:
            insort(passed, end)
    return found
