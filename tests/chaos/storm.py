"""Runner processes that are killed, stopped and cut off from their database at random while there is always work."""

from __future__ import annotations

import sys
import time
from collections import Counter

from tests.chaos.checks import charge_violations, check, figures_of
from tests.chaos.fleet import Fleet
from tests.chaos.member import Orders, Starts
from tests.chaos.place import POSTGRES, Place, until
from tests.chaos.report import Report, scene
from tests.chaos.schedule import KILL, PAUSE, RESTART, Action, Fault, actions_of, faults_of

LEASE_SECONDS = 3.0
SETTINGS = {"max_concurrent_tasks": 4, "heartbeat_seconds": 1.0, "lease_seconds": LEASE_SECONDS}
SECONDS_TO_FINISH = 120
"""After the last fault, for all that is left."""


def run_storm(kind: str, *, seed: int, seconds: float, executions: int) -> Report:
    """Executions of a ten-task workflow are started over the time while a fault happens about every second."""
    on_server = kind == POSTGRES
    report = Report(f"storm on {kind}, seed {seed}")
    members = 4 if on_server else 3
    # A process that is stopped inside of a SQLite transaction blocks its database: there pauses are short.
    faults = faults_of(
        seed, seconds=seconds, members=members, restarts=3 if on_server else 0, lease_seconds=LEASE_SECONDS,
        long_pauses=on_server,
    )  # fmt: skip
    sys.stdout.write(f"{report.name}: {'; '.join(map(str, faults))}\n")
    with scene(report, kind) as place:
        began = time.time() + 2
        interval = 0.95 * seconds / executions
        orders = [
            Orders(
                place.url,
                place.folder,
                ["dag"],
                SETTINGS,
                [*Starts("dag", n, members, executions, began, interval)],
            )
            for n in range(members)
        ]
        with Fleet(place, orders) as fleet:
            _perform(fleet, place, faults, began)
            _finish(place, executions)
            fleet.wait_until_alone()
            report.violations += fleet.end()
        _judge(report, place, faults, executions)
    return report


def _perform(fleet: Fleet, place: Place, faults: list[Fault], began: float) -> None:
    for action in actions_of(faults):
        time.sleep(max(0.0, began + action.at - time.time()))
        _do(action, fleet, place)


def _do(action: Action, fleet: Fleet, place: Place) -> None:
    fault = action.fault
    match fault.kind, action.ends:
        case "kill", False:
            fleet.kill(fault.slot)
        case "kill", True:
            fleet.start(fault.slot)
        case "pause", False:
            fleet.pause(fault.slot)
        case "pause", True:
            fleet.resume(fault.slot)
        case _:
            assert place.server
            place.journal.write("restarted", "", workflow=fault.mode)
            place.server.control("restart", "-m", fault.mode)


def _finish(place: Place, executions: int) -> None:
    until(
        lambda: place.ask("select count(*) from cloaca_executions where finished_at is not null") == [(executions,)],
        f"all {executions} executions have finished", seconds=SECONDS_TO_FINISH,
    )  # fmt: skip


def _judge(report: Report, place: Place, faults: list[Fault], executions: int) -> None:
    kinds = Counter(fault.kind for fault in faults)
    history = check(report, place)
    report.violations += charge_violations(history)
    if len(history.tables.executions) != executions:
        report.violations.append(f"{len(history.tables.executions)} executions exist, not {executions}")
    report.figures |= {"kills": kinds[KILL], "pauses": kinds[PAUSE], "restarts": kinds[RESTART]}
    report.figures |= figures_of(history)
