"""What the engine needs of a runner's configuration."""

from __future__ import annotations

from typing import NamedTuple

PATROL_SECONDS = 1.25
"""A patrol takes two queries, so an idle runner makes at most two a second, heartbeats included."""


class EngineSettings(NamedTuple):
    """What a runner's configuration means for the engine; times are in seconds."""

    window: int = 10_000
    held_per_slot: int = 2
    """How many executions to hold for each slot if other runners could run them too."""
    task_timeout_seconds: float = 300.0
    workflow_timeout_seconds: float | None = None
    retry_attempts: int = 0
    crash_limit: int = 3
    recover: bool = True
    heartbeat_seconds: float = 10.0
    lease_seconds: float = 60.0
    patrol_seconds: float = PATROL_SECONDS
    """How often to look for dead runners and for executions without an owner."""
    same_version: bool = False
    """Whether an execution runs only under the version it was started with."""
