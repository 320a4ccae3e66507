"""What scheduling needs of a database: rows of schedules and fires, and what each kind of database does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cloaca.store.rows import StartRow

CRON, DECLARED, TRIGGER = "cron", "declared", "trigger"
"""Kinds of schedules: registered by a call; declared by a trigger with ``cron=``; declared by a trigger that polls."""


class ScheduleRow(NamedTuple):
    """A schedule as stored. ``name`` is an instance's or a trigger's; times are seconds since 1970, UTC."""

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
    """A fire, in the order of the statement that writes it; ``scheduled_at`` is the nominal instant, if it has one."""

    id: str
    schedule_id: str
    scheduled_at: float | None
    fired_at: float
    context_hash: str | None
    execution_id: str


class FiredRow(NamedTuple):
    """A fire as read, with what became of its execution."""

    id: str
    schedule_id: str
    scheduled_at: float | None
    fired_at: float
    context_hash: str | None
    execution_id: str
    started_at: float | None
    finished_at: float | None


class Advance(NamedTuple):
    """What a schedule owes next, in the order of the statement that writes it."""

    next_run_at: float | None
    reckoned_at: float
    last_run_at: float | None
    id: str


@dataclass(frozen=True, slots=True)
class Firing:
    """What is decided about schedules that are due: how they go on, and the executions that their fires start."""

    advances: list[Advance]
    fires: list[FireRow]
    starts: list[StartRow]


@dataclass(frozen=True, slots=True)
class Fired:
    """How many schedules were looked at, and how many executions were started."""

    schedules: int
    executions: int


@dataclass(frozen=True, slots=True)
class TriggerFire:
    """What a poll asks for. ``is_alone``: only if no execution of the same context is active."""

    fire: FireRow
    start: StartRow
    is_alone: bool


Decide = Callable[[Sequence[ScheduleRow]], Firing]
"""May be called again with the same rows, where a connection is lost; what it decided before was not written then."""


class ScheduleStore(Protocol):
    """The schedules of one database; every method may be called from any thread and raises ``DatabaseError``.

    A fire and its execution's start are one transaction, and a nominal instant that has fired before starts nothing.
    """

    def add(self, row: ScheduleRow) -> bool:
        """Enter a schedule; false if its name is taken."""

    def declare(self, row: ScheduleRow) -> None:
        """Enter what code declares, or bring it up to date."""

    def find(self, schedule: str) -> ScheduleRow | None:
        """A schedule by id."""

    def find_declared(self, name: str) -> ScheduleRow | None:
        """A trigger by name."""

    def list_cron(self, *, enabled_only: bool, limit: int, offset: int) -> list[ScheduleRow]:
        """What fires by the clock, in the order of registration."""

    def list_triggers(self, *, enabled_only: bool, limit: int, offset: int) -> list[ScheduleRow]:
        """What code has declared, in the order of registration."""

    def change(self, row: ScheduleRow) -> bool:
        """Write expression, zone, policy and next instant; false if there is no such schedule."""

    def enable(self, schedule: str, *, enabled: bool, next_run_at: float | None, now: float) -> bool:
        """Switch a schedule on or off; false if there is no such schedule."""

    def remove(self, schedule: str) -> bool:
        """Remove a schedule; its fires stay. False if there is no such schedule."""

    def fires(self, schedule: str, *, limit: int, offset: int) -> list[FiredRow]:
        """What a schedule has fired, latest first."""

    def count_fires(self, since: float) -> tuple[int, int, int]:
        """Fires by the clock since then: all, those whose execution has completed, those without an execution."""

    # -- firing by the clock -----------------------------------------------------------------------------------------

    def any(self) -> bool:
        """Whether there is any schedule."""

    def next_due(self, needs: Sequence[str], *, but: Sequence[str]) -> float | None:
        """When the first schedule is due that can be fired here, those named left out."""

    def any_ahead(self, until: float) -> bool:
        """Whether a schedule was reckoned after this moment: the clock was set back since."""

    def fire_due(
        self, now: float, needs: Sequence[str], *, but: Sequence[str], limit: int, decide: Decide
    ) -> Fired:
        """Take schedules that are due and that nobody else is firing, and write what is decided about them."""

    def reckon_ahead(self, until: float, *, but: Sequence[str], limit: int, decide: Decide) -> int:
        """Take schedules that were reckoned after this moment, and write how they go on; how many there were."""

    # -- polling -----------------------------------------------------------------------------------------------------

    def claim_triggers(self, runner: str, needs: Sequence[str]) -> list[ScheduleRow]:
        """Own the triggers that can be polled here and that no living runner owns; all that this one owns."""

    def note_poll(self, row: ScheduleRow, *, now: float, next_at: float, fire: TriggerFire | None) -> str:
        """Enter a poll and what it fires, as ``row.owner``.

        Returns:
            ``"polled"`` where it fires nothing, ``"fired"``, ``"active"`` where an execution of the same context keeps
            it from that; ``"lost"`` where the trigger has another owner by now, and nothing was written.
        """

    def release_triggers(self, runner: str) -> None:
        """Give up what this runner owns."""
