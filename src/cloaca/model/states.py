"""The states of executions and tasks."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The status of an execution; compares equal to its name: ``result.status == "Completed"``."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    PAUSED = "Paused"

    @property
    def is_final(self) -> bool:
        """Whether the execution has ended."""
        return self in _FINAL


_FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class TaskStatus(StrEnum):
    """The status of a task, and of each of its attempts."""

    PENDING = "Pending"
    READY = "Ready"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELLED = "Cancelled"


class EventKind(StrEnum):
    """An event in the life of an execution as a whole, besides its start and its end."""

    CLAIMED = "Claimed"
    HANDED_OVER = "HandedOver"
    TAKEN_OVER = "TakenOver"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    CANCELLED = "Cancelled"
    RETRIED = "Retried"
    FORKED = "Forked"
