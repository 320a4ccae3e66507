"""What scheduling requires of a database: rows of schedules and fires, and the operations on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cloaca.store.rows import StartRow

CRON, DECLARED, TRIGGER = "cron", "declared", "trigger"
"""Kinds of schedules: registered by a call; declared by a trigger with ``cron=``; declared by a polled trigger."""


class ScheduleRow(NamedTuple):
    """A schedule as stored. ``name`` is that of an instance or a trigger; times are seconds since 1970, UTC."""

    id: str
    kind: str
    name: str | None
    workflow: str
    needs: str
    expression: str | None
    timezone: str | None
    catch_up: str
    most: int | None
    poll_interval_ms: int | None
    allow_concurrent: bool
    input: str
    enabled: bool
    next_run_at: float | None
    reckoned_at: float
    last_run_at: float | None
    last_poll_at: float | None
    owner: str | None
    created_at: float
    updated_at: float


class FireRow(NamedTuple):
    """A fire, in the order of the statement that writes it; ``scheduled_at`` is its scheduled time, if it has one."""

    id: str
    schedule_id: str
    scheduled_at: float | None
    fired_at: float
    context_hash: str | None
    execution_id: str


class FiredRow(NamedTuple):
    """A fire as read, with the state of its execution."""

    id: str
    schedule_id: str
    scheduled_at: float | None
    fired_at: float
    context_hash: str | None
    execution_id: str
    started_at: float | None
    finished_at: float | None


class Advance(NamedTuple):
    """When a schedule is due next, in the order of the statement that writes it."""

    next_run_at: float | None
    reckoned_at: float
    last_run_at: float | None
    id: str


@dataclass(frozen=True, slots=True)
class Firing:
    """The decision about due schedules: when they are due next, and the executions that their fires start."""

    advances: list[Advance]
    fires: list[FireRow]
    starts: list[StartRow]


@dataclass(frozen=True, slots=True)
class Fired:
    """How many schedules were handled, and how many executions were started."""

    schedules: int
    executions: int


@dataclass(frozen=True, slots=True)
class TriggerFire:
    """The result of a poll. ``is_alone``: only if no execution with the same context is unfinished."""

    fire: FireRow
    start: StartRow
    is_alone: bool


Decide = Callable[[Sequence[ScheduleRow]], Firing]
"""May be called again with the same rows after a lost connection; nothing of its earlier decision was written then."""


class ScheduleStore(Protocol):
    """The schedules of one database. Every method may be called from any thread, and raises ``DatabaseError``.

    A fire and its execution's start are one transaction, and a scheduled time that has fired starts nothing again.
    """

    def add(self, row: ScheduleRow) -> bool:
        """Store a schedule; false if its name is taken."""

    def declare(self, row: ScheduleRow) -> None:
        """Store what code declares, or update it."""

    def find(self, schedule: str) -> ScheduleRow | None:
        """A schedule by id."""

    def find_declared(self, name: str) -> ScheduleRow | None:
        """A trigger by name."""

    def list_cron(self, *, enabled_only: bool, limit: int, offset: int) -> list[ScheduleRow]:
        """The cron schedules, in the order of registration."""

    def list_triggers(self, *, enabled_only: bool, limit: int, offset: int) -> list[ScheduleRow]:
        """The triggers declared by code, in the order of registration."""

    def change(self, row: ScheduleRow) -> bool:
        """Write expression, time zone, policy and next time; false if there is no such schedule."""

    def enable(self, schedule: str, *, enabled: bool, next_run_at: float | None, now: float) -> bool:
        """Enable or disable a schedule; false if there is no such schedule."""

    def remove(self, schedule: str) -> bool:
        """Delete a schedule but keep its fires; false if there is no such schedule."""

    def fires(self, schedule: str, *, limit: int, offset: int) -> list[FiredRow]:
        """The fires of a schedule, latest first."""

    def count_fires(self, since: float) -> tuple[int, int, int]:
        """Fires of cron schedules since then: all, those with a completed execution, those without an execution."""

    # -- firing by the clock -----------------------------------------------------------------------------------------

    def any(self) -> bool:
        """Whether there is any schedule."""

    def next_due(self, needs: Sequence[str], *, but: Sequence[str]) -> float | None:
        """When the first schedule that can be fired here is due, leaving out those named."""

    def any_ahead(self, until: float) -> bool:
        """Whether a schedule was last computed at a later time than this: the clock has been set back since."""

    def fire_due(
        self, now: float, needs: Sequence[str], *, but: Sequence[str], limit: int, decide: Decide
    ) -> Fired:
        """Take due schedules that nobody else is firing, and write the decision about them."""

    def reckon_ahead(self, until: float, *, but: Sequence[str], limit: int, decide: Decide) -> int:
        """Take schedules that were last computed at a later time than this, and write when they are due; returns their number."""

    # -- polling -----------------------------------------------------------------------------------------------------

    def claim_triggers(self, runner: str, needs: Sequence[str]) -> list[ScheduleRow]:
        """Own the triggers that can be polled here and have no living owner; returns all that this runner owns."""

    def note_poll(self, row: ScheduleRow, *, now: float, next_at: float, fire: TriggerFire | None) -> str:
        """Store a poll and what it fires, as ``row.owner``.

        Returns:
            ``"polled"`` if it fires nothing; ``"fired"``; ``"active"`` if an unfinished execution with the same context
            prevents it; ``"lost"`` if the trigger now has another owner, in which case nothing was written.
        """

    def release_triggers(self, runner: str) -> None:
        """Release everything that this runner owns."""
