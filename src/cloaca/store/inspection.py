"""What can be asked of a database beside its contents: whether it is well, and what stands in whose way."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Holder(NamedTuple):
    """Somebody who holds up others: who it is, what with, for how many seconds as far as that is known, how to end it."""

    who: str
    what: str
    seconds: float | None
    remedy: str


class WaitingRow(NamedTuple):
    """Open executions of a workflow that nobody owns; ``runs`` if somebody owns others of it."""

    workflow: str
    executions: int
    oldest_at: float
    runs: bool


class SuspectedRow(NamedTuple):
    """A task that may have brought its process down, of an execution that has not ended."""

    execution: str
    workflow: str
    task: str
    crashes: int


class StartedRow(NamedTuple):
    """An execution: when it was created, by the clock of whoever did, and first claimed, by that of the runner."""

    execution: str
    created_at: float
    started_at: float | None


class Damage(NamedTuple):
    """Something wrong with how the database is stored, and what to do."""

    check: str
    what: str
    remedy: str


class Inspection(Protocol):
    """One database, looked at as it is: nothing is made, and nothing is changed.

    Every method raises ``DatabaseError`` where the database cannot be read.
    """

    known_version: int
    """The version of the tables that this release needs."""

    def server(self) -> str:
        """What the database is, and its version."""

    def tables_version(self) -> int:
        """The version of the tables; 0 where there are none."""

    def clock(self) -> float | None:
        """Wall seconds on the server; ``None`` where it is this host."""

    def holders(self, *, patience: float) -> list[Holder]:
        """Who has held others up for so many seconds."""

    def damages(self, *, thorough: bool) -> list[Damage]:
        """What is wrong with the storage; where that takes reading all of it, only if it is to be thorough."""

    def owned(self) -> dict[str, int]:
        """How many open executions each runner owns."""

    def waiting(self) -> list[WaitingRow]:
        """What open executions nobody owns, by workflow."""

    def suspected(self, *, limit: int) -> list[SuspectedRow]:
        """Tasks that may have brought their processes down."""

    def newest(self, *, limit: int) -> list[StartedRow]:
        """The executions that were entered last, latest first."""

    def close(self) -> None:
        """Close the connection."""
