"""Automatic removal of old executions, created only if a retention setting is given."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from cloaca.clock import Clock
from cloaca.engine.pruning import Pruning
from cloaca.errors import DatabaseError
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.store.store import Store

logger = logging.getLogger("cloaca")

SECONDS_BETWEEN = 60.0
"""The pause between two passes over old executions."""

SPARED_SECONDS = 60.0
"""Ended executions are kept this long in any case: a caller may be about to ask for the result."""

DAY = 86_400.0


class Retention:
    """Prunes now and then, on a thread of its own.

    Args:
        removed: As for ``Pruning``.
    """

    def __init__(
        self,
        store: Store,
        config: DefaultRunnerConfig,
        *,
        clock: Clock,
        removed: Callable[[Sequence[str]], None],
    ) -> None:
        self._store = store
        self._days = config.retention_days
        self._keep = config.retention_executions
        self._clock = clock
        self._removed = removed
        self._stopped = threading.Event()
        self._due = time.monotonic()
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Start a pass if one is due."""
        if time.monotonic() < self._due or self._stopped.is_set():
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._prune, name="cloaca-retention", daemon=True)
            self._thread.start()

    def _prune(self) -> None:
        try:
            self.prune()
        except DatabaseError as error:
            logger.warning("old executions could not be removed, retrying in a minute: %s", error)
        except Exception:
            logger.exception("old executions could not be removed, retrying in a minute")
        self._due = time.monotonic() + SECONDS_BETWEEN

    def prune(self) -> None:
        """Remove old executions now.

        Raises:
            DatabaseError: The database refuses.
        """
        now = self._clock.now()
        pruning = Pruning(self._store.steering, removed=self._removed, stopped=self._stopped)
        report = pruning.prune(
            ended_by=None if self._days is None else now - self._days * DAY,
            keep=self._keep,
            settled_by=now - SPARED_SECONDS,
        )
        if report.executions:
            logger.info("removed %d old executions", report.executions)

    def stop(self) -> None:
        """Stop after the current transaction."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
