"""The scheduler of a runner, created once there is something to schedule: without schedules it costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from cloaca.authoring import registry
from cloaca.clock import Clock, new_id
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.store.store import Store

if TYPE_CHECKING:
    from cloaca.schedules.polling import Spawn
    from cloaca.schedules.scheduler import Scheduler
    from cloaca.telemetry.observer import Observer


class Scheduling:
    """Starts and ends the scheduler of one runner.

    Args:
        runner: The id under which the runner is registered in the database now.
        started: Called when executions wait to be claimed.
        spawn: Runs each poll of a trigger.
    """

    def __init__(
        self,
        store: Store,
        config: DefaultRunnerConfig,
        *,
        clock: Clock,
        runner: Callable[[], str],
        started: Callable[[], None],
        spawn: Spawn,
        observer: Observer | None = None,
    ) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._runner = runner
        self._started = started
        self._spawn = spawn
        self._observer = observer
        self._lock = threading.Lock()
        self._scheduler: Scheduler | None = None
        self._ended = not config.enable_cron_scheduling
        self._looks_at = clock.monotonic()

    def look(self) -> None:
        """Check now and then whether another process has registered a schedule.

        Raises:
            DatabaseError: The database cannot be read now.
        """
        if self._ended or self._scheduler is not None or self._clock.monotonic() < self._looks_at:
            return
        self._looks_at = self._clock.monotonic() + self._config.cron_poll_interval_seconds
        if registry.triggers() or self._store.schedules.any():
            self.changed()

    def registered(self) -> None:
        """A workflow or a trigger was registered in this process."""
        if self._scheduler is not None or registry.triggers():
            self.changed()

    def changed(self) -> None:
        """There is something to schedule, or it has changed: look at it now."""
        with self._lock:
            if self._ended:
                return
            if self._scheduler is None:
                self._scheduler = self._made()
                self._scheduler.start()
            else:
                self._scheduler.changed()

    def _made(self) -> Scheduler:
        # Needed only with schedules.
        from cloaca.schedules.scheduler import Scheduler, SchedulerSettings, Surroundings  # noqa: PLC0415

        config = self._config
        settings = SchedulerSettings(
            float(config.cron_poll_interval_seconds), config.cron_max_catchup_executions
        )
        around = Surroundings(
            self._runner, registry.registered_names, registry.triggers, self._started, self._observer
        )
        return Scheduler(
            self._store.schedules, around, settings=settings, clock=self._clock, make_id=new_id,
            encoders=config.encoders, wait=self._clock.wait, spawn=self._spawn,
        )  # fmt: skip

    @property
    def thread(self) -> threading.Thread | None:
        """The scheduler, or ``None`` if there is nothing to schedule."""
        return None if self._scheduler is None else self._scheduler.thread

    def declare_triggers(self) -> None:
        """Store the triggers of this process that are not in the database yet."""
        if self._scheduler is None and registry.triggers():
            self.changed()
        if (scheduler := self._scheduler) is not None:
            scheduler.declare()

    def stop(self) -> None:
        """Fire nothing more."""
        with self._lock:
            self._ended = True
            scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.stop()
