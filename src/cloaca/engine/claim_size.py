"""How many executions to claim at a time when other runners could run them too."""

from __future__ import annotations

QUICK_SECONDS = 0.1
SLOW_SECONDS = 0.5
MOST = 4


class ClaimSize:
    """A factor that doubles while claims are used up at once, and returns to 1 as soon as they are not.

    Each claim costs a commit, so claiming a few short executions at a time keeps a runner busy claiming. Long executions,
    though, must not queue here while another runner has a free slot, and how long they take is known only afterwards.
    """

    def __init__(self) -> None:
        self.factor = 1
        self._last = 0.0

    def claimed(self, now: float, *, is_full: bool) -> None:
        """Executions were claimed. ``is_full``: the claim took all there was room for, so more may be waiting."""
        lasted, self._last = now - self._last, now
        if not is_full or lasted > SLOW_SECONDS:
            self.factor = 1
        elif lasted < QUICK_SECONDS:
            self.factor = min(MOST, 2 * self.factor)
