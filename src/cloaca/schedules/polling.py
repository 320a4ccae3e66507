"""Polling triggers: each on its own thread, by one runner of a database, and its result is stored once."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import math
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cloaca.authoring.registry import AnyTrigger
from cloaca.authoring.trigger import TriggerResult
from cloaca.clock import Clock
from cloaca.errors import DatabaseError, ScheduleError
from cloaca.executors.forked import leave_if_forked
from cloaca.model.context import Context
from cloaca.model.shown import shown
from cloaca.model.values import Encoders, joined
from cloaca.model.view import View
from cloaca.schedules.declared import needs_of_trigger
from cloaca.schedules.starts import MakeId, poll_fire
from cloaca.store.schedules import ScheduleRow, ScheduleStore, TriggerFire

logger = logging.getLogger("cloaca.schedules")

LONG_POLL_SECONDS = 30.0
"""How long a poll may take before it is reported."""

SECONDS_BETWEEN_NOTES = 1.0
"""The shortest time between two writes of polls that fire nothing."""

AGAIN_SECONDS = 1.0
"""How soon to retry storing what a poll fires."""

Pause = Callable[[threading.Event, float], object]
Spawn = Callable[[Callable[[], None], str], None]
"""Runs a function on a thread of its own with this name."""


def daemon(work: Callable[[], None], name: str) -> None:
    """Run on a daemon thread."""
    threading.Thread(target=work, name=name, daemon=True).start()


@dataclass(slots=True)
class _Asked:
    """A trigger that this runner owns. ``due`` and ``began`` are monotonic times; ``began`` is set during a poll."""

    row: ScheduleRow
    trigger: AnyTrigger
    due: float
    began: float | None = None
    is_reported: bool = False
    noted: float = -math.inf

    @property
    def interval(self) -> float:
        return (self.trigger.poll_interval_ms or 0) / 1000


class Polling:
    """The triggers that this runner owns.

    fired: Called when a poll has started an execution.
        asked: Called on the poll's thread when a poll has ended, so that its next due time is noticed.
        asked: Called on the poll's thread when a poll has ended: there is a new time to wait for.
    """

    def __init__(
        self,
        schedules: ScheduleStore,
        *,
        clock: Clock,
        make_id: MakeId,
        encoders: Encoders | None,
        fired: Callable[[], None],
        asked: Callable[[], None],
        spawn: Spawn = daemon,
        pause: Pause = threading.Event.wait,
    ) -> None:
        self._schedules = schedules
        self._clock = clock
        self._make_id = make_id
        self._encoders = encoders
        self._fired = fired
        self._asked = asked
        self._spawn = spawn
        self._pause = pause
        self._process = os.getpid()
        self._owned: dict[str, _Asked] = {}
        """By the schedule's id."""
        self._lock = threading.Lock()
        """Held while a result is stored: nothing is stored once ``stop`` has returned."""
        self._stopped = threading.Event()

    def own(self, rows: list[ScheduleRow], triggers: Mapping[str, AnyTrigger]) -> None:
        """Poll exactly these triggers from now on; ``triggers`` is keyed by ``ScheduleRow.needs``."""
        found: dict[str, _Asked] = {}
        for row in rows:
            trigger = triggers.get(row.needs)
            if trigger is not None:
                found[row.id] = self._kept(row, trigger) or self._new(row, trigger)
        self._owned = found

    def _kept(self, row: ScheduleRow, trigger: AnyTrigger) -> _Asked | None:
        asked = self._owned.get(row.id)
        if asked is None or (asked.row.owner, asked.interval) != (
            row.owner,
            (trigger.poll_interval_ms or 0) / 1000,
        ):
            return None
        asked.row, asked.trigger = row, trigger
        return asked

    def _new(self, row: ScheduleRow, trigger: AnyTrigger) -> _Asked:
        """A trigger that fell due while nobody polled it is due now; a clock that was set back does not delay it."""
        left = (row.next_run_at or 0.0) - self._clock.now()
        interval = (trigger.poll_interval_ms or 0) / 1000
        return _Asked(row, trigger, self._clock.monotonic() + min(max(0.0, left), interval))

    def tick(self) -> float:
        """Poll the triggers that are due; returns when the next one is due, in monotonic time."""
        now, next_due = self._clock.monotonic(), math.inf
        for asked in list(self._owned.values()):
            if asked.began is not None:
                next_due = min(next_due, self._watch(asked, now))
            elif asked.due <= now:
                asked.began, asked.is_reported = now, False
                self._spawn(lambda asked=asked: self._poll(asked), f"cloaca-trigger-{asked.trigger.name}")  # type: ignore[misc]
            else:
                next_due = min(next_due, asked.due)
        return next_due

    def _watch(self, asked: _Asked, now: float) -> float:
        report_at = (asked.began or now) + LONG_POLL_SECONDS
        if asked.is_reported:
            return math.inf
        if now < report_at:
            return report_at
        asked.is_reported = True
        logger.warning(
            "trigger %r has not answered for %g s: it is not asked again until it has", asked.trigger.name,
            LONG_POLL_SECONDS,
        )  # fmt: skip
        return math.inf

    def _poll(self, asked: _Asked) -> None:
        try:
            answer = self._answer(asked.trigger)
            if answer is not None or self._clock.monotonic() - asked.noted >= SECONDS_BETWEEN_NOTES:
                self._note(asked, answer)
        except BaseException as error:
            leave_if_forked(self._process, error)
            logger.exception(
                "trigger %r failed, and is asked again in %g s", asked.trigger.name, asked.interval
            )
        finally:
            asked.due, asked.began = self._clock.monotonic() + asked.interval, None
            self._asked()

    def _answer(self, trigger: AnyTrigger) -> dict[str, str] | None:
        """The context to fire with, as texts; ``None`` if nothing should start."""
        answer = trigger.function()
        if inspect.iscoroutine(answer):
            import asyncio  # noqa: PLC0415 - needed only for async triggers

            answer = asyncio.run(answer)
        leave_if_forked(self._process, None)
        if type(answer) is bool:
            return {} if answer else None
        if not isinstance(answer, TriggerResult):
            raise ScheduleError(
                f"trigger {trigger.name!r} returned {shown(answer)}: return TriggerResult.fire(...), "
                "TriggerResult.skip(), True or False"
            )
        return self._texts(answer) if answer.is_fire_result() else None

    def _texts(self, result: TriggerResult) -> dict[str, str]:
        context = result.context
        if not isinstance(context, Context):
            given, context = context or {}, Context.over(View.initial({}), self._encoders)
            context.update_from_dict(given)
        return context.texts()

    def _note(self, asked: _Asked, texts: dict[str, str] | None) -> None:
        now, row = self._clock.now(), asked.row
        fire = None
        if texts is not None:
            fire_row, start = poll_fire(row, texts, context_hash(texts), now=now, make_id=self._make_id)
            fire = TriggerFire(fire_row, start, is_alone=not asked.trigger.allow_concurrent)
        noted = self._stored(asked, fire, now)
        asked.noted = self._clock.monotonic()
        match noted:
            case "fired":
                self._fired()
            case "active":
                logger.info("trigger %r fires what is still active: nothing is started", asked.trigger.name)
            case "lost":
                logger.info("trigger %r is asked elsewhere now: its answer is dropped", asked.trigger.name)
                self._owned.pop(row.id, None)

    def _stored(self, asked: _Asked, fire: TriggerFire | None, now: float) -> str:
        """Store the poll. What it fires is retried, unchanged, until the database accepts it."""
        while True:
            with self._lock:
                if self._stopped.is_set():
                    return "stopped"
                try:
                    return self._schedules.note_poll(
                        asked.row, now=now, next_at=now + asked.interval, fire=fire
                    )
                except DatabaseError as error:
                    logger.warning(
                        "what trigger %r has answered is not stored yet: %s", asked.trigger.name, error
                    )
            if fire is None:
                return "failed"
            self._pause(self._stopped, AGAIN_SECONDS)

    def stop(self) -> None:
        """Store nothing more, and release the triggers."""
        self._stopped.set()
        with self._lock:
            pass  # whoever was storing a result has finished
        for runner in {asked.row.owner for asked in self._owned.values()} - {None}:
            try:
                self._schedules.release_triggers(runner or "")
            except DatabaseError as error:
                logger.info("triggers could not be released, another runner will take them over: %s", error)


def context_hash(texts: Mapping[str, str]) -> str:
    """A digest that is the same for equal contexts.

    >>> context_hash({"a": "1", "b": "2"}) == context_hash({"b": "2", "a": "1"})
    True
    """
    canonical = json.dumps(json.loads(joined(texts)), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def by_need(triggers: list[AnyTrigger]) -> dict[str, AnyTrigger]:
    """The polled triggers, keyed by ``ScheduleRow.needs``."""
    return {needs_of_trigger(trigger.name): trigger for trigger in triggers if trigger.cron is None}
