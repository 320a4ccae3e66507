"""Counters and distributions by labels, with a bounded number of label combinations. Callers hold a lock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

Labels = tuple[str, ...]

MOST_SERIES = 1000
"""Per metric; further combinations are counted under ``OTHER``."""

OTHER = "(other)"


class Counts:
    """A number for each combination of labels."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Labels, float] = {}

    def add(self, *labels: str, number: float = 1) -> None:
        """Add to the number for these labels."""
        known = self._known
        try:
            known[labels] += number
        except KeyError:
            kept = labels if len(known) < MOST_SERIES else (OTHER,) * len(labels)
            known[kept] = known.get(kept, 0) + number

    def items(self) -> list[tuple[Labels, float]]:
        """All label combinations with their numbers."""
        return list(self._known.items())


class Distribution:
    """How many values are at most as large as each bound."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._sum

    def cumulated(self) -> Iterator[tuple[str, float]]:
        """Each bound, as Prometheus writes it, and how many values are at most that large.

        >>> sizes = Distribution((1, 10))
        >>> for size in (1, 7, 70):
        ...     sizes.observe(size)
        >>> list(sizes.cumulated())
        [('1.0', 1), ('10.0', 2), ('+Inf', 3)]
        """
        total = 0
        for bound, count in zip((*map(float, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield str(bound), total


class Distributions:
    """A distribution for each combination of labels."""

    __slots__ = ("_bounds", "_known")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._known: dict[Labels, Distribution] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count a value."""
        found = self._known.get(labels)
        if found is None:
            if len(self._known) >= MOST_SERIES:
                labels = (OTHER,) * len(labels)
            found = self._known.setdefault(labels, Distribution(self._bounds))
        found.observe(value)

    def items(self) -> list[tuple[Labels, list[tuple[str, float]], float]]:
        """Labels, cumulative counts and sum for all label combinations."""
        return [(labels, list(one.cumulated()), one.sum) for labels, one in self._known.items()]
