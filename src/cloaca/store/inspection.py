"""Diagnosing a database: whether it is healthy, and what is blocking whom."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Holder(NamedTuple):
    """Someone who blocks others: who, with what, for how many seconds if that is known, and how to end it."""

    who: str
    what: str
    seconds: float | None
    remedy: str


class WaitingRow(NamedTuple):
    """Unfinished executions of a workflow without an owner; ``runs`` if others of that workflow have one."""

    workflow: str
    executions: int
    oldest_at: float
    runs: bool


class SuspectedRow(NamedTuple):
    """A task of an unfinished execution that may have crashed its process."""

    execution: str
    workflow: str
    task: str
    crashes: int


class StartedRow(NamedTuple):
    """An execution: when it was created, by its creator's clock, and first claimed, by the runner's clock."""

    execution: str
    created_at: float
    started_at: float | None


class Damage(NamedTuple):
    """A problem with the database's storage, and what to do about it."""

    check: str
    what: str
    remedy: str


class Inspection(Protocol):
    """Looks at one database as it is; creates and changes nothing.

    Every method raises ``DatabaseError`` if the database cannot be read.
    """

    known_version: int
    """The version of the tables that this release needs."""

    def server(self) -> str:
        """The name and version of the database."""

    def tables_version(self) -> int:
        """The version of the tables; 0 if there are none."""

    def clock(self) -> float | None:
        """Wall-clock seconds on the server; ``None`` if it is this host."""

    def holders(self, *, patience: float) -> list[Holder]:
        """Who has blocked others for this many seconds."""

    def damages(self, *, thorough: bool) -> list[Damage]:
        """Problems with the storage; checks that read all of it are made only if ``thorough``."""

    def owned(self) -> dict[str, int]:
        """How many unfinished executions each runner owns."""

    def waiting(self) -> list[WaitingRow]:
        """Unfinished executions without an owner, by workflow."""

    def suspected(self, *, limit: int) -> list[SuspectedRow]:
        """Tasks that may have crashed their processes."""

    def newest(self, *, limit: int) -> list[StartedRow]:
        """The executions that were stored last, latest first."""

    def close(self) -> None:
        """Close the connection."""
