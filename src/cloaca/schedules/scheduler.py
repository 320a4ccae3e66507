"""The scheduler of one runner: a thread that sleeps until something is due, and a tick that tests call by hand."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from cloaca.authoring.registry import AnyTrigger
from cloaca.clock import Clock
from cloaca.errors import DatabaseError
from cloaca.model.values import Encoders
from cloaca.schedules.declared import needs_here, row_of
from cloaca.schedules.firing import ClockFiring
from cloaca.schedules.polling import Polling, Spawn, by_need, daemon
from cloaca.schedules.starts import MakeId
from cloaca.store.schedules import ScheduleStore

if TYPE_CHECKING:
    from cloaca.telemetry.observer import Observer

logger = logging.getLogger("cloaca.schedules")

AGAIN_SECONDS = 1.0
"""How soon to retry after a database error."""

Wait = Callable[[threading.Event, float], object]


class SchedulerSettings(NamedTuple):
    """The part of a runner's settings that its scheduler needs."""

    look_seconds: float = 30.0
    """How often to look for changes by other processes."""
    most: int = 100
    """How many missed times are fired at once."""


class Surroundings(NamedTuple):
    """What a scheduler needs of its runner."""

    runner: Callable[[], str]
    """The id under which the runner is registered in the database now."""
    workflows: Callable[[], list[str]]
    triggers: Callable[[], list[AnyTrigger]]
    started: Callable[[], None]
    """Called when executions wait to be claimed."""
    observer: Observer | None = None


class Scheduler:
    """Fires cron schedules and polls triggers, for one runner.

    Args:
        wait: Sleeps for the given seconds or until the event is set.
    """

    def __init__(
        self,
        schedules: ScheduleStore,
        around: Surroundings,
        *,
        settings: SchedulerSettings,
        clock: Clock,
        make_id: MakeId,
        encoders: Encoders | None = None,
        wait: Wait = threading.Event.wait,
        spawn: Spawn = daemon,
    ) -> None:
        self._schedules = schedules
        self._around = around
        self._settings = settings
        self._clock = clock
        self._make_id = make_id
        self._wait = wait
        self._firing = ClockFiring(
            schedules, needs=self._needs, make_id=make_id, most=settings.most, observer=around.observer
        )
        self._polling = Polling(
            schedules, clock=clock, make_id=make_id, encoders=encoders, fired=self._triggered, asked=self._nudge,
            spawn=spawn, pause=wait,
        )  # fmt: skip
        self._changed = threading.Event()
        self._is_stale = self._stopped = False
        self._looks_at = -math.inf
        self._declared: dict[str, AnyTrigger] = {}
        self.thread: threading.Thread | None = None

    def _needs(self) -> list[str]:
        return needs_here(self._around.workflows(), self._around.triggers())

    # -- the loop --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the loop on its own thread."""
        self.thread = threading.Thread(target=self.run, name="cloaca-schedules", daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Run ticks until ``stop``."""
        while not self._stopped:
            self._changed.clear()
            try:
                seconds = self.tick()
            except DatabaseError as error:
                logger.warning("schedules could not be read, retrying in a moment: %s", error)
                seconds = AGAIN_SECONDS
            except Exception:
                logger.exception("schedules could not be read, retrying in a moment")
                seconds = AGAIN_SECONDS
            if not self._stopped:
                self._wait(self._changed, seconds)

    def changed(self) -> None:
        """Something was registered or changed in this process: look again at once."""
        self._is_stale = True
        self._nudge()

    def _nudge(self) -> None:
        self._changed.set()

    def _triggered(self) -> None:
        self._around.started()
        if self._around.observer is not None:
            self._around.observer.fired(1, None)

    def stop(self) -> None:
        """End the loop and release the triggers; nothing is fired once this has returned."""
        self._stopped = True
        self._nudge()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()
        self._polling.stop()

    # -- a tick ----------------------------------------------------------------------------------------------------

    def tick(self) -> float:
        """Fire and poll everything that is due; returns the seconds until the next tick."""
        if self._is_stale or self._clock.monotonic() >= self._looks_at:
            self._look()
        next_fire, started = self._firing.tick(self._clock.now())
        if started:
            self._around.started()
        next_poll = self._polling.tick()
        mono = self._clock.monotonic()
        seconds = min(self._looks_at - mono, next_poll - mono)
        return max(0.0, seconds if next_fire is None else min(seconds, next_fire - self._clock.now()))

    def _look(self) -> None:
        """Handle declarations of this process, and triggers that nobody polls."""
        self._is_stale = False
        self._firing.look_again()
        triggers = self._around.triggers()
        self.declare()
        needs = set(needs_here(self._around.workflows(), triggers))
        polled = {need: trigger for need, trigger in by_need(triggers).items() if need in needs}
        rows = self._schedules.claim_triggers(self._around.runner(), list(polled)) if polled else []
        self._polling.own(rows, polled)
        self._looks_at = self._clock.monotonic() + self._patience(polled, owned=len(rows))

    def declare(self) -> None:
        """Store the triggers that are new here, each once."""
        for trigger in self._around.triggers():
            if self._declared.get(trigger.name) is not trigger:
                self._schedules.declare(row_of(trigger, now=self._clock.now(), make_id=self._make_id))
                self._declared[trigger.name] = trigger

    def _patience(self, polled: dict[str, AnyTrigger], *, owned: int) -> float:
        """If another runner polls a trigger, its death is noticed within the interval of that trigger."""
        if owned == len(polled):
            return self._settings.look_seconds
        shortest = min((trigger.poll_interval_ms or 0) / 1000 for trigger in polled.values())
        return min(self._settings.look_seconds, max(AGAIN_SECONDS, shortest))
