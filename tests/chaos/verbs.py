"""Which verb is tried when, by whom and on what: computed from a seed before anything runs; pure."""

from __future__ import annotations

import random
from typing import NamedTuple

WEIGHTS = {"cancel": 5, "pause": 6, "resume": 6, "retry": 8, "fork": 2, "delete": 2, "prune": 1}
SECONDS_BETWEEN = (0.1, 0.5)
PART_BY_COMMAND = 0.15
PART_KILLED = 0.03
SECONDS_TO_LIVE = 0.02
"""How long a verb goes on at most that is cut off by the end of its process."""


class Verb(NamedTuple):
    """One verb of a plan.

    Attributes:
        at: Seconds since the beginning.
        choice: From 0 to 1: which of the executions that it is meant for, or of any.
        is_meant: Whether it looks for one in a state in which it does something.
        by_command: Through the command line's code.
        lives: After how many seconds its process is killed, if it is.
    """

    at: float
    name: str
    choice: float
    is_meant: bool
    by_command: bool
    lives: float | None


def verbs_of(seed: int, *, seconds: float) -> list[Verb]:
    """What one process is to try."""
    rng = random.Random(seed)
    verbs: list[Verb] = []
    at = 0.0
    while (at := round(at + rng.uniform(*SECONDS_BETWEEN), 3)) < seconds:
        name = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        lives = rng.uniform(0, SECONDS_TO_LIVE) if rng.random() < PART_KILLED else None
        by_command = rng.random() < PART_BY_COMMAND
        verbs.append(Verb(at, name, rng.random(), rng.random() < 0.8, by_command, lives))
    return verbs
