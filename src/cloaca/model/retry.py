"""How often a failed task runs again, and how long it waits before."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, assert_never

Backoff = Literal["fixed", "linear", "exponential"]

BACKOFFS: tuple[Backoff, ...] = ("fixed", "linear", "exponential")

_MOST_DOUBLINGS = 64
"""More of them exceed every cap, and 2**n for a huge n is a number nobody has memory for."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of retries after the first run and the delay before each.

    Attributes:
        attempts: Runs after the first one; 0 never retries.
        delay_ms: The delay before the first retry.
        backoff: How the delay grows; see ``delay_seconds``.
        max_delay_ms: No delay is longer.

    Example:
        >>> from cloaca.model.retry import RetryPolicy
        >>> RetryPolicy(3, delay_ms=500).delay_seconds(2)
        1.0
    """

    attempts: int
    _: KW_ONLY
    delay_ms: int = 1000
    backoff: Backoff = "exponential"
    max_delay_ms: int = 30_000

    def delay_seconds(self, attempt: int) -> float:
        """The seconds to wait after attempt number ``attempt`` (1 is the first run) has failed.

        With d for ``delay_ms`` and n for ``attempt``: fixed waits d, linear d*n, exponential d*2**(n-1), and none
        longer than ``max_delay_ms``. Any n is safe, however large.

        Raises:
            ValueError: ``attempt`` is below 1.
        """
        if attempt < 1:
            raise ValueError(f"attempt {attempt} does not exist: attempts count from 1")
        return min(self._delay_ms(attempt), self.max_delay_ms) / 1000

    def _delay_ms(self, attempt: int) -> int:
        match self.backoff:
            case "fixed":
                return self.delay_ms
            case "linear":
                return self.delay_ms * attempt
            case "exponential":
                return self.delay_ms << min(attempt - 1, _MOST_DOUBLINGS)
            case _:
                assert_never(self.backoff)
