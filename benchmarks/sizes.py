"""How much of everything is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of the shapes, and how many rounds are taken of each; the defaults are what the bounds are stated for."""

    one_at_a_time: int = 10
    one_at_a_time_rounds: int = 60
    at_once: int = 5_000
    at_once_rounds: int = 7
    width: int = 1_000
    width_rounds: int = 15
    length: int = 1_000
    length_rounds: int = 7
    great_length: int = 10_000
    great_length_rounds: int = 3
    worn_by: int = 10_000
    counted: int = 20
    crowd: int = 2_000
    behind_the_crowd: int = 20
    context_bytes: int = 5_000_000
    context_rounds: int = 9
    finished: int = 10_000
    window: int = 10_000
    windows: int = 10
    deferred: int = 1_000
    deferred_async: int = 10_000
    process_rounds: int = 15
    backlog: int = 4_000
    backlog_rounds: int = 5
    busy_seconds: float = 8
    idle_seconds: float = 20
    old: int = 20_000
    slow_rounds: int = 15
    slow_at_once: int = 300


FULL = Sizes()
QUICK = Sizes(
    one_at_a_time_rounds=20,
    at_once_rounds=3,
    width_rounds=5,
    length_rounds=3,
    great_length=3_000,
    great_length_rounds=2,
    worn_by=2_000,
    counted=5,
    behind_the_crowd=10,
    context_rounds=3,
    finished=3_000,
    window=2_000,
    windows=5,
    process_rounds=5,
    backlog=2_000,
    backlog_rounds=2,
    busy_seconds=4,
    idle_seconds=10,
    old=2_000,
    slow_rounds=3,
    slow_at_once=100,
)
"""For a look after a change: about a minute and a half. What grows with size shows only at the full sizes."""
