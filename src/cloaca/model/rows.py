"""What is stored of an execution's attempts and of its end."""

from __future__ import annotations

from typing import NamedTuple


class StoredAttempt(NamedTuple):
    """An attempt as read back from the database."""

    task: str
    attempt: int
    status: str
    delta: str | None
    error: str | None
    reason: str | None
    started_at: float | None
    finished_at: float | None
    retry_at: float | None
    crashes: int
    charges: int
    alone: bool
    fence: int
    deferred: bool


class AttemptRow(NamedTuple):
    """What is stored of one attempt, in the order of the statement that writes it."""

    execution_id: str
    task: str
    attempt: int
    status: str
    delta: str | None
    error: str | None
    reason: str | None
    started_at: float | None
    finished_at: float | None
    retry_at: float | None
    owner: str
    fence: int


class FinishRow(NamedTuple):
    """What is stored when an execution ends."""

    status: str
    error: str | None
    finished_at: float
    execution_id: str
    owner: str
    fence: int
