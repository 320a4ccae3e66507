"""Warnings that recur for as long as the database is away."""

from __future__ import annotations

import logging
import math

from cloaca.clock import Clock

SECONDS_BETWEEN = 60.0
SECONDS_OF_QUIET = 10.0
"""After so long without it, a message is about another outage."""

logger = logging.getLogger("cloaca.engine")


class ThrottledLog:
    """Logs a message as a warning once per outage and minute, and as debugging output in between."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, tuple[float, float]] = {}
        """By message, without its arguments: when it was last logged, and when as a warning."""

    def warning(self, message: str, *arguments: object) -> None:
        now = self._clock.monotonic()
        logged, warned = self._last.get(message, (-math.inf, -math.inf))
        is_due = now - logged >= SECONDS_OF_QUIET or now - warned >= SECONDS_BETWEEN
        self._last[message] = (now, now if is_due else warned)
        logger.log(logging.WARNING if is_due else logging.DEBUG, message, *arguments)
