"""Which fault happens when: computed from a seed before anything runs, so that the same seed repeats it; pure."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

KILL, PAUSE, RESTART = "kill", "pause", "restart"
SHORT_PAUSE, LONG_PAUSE = (0.1, 1.5), (1.5, 2.5)
"""Seconds; of a long one: in leases."""
SECONDS_DOWN = (0.0, 1.5)
RESTART_MODES = ("fast", "immediate")
"""What ``pg_ctl restart`` is told: to disconnect everybody and end, or to end as a crash does."""


class Fault(NamedTuple):
    """One fault.

    Attributes:
        at: Seconds since the beginning.
        kind: ``kill`` ends a process, which is started again after ``seconds``; ``pause`` stops it for as long;
            ``restart`` restarts the server.
        slot: Which of the processes.
        mode: How the server is restarted.
    """

    at: float
    kind: str
    slot: int = -1
    seconds: float = 0.0
    mode: str = ""

    def __str__(self) -> str:
        what = self.mode if self.kind == RESTART else f"{self.slot} for {self.seconds:.2f}"
        return f"{self.at:.2f} {self.kind} {what}"


def faults_of(
    seed: int, *, seconds: float, members: int, restarts: int, lease_seconds: float, long_pauses: bool
) -> list[Fault]:
    """A fault about every second, in a process that is well at that moment while another is well too.

    Args:
        long_pauses: Whether some of the pauses outlast the lease.
    """
    rng = random.Random(seed)
    faults = [
        Fault(round(seconds * (n + rng.uniform(0.3, 0.7)) / restarts, 2), RESTART, mode=RESTART_MODES[n % 2])
        for n in range(restarts)
    ]
    well_again = [0.0] * members
    at = 0.0
    while (at := round(at + rng.uniform(0.7, 1.3), 2)) < seconds:
        well = [slot for slot in range(members) if well_again[slot] < at]
        slot, kind = rng.choice(well or [0]), rng.choice((KILL, PAUSE))
        lasts = rng.uniform(*SECONDS_DOWN if kind == KILL else SHORT_PAUSE)
        if kind == PAUSE and long_pauses and rng.random() < 0.25:
            lasts = lease_seconds * rng.uniform(*LONG_PAUSE)
        if len(well) > 1:
            fault = Fault(at, kind, slot, round(lasts, 2))
            well_again[slot] = fault.at + fault.seconds
            faults.append(fault)
    return sorted(faults)


class Action(NamedTuple):
    """What is done at one moment: a fault begins, or its end has come."""

    at: float
    fault: Fault
    ends: bool


def actions_of(faults: Iterable[Fault]) -> list[Action]:
    """Beginnings and ends in order."""
    actions = [Action(fault.at, fault, ends=False) for fault in faults]
    actions += [Action(f.at + f.seconds, f, ends=True) for f in faults if f.kind != RESTART]
    return sorted(actions, key=lambda action: (action.at, action.ends))
