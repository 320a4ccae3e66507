"""The horizontal positions of the elements of ordered rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

_STRAIGHT = 1e6  # otherwise the boxes of each row would push passing arrows a little further aside
_LOOSE = 0.01
_INWARDS = 0.3
_MANY = 1_000
_ROUNDS, _ROUNDS_OF_MANY = 6, 2


def placed(
    rows: Sequence[Sequence[int]],
    *,
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    apart: Callable[[int, int], float],
    is_joint: Callable[[int], bool],
) -> list[float]:
    """The centre of each element: near its neighbours in other rows, ``apart`` from those in its row, in this order."""
    places = [0.0] * len(above)
    for row in rows:
        _pack(row, apart, places)
    drawn = list(zip(rows, _inwards(rows, places), strict=True))
    for joined, is_down in _passes(above, below):
        for row, inwards in drawn if is_down else reversed(drawn):
            wanted = [_wanted(element, joined[element], places, is_joint, inwards) for element in row]
            for element, place in zip(row, _fitted(row, wanted, apart), strict=True):
                places[element] = place
    return places


def _passes(
    above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> list[tuple[Sequence[Sequence[int]], bool]]:
    """The rows to look at in each pass, and whether the pass goes down."""
    both = [[*up, *down] for up, down in zip(above, below, strict=True)]
    rounds = _ROUNDS if len(above) < _MANY else _ROUNDS_OF_MANY
    return [(above, True), (below, False)] * rounds + [(both, True), (both, False)]


def _pack(row: Sequence[int], apart: Callable[[int, int], float], places: list[float]) -> None:
    offsets = _offsets(row, apart)
    for element, offset in zip(row, offsets, strict=True):
        places[element] = offset - offsets[-1] / 2


def _inwards(rows: Sequence[Sequence[int]], places: Sequence[float]) -> list[float]:
    """How strongly each packed row is drawn to the middle; otherwise a sequence of wide rows would drift sideways."""
    widths = [places[row[-1]] - places[row[0]] for row in rows]
    widest = max(widths) or 1.0
    return [_INWARDS * (width / widest) ** 2 for width in widths]


def _offsets(row: Sequence[int], apart: Callable[[int, int], float]) -> list[float]:
    """The distance of each element from the first one if they are packed."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + apart(left, right))
    return offsets


def _wanted(
    element: int,
    joined: Sequence[int],
    places: Sequence[float],
    is_joint: Callable[[int], bool],
    inwards: float,
) -> tuple[float, float]:
    """Where the element would be if it were alone, and how much that matters."""
    if not joined:
        return places[element], _LOOSE
    bends = is_joint(element)
    total, weight = 0.0, 0.0 if bends else inwards
    for other in joined:
        part = _STRAIGHT if bends and is_joint(other) else 1.0
        total += part * places[other]
        weight += part
    return total / weight, weight


def _fitted(
    row: Sequence[int], wanted: Sequence[tuple[float, float]], apart: Callable[[int, int], float]
) -> list[float]:
    """The positions closest to the wanted ones, by least squares, that keep the order and the distances.

    Without the distances this is isotonic regression, which pooling adjacent violators solves exactly.
    """
    offsets = _offsets(row, apart)
    pools: list[tuple[float, float, int]] = []  # sum of weighted places, weight, elements
    for (place, weight), offset in zip(wanted, offsets, strict=True):
        pool = ((place - offset) * weight, weight, 1)
        while pools and pools[-1][0] * pool[1] >= pool[0] * pools[-1][1]:
            total, mass, count = pools.pop()
            pool = (total + pool[0], mass + pool[1], count + pool[2])
        pools.append(pool)
    starts = [total / mass for total, mass, count in pools for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]
