"""Timers on the monotonic clock."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Generic, TypeVar

T = TypeVar("T")


class Timers(Generic[T]):
    """Items with the monotonic second at which they are due; ties come out in the order they were set."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._number = itertools.count()

    def set(self, due: float, item: T) -> None:
        """Make ``item`` due at ``due``."""
        heapq.heappush(self._heap, (due, next(self._number), item))

    @property
    def next_due(self) -> float:
        """When the next item is due."""
        return self._heap[0][0] if self._heap else math.inf

    def pop_due(self, now: float) -> list[T]:
        """Remove and return everything that is due."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        return due
