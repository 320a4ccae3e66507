"""Committing when there is nothing else to commit, so that others can see that this runner is alive."""

from __future__ import annotations

import logging

from cloaca.engine.core import Core
from cloaca.store.signals import CommitUnknown, StoreUnavailable

logger = logging.getLogger("cloaca.engine")

AGAIN_SECONDS = 1.0


class Heartbeat:
    """Knows when this runner last committed; only the thread that runs a turn may use it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._seconds = core.settings.heartbeat_seconds
        self.wrote(core.clock.monotonic())

    def wrote(self, now: float) -> None:
        """A commit succeeded in a turn that began at this moment: nobody takes over before the lease ends."""
        self._last_write = now
        self._core.executors.extend_lease(now + self._core.settings.lease_seconds)
        self.due = now + self._seconds
        """When to commit even though there is nothing to write."""

    def is_regular(self, now: float) -> bool:
        """Whether this runner has been able to write. If it was not, perhaps nobody was."""
        return now - self._last_write < 2 * self._seconds

    def beat(self, now: float) -> None:
        """Commit a heartbeat if one is due.

        Raises:
            RunnerLost: This runner was declared dead.
        """
        if now < self.due:
            return
        self.due = now + min(AGAIN_SECONDS, self._seconds)
        try:
            self._core.store.beat()
            self.wrote(now)
        except (StoreUnavailable, CommitUnknown) as error:
            self._core.log.warning("the heartbeat was not committed, retrying in a moment: %s", error)
