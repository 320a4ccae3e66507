"""Routing arrows over several rows, in steps from one row to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappush, heapreplace
from itertools import pairwise

_LONGEST_TRUNK = 60
_MOST_JOINTS = 12_000

Edge = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trunk:
    """The path through rows ``first`` to ``last`` that arrows share if they leave, or lead to, the same node."""

    first: int
    last: int
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Net:
    """Rows of elements connected only to the next row: nodes, and joints through which arrows pass a row.

    Elements are numbered, nodes first. An arrow in ``paths`` passes these elements. An arrow in ``lanes`` would pass too
    many rows for that; it runs beside all boxes, in the lane of this number, through these rows.
    """

    rows: list[list[int]]
    above: list[list[int]]
    below: list[list[int]]
    paths: dict[Edge, list[int]]
    lanes: dict[Edge, tuple[int, int, int]]


def net_of(rows: Sequence[Sequence[int]], *, dependencies: Sequence[Sequence[int]]) -> Net:
    """The net of nodes in these rows, each below all its dependencies."""
    row_of = {node: number for number, row in enumerate(rows) for node in row}
    edges = [(dep, node) for node, deps in enumerate(dependencies) for dep in deps]
    direct = {(one, other): [one, other] for one, other in edges if row_of[other] - row_of[one] == 1}
    trunks, far = _divided(_trunks([edge for edge in edges if edge not in direct], row_of))
    made = [list(row) for row in rows]
    paths = direct | _passed(trunks, made, first=len(dependencies), row_of=row_of)
    above, below = _joined(paths.values(), len(dependencies) + sum(len(row) for row in made))
    return Net(made, above, below, paths, _in_lanes(far, row_of))


def _trunks(edges: Sequence[Edge], row_of: dict[int, int]) -> list[Trunk]:
    leaving, arriving = Counter(one for one, _ in edges), Counter(other for _, other in edges)
    shared: dict[tuple[bool, int], list[Edge]] = {}
    for one, other in edges:
        by_source = leaving[one] >= arriving[other]
        shared.setdefault((by_source, one if by_source else other), []).append((one, other))
    return [
        Trunk(
            min(row_of[one] for one, _ in group) + 1,
            max(row_of[other] for _, other in group) - 1,
            tuple(group),
        )
        for group in shared.values()
    ]


def _divided(trunks: Iterable[Trunk]) -> tuple[list[Trunk], list[Trunk]]:
    """The arrows that pass their rows between the boxes, and those that are too long for that."""
    near: list[Trunk] = []
    far: list[Trunk] = []
    joints = 0
    for trunk in sorted(trunks, key=lambda trunk: trunk.last - trunk.first):
        passed = trunk.last - trunk.first + 1
        joints += passed
        (near if passed <= _LONGEST_TRUNK and joints <= _MOST_JOINTS else far).append(trunk)
    return near, far


def _passed(
    trunks: Iterable[Trunk], rows: list[list[int]], *, first: int, row_of: dict[int, int]
) -> dict[Edge, list[int]]:
    """The path of each arrow in a trunk; adds the trunk's joints, numbered from ``first``, to the rows."""
    paths = {}
    for trunk in trunks:
        joints = range(first, first + trunk.last - trunk.first + 1)
        first = joints.stop
        for joint, row in zip(joints, range(trunk.first, trunk.last + 1), strict=True):
            rows[row].insert(len(rows[row]) // 2, joint)  # where the arrows of a fan are shortest
        for one, other in trunk.edges:
            passed = joints[row_of[one] + 1 - trunk.first : row_of[other] - trunk.first]
            paths[one, other] = [one, *passed, other]
    return paths


def _joined(paths: Iterable[Sequence[int]], size: int) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(size)]
    below: list[list[int]] = [[] for _ in range(size)]
    steps = {step: None for path in paths for step in pairwise(path)}
    for upper, lower in steps:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _in_lanes(trunks: Iterable[Trunk], row_of: dict[int, int]) -> dict[Edge, tuple[int, int, int]]:
    """A lane for each arrow: the first one that is free from the trunk's first row on."""
    busy: list[tuple[int, int]] = []
    lanes = {}
    for trunk in sorted(trunks, key=lambda trunk: trunk.first):
        lane = busy[0][1] if busy and busy[0][0] < trunk.first else len(busy)
        (heapreplace if lane < len(busy) else heappush)(busy, (trunk.last, lane))
        for one, other in trunk.edges:
            lanes[one, other] = (lane, row_of[one] + 1, row_of[other] - 1)
    return lanes
