"""What happens to an execution."""

from __future__ import annotations

import json
from typing import NamedTuple

from cloaca.model.delta import Delta


class Failure(NamedTuple):
    """Why an attempt failed: the exception's type name, its message, its traceback as text."""

    type: str
    message: str
    traceback: str

    def text(self) -> str:
        """JSON text, as stored."""
        return json.dumps(self._asdict())

    @classmethod
    def from_text(cls, text: str) -> Failure:
        """Parse what ``text`` wrote."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class Succeeded(NamedTuple):
    """A body returned; times are wall-clock seconds."""

    node: int
    attempt: int
    delta: Delta
    started_at: float
    finished_at: float


class Failed(NamedTuple):
    """A body raised, timed out, or crashed its process; ``final`` rules out a retry."""

    node: int
    attempt: int
    failure: Failure
    started_at: float
    finished_at: float
    final: bool = False


class RetryDue(NamedTuple):
    """The delay before an attempt is over."""

    node: int
    attempt: int


class TimedOut(NamedTuple):
    """The execution as a whole exceeded its timeout in seconds, counted from a wall-clock time."""

    limit: float
    timed_from: float = 0.0


Event = Succeeded | Failed | RetryDue | TimedOut
