"""Runner processes that are killed, stopped and cut off from their database at random while there is always work.

Others, which own nothing and are killed too, steer at random what they run.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from functools import partial

from tests.chaos.checks import charge_violations, check, figures_of
from tests.chaos.fleet import Fleet
from tests.chaos.member import Orders, Starts
from tests.chaos.place import POSTGRES, Place, until
from tests.chaos.report import Report, scene
from tests.chaos.schedule import KILL, PAUSE, RESTART, Action, Fault, actions_of, faults_of
from tests.chaos.steerer import DatedClient, SteeringOrders, steer
from tests.chaos.steering import steering_figures, steering_violations

LEASE_SECONDS = 3.0
SETTINGS = {"max_concurrent_tasks": 4, "heartbeat_seconds": 1.0, "lease_seconds": LEASE_SECONDS}
STEERERS = 2
FRAIL_ONE_IN = 10
PART_KEPT = 0.9
"""Of the executions that the storm starts, when somebody prunes."""
LEFT = "from cloaca_executions where status <> 'Completed'"
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
        frail = executions // FRAIL_ONE_IN
        numbers = {"dag": executions - frail, "frail": frail}
        orders = [
            Orders(
                place.url, place.folder, list(numbers), SETTINGS,
                [Starts(name, n, members, number, began, 0.95 * seconds / number) for name, number in numbers.items()],
            )
            for n in range(members)
        ]  # fmt: skip
        keep = round(PART_KEPT * executions)
        steering = [
            SteeringOrders(place.url, place.folder, seed + n, seconds, began, keep) for n in range(STEERERS)
        ]
        with Fleet(place, steering, module="steerer") as steerers, Fleet(place, orders) as fleet:
            _perform(fleet, steerers, place, faults, began)
            report.violations += steerers.end()
            _finish(place)
            fleet.wait_until_alone()
            report.violations += fleet.end()
        _judge(report, place, faults, executions)
    return report


def _perform(fleet: Fleet, steerers: Fleet, place: Place, faults: list[Fault], began: float) -> None:
    for action in actions_of(faults):
        time.sleep(max(0.0, began + action.at - time.time()))
        _do(action, fleet, place)
        for slot in range(STEERERS):
            if steerers.exit_code(slot) == -signal.SIGKILL:
                steerers.restart(slot)
    for slot in range(STEERERS):
        if steerers.exit_code(slot) == -signal.SIGKILL:
            steerers.restart(slot)
            steerers.wait_for(slot)


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
            place.journal.write("serves", "")


def _finish(place: Place) -> None:
    """Resume what is paused and retry what has failed or was cancelled, until all of it has completed."""
    with DatedClient(place.url) as client:
        verbs = {"Paused": client.resume, "Failed": client.retry, "Cancelled": client.retry}

        def is_over() -> bool:
            for execution, status in place.ask(f"select id, status {LEFT}"):
                if status in verbs:
                    verb = verbs[status]
                    steer(place.journal, verb.__name__, execution, partial(verb, execution))
            return place.ask(f"select count(*) {LEFT}") == [(0,)]

        until(is_over, "all executions have completed", seconds=SECONDS_TO_FINISH)


def _judge(report: Report, place: Place, faults: list[Fault], executions: int) -> None:
    kinds = Counter(fault.kind for fault in faults)
    history = check(report, place)
    report.violations += charge_violations(history)
    report.violations += steering_violations(history)
    made = len({change.execution for change in history.tables.changes if change.subject == "execution"})
    if made - len(history.forks) != executions:
        report.violations.append(
            f"{made} executions were made, {len(history.forks)} of them forks, not {executions}"
        )
    report.figures |= {"kills": kinds[KILL], "pauses": kinds[PAUSE], "restarts": kinds[RESTART]}
    report.figures |= figures_of(history) | steering_figures(history)
