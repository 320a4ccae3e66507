"""What a database tells of its past: its rows, and an audit of every change to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Seen = int | str
"""What is committed at some moment: the number of the last change, or a snapshot of PostgreSQL."""


class Execution(NamedTuple):
    """A row of the executions."""

    id: str
    workflow: str
    structure: str
    status: str
    owner: str | None
    fence: int
    key: str | None
    is_finished: bool
    error: str | None


class Attempt(NamedTuple):
    """A row of the attempts; a failed one that is to be retried has the status ``Retrying``."""

    execution: str
    task: str
    attempt: int
    status: str
    charges: int
    error: str | None
    started_at: float | None
    finished_at: float | None


class Happening(NamedTuple):
    """A row of the events: something that happened to an execution as a whole."""

    execution: str
    fence: int
    kind: str
    at: float


class Change(NamedTuple):
    """An entry of the audit; ``writer`` is the runner whose turn it was."""

    seq: int
    subject: str
    execution: str
    task: str
    attempt: int
    before: str | None
    after: str | None
    owner_before: str | None
    owner: str | None
    fence_before: int
    fence: int
    owner_epoch: int | None
    charges: int
    error: str | None
    writer: str
    xid: int
    """Its transaction; 0 where ``seq`` tells which was committed first."""
    at: float
    """Seconds since 1970."""


class Tables(NamedTuple):
    """All that the checker reads of a database."""

    executions: list[Execution]
    attempts: list[Attempt]
    dependencies: dict[str, dict[str, list[str]]]
    """By structure: task to the tasks it depends on."""
    runners: set[str]
    changes: list[Change]
    integrity: str
    happenings: Sequence[Happening] = ()


def saw(seen: Seen, change: Change) -> bool:
    """Whether a change was committed by that moment."""
    if isinstance(seen, int):
        return change.seq <= seen
    lowest, highest, running = seen.split(":")
    return change.xid < int(lowest) or (
        change.xid < int(highest) and str(change.xid) not in running.split(",")
    )
