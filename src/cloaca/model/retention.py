"""Which executions may be removed, decided while they are read in start order."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol


class Old(Protocol):
    """An execution as pruning sees it."""

    @property
    def seq(self) -> int:
        """Its position in start order."""

    @property
    def created_at(self) -> float:
        """Wall-clock seconds."""

    @property
    def finished_at(self) -> float | None:
        """Wall-clock seconds; ``None`` if it has not ended."""


class Rule(NamedTuple):
    """Removes executions that ended by ``ended_by``, and those before ``before`` that ended by ``settled_by``."""

    ended_by: float
    """Wall-clock seconds; ``-inf`` if age does not matter."""
    before: int
    """A position in start order; 0 if the number does not matter."""
    settled_by: float = math.inf
    """Wall-clock seconds: what ended later is kept, even if it was started before ``before``."""

    def removes(self, execution: Old) -> bool:
        """Whether it is to be removed; never true of an unfinished one."""
        ended = execution.finished_at
        return ended is not None and (
            ended <= self.ended_by or (execution.seq < self.before and ended <= self.settled_by)
        )

    def may_remove_after(self, execution: Old) -> bool:
        """Whether executions started after this one may be removed, provided that the clocks were right."""
        return execution.created_at <= self.ended_by or execution.seq + 1 < self.before
