"""Moving although there is nothing to write, so that whoever watches sees that this runner lives."""

from __future__ import annotations

import logging

from cloaca.engine.core import Core
from cloaca.store.signals import CommitUnknown, StoreUnavailable

logger = logging.getLogger("cloaca.engine")

AGAIN_SECONDS = 1.0


class Heartbeat:
    """Knows when this runner last committed something; belongs to the engine's thread."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._last_write = core.clock.monotonic()
        self._last_try = self._last_write

    def wrote(self) -> None:
        """Something was committed."""
        self._last_write = self._core.clock.monotonic()

    @property
    def due(self) -> float:
        """When to move although there is nothing to write."""
        seconds = self._core.settings.heartbeat_seconds
        return max(self._last_write + seconds, self._last_try + min(AGAIN_SECONDS, seconds))

    def is_regular(self, now: float) -> bool:
        """Whether this runner has been able to write; where it was not, perhaps nobody was."""
        return now - self._last_write < 2 * self._core.settings.heartbeat_seconds

    def beat(self, now: float) -> None:
        """Move if it is time to.

        Raises:
            RunnerLost: This runner was declared dead.
        """
        if now < self.due:
            return
        self._last_try = now
        try:
            self._core.store.beat()
            self.wrote()
        except (StoreUnavailable, CommitUnknown) as error:
            logger.warning("the heartbeat was not committed, trying again in a moment: %s", error)
