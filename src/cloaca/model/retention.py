"""Which executions may be removed, by what is known of them while they are walked in the order of their starts."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol


class Old(Protocol):
    """An execution as pruning sees it."""

    @property
    def seq(self) -> int:
        """Its place in the order of starts."""

    @property
    def created_at(self) -> float:
        """Wall seconds."""

    @property
    def finished_at(self) -> float | None:
        """Wall seconds; ``None`` while it is open."""


class Rule(NamedTuple):
    """What goes: what had ended by a time, and what was started before another and had ended by a later time."""

    ended_by: float
    """Wall seconds; ``-inf`` where age does not matter."""
    before: int
    """A place in the order of starts; 0 where the number does not matter."""
    settled_by: float = math.inf
    """Wall seconds: what ended later stays, even of what was started before."""

    def removes(self, execution: Old) -> bool:
        """Whether it goes; nothing that is open does."""
        ended = execution.finished_at
        return ended is not None and (
            ended <= self.ended_by or (execution.seq < self.before and ended <= self.settled_by)
        )

    def may_remove_after(self, execution: Old) -> bool:
        """Whether one that was started later may go, as far as clocks are right."""
        return execution.created_at <= self.ended_by or execution.seq + 1 < self.before
