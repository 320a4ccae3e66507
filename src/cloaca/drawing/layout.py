"""From sizes and dependencies to positions: boxes in rows, with arrows between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cloaca.drawing.ordering import ordered
from cloaca.drawing.placing import placed
from cloaca.drawing.routing import Edge, Net, net_of
from cloaca.drawing.rows import rows_of

Point = tuple[int, int]
Stretch = tuple[int, int, int]  # at this x, through the rows from the first to the last
Band = tuple[int, int]  # the top and the bottom of a row

_BETWEEN_BOXES = 24
_BETWEEN_JOINTS = 10
_LOWEST_GAP, _HIGHEST_GAP = 36, 140
_NEVER_TOO_WIDE = 2400
_ASPECT = 2.5


@dataclass(frozen=True, slots=True)
class Size:
    """Of a box, in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; ``x`` and ``y`` are its upper left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Layout:
    """All positions, from ``(0, 0)`` to ``(width, height)``, with y growing downwards.

    ``boxes`` are in the order of the nodes. ``edges`` has the points of each arrow, from the lower side of one box to
    the upper side of the other, each point lower than the one before. Between rows, an arrow may go sideways;
    beside boxes it is vertical.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    edges: Mapping[Edge, tuple[Point, ...]]


def layout(sizes: Sequence[Size], *, dependencies: Sequence[Sequence[int]]) -> Layout:
    """Lay out boxes of these sizes, each below its dependencies, which must be acyclic.

    Equal arguments give equal layouts.

    >>> made = layout([Size(80, 30), Size(80, 30)], dependencies=[[], [0]])
    >>> made.boxes[1].y > made.boxes[0].y, made.edges[0, 1]
    (True, ((40, 30), (40, 66)))
    """
    most_width = _most_width(sizes)
    rows = rows_of(
        dependencies, widths=[size.width + _BETWEEN_BOXES for size in sizes], most_width=most_width
    )
    net = net_of(rows, dependencies=dependencies)
    row_of = {node: number for number, row in enumerate(rows) for node in row}
    xs = _centres(net, sizes)
    ways = _ways(net, xs=xs, row_of=row_of, first_lane=_right(xs, sizes) + _BETWEEN_BOXES)
    bands = _bands(
        [max(sizes[node].height for node in row) for row in rows], _reaches(ways.values(), len(rows))
    )
    boxes = tuple(_box(size, xs[node], bands[row_of[node]]) for node, size in enumerate(sizes))
    width = max(_right(xs, sizes), *(x for way in ways.values() for x, _, _ in way), 0)
    return Layout(width, bands[-1][1], boxes, {edge: _points(way, bands) for edge, way in ways.items()})


def _most_width(sizes: Sequence[Size]) -> float:
    area = sum((size.width + _BETWEEN_BOXES) * (size.height + _LOWEST_GAP) for size in sizes)
    return max(_NEVER_TOO_WIDE, math.sqrt(_ASPECT * area))


def _centres(net: Net, sizes: Sequence[Size]) -> list[int]:
    """The x of each element; the leftmost box or joint touches 0."""
    halves = [size.width / 2 for size in sizes] + [0.0] * (len(net.above) - len(sizes))
    nodes = len(sizes)

    def apart(left: int, right: int) -> float:
        both_joints = left >= nodes and right >= nodes
        return halves[left] + halves[right] + (_BETWEEN_JOINTS if both_joints else _BETWEEN_BOXES)

    found = placed(
        ordered(net), above=net.above, below=net.below, apart=apart, is_joint=lambda element: element >= nodes
    )
    left = min(x - half for x, half in zip(found, halves, strict=True))
    return [round(x - left) for x in found]


def _right(xs: Sequence[int], sizes: Sequence[Size]) -> int:
    boxes = max(x + size.width // 2 for x, size in zip(xs, sizes, strict=False))
    return max(boxes, *xs)


def _ways(
    net: Net, *, xs: Sequence[int], row_of: Mapping[int, int], first_lane: int
) -> dict[Edge, list[Stretch]]:
    ways = {
        (one, other): [(xs[element], row, row) for row, element in enumerate(path, row_of[one])]
        for (one, other), path in net.paths.items()
    }
    for (one, other), (lane, first, last) in net.lanes.items():
        aside = (first_lane + lane * _BETWEEN_JOINTS, first, last)
        ways[one, other] = [(xs[one], first - 1, first - 1), aside, (xs[other], last + 1, last + 1)]
    return ways


def _reaches(ways: Iterable[Sequence[Stretch]], rows: int) -> list[int]:
    """How far arrows go sideways below each row."""
    reaches = [0] * rows
    for way in ways:
        for (x, _, row), (following, _, _) in pairwise(way):
            reaches[row] = max(reaches[row], abs(following - x))
    return reaches


def _bands(heights: Sequence[int], reaches: Sequence[int]) -> list[Band]:
    bands, top = [], 0
    for height, reach in zip(heights, reaches, strict=True):
        bands.append((top, top + height))
        # The height grows with the distance, so that arrows are steep enough to be told apart.
        top += height + min(_LOWEST_GAP + reach // 20, _HIGHEST_GAP)
    return bands


def _box(size: Size, x: int, band: Band) -> Box:
    # The full height of the row: an arrow that leaves a low box sideways would cross a higher one next to it.
    return Box(x - size.width // 2, band[0], size.width, band[1] - band[0])


def _points(way: Sequence[Stretch], bands: Sequence[Band]) -> tuple[Point, ...]:
    (start, _, row), *passed, (end, last, _) = way
    through = [point for x, first, final in passed for point in ((x, bands[first][0]), (x, bands[final][1]))]
    return ((start, bands[row][1]), *through, (end, bands[last][0]))
