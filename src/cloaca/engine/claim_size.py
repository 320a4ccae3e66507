"""How much to claim of what other runners could run too."""

from __future__ import annotations

QUICK_SECONDS = 0.1
SLOW_SECONDS = 0.5
MOST = 4


class ClaimSize:
    """A factor that grows while what is claimed is used up at once, and is 1 again as soon as it is not.

    A claim costs a commit, so few short executions a claim keep a runner busy with claiming. Long ones must not wait
    here for a slot while another runner has one, and how long they are only shows.
    """

    def __init__(self) -> None:
        self.factor = 1
        self._last = 0.0

    def claimed(self, now: float, *, is_full: bool) -> None:
        """There was room for some, and it is full now or no more of them wait."""
        lasted, self._last = now - self._last, now
        if not is_full or lasted > SLOW_SECONDS:
            self.factor = 1
        elif lasted < QUICK_SECONDS:
            self.factor = min(MOST, 2 * self.factor)
