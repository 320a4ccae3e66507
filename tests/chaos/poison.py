"""A body that ends its process whenever it runs, among long ones that do nothing wrong."""

from __future__ import annotations

from collections import Counter

import cloaca
from tests.chaos.checks import charges, check, figures_of
from tests.chaos.fleet import Fleet
from tests.chaos.member import Orders
from tests.chaos.place import Place, until
from tests.chaos.report import Report, scene
from tests.chaos.workload import EXIT_CODE
from tests.crash.history import History
from tests.crash.shapes import START

MEMBERS, INNOCENTS, CRASH_LIMIT = 2, 3, 3
SECONDS_TO_FINISH = 120


def run_poison(kind: str) -> Report:
    """Two runners, each started again whenever it dies: the task that kills fails by name, the others are not charged."""
    report = Report(f"a poison task among {INNOCENTS} innocents on {kind}")
    with scene(report, kind) as place:
        with cloaca.Client(place.url) as client:
            client.start_many("innocent", [START] * INNOCENTS)
            client.start("poison", START)
        orders = [Orders(place.url, place.folder, ["innocent", "poison"], {})] * MEMBERS
        with Fleet(place, orders) as fleet:
            deaths = _supervise(fleet, place, report)
            fleet.wait_until_alone()
            report.violations += fleet.end()
        history = check(report, place)
        report.figures |= {"deaths": deaths} | figures_of(history)
        report.violations += _violations(history)
    return report


def _supervise(fleet: Fleet, place: Place, report: Report) -> int:
    """Start again what dies, until everything has finished; how many died."""
    deaths = 0

    def is_over() -> bool:
        nonlocal deaths
        for slot in range(MEMBERS):
            code = fleet.exit_code(slot)
            if code is not None:
                deaths += 1
                if code != EXIT_CODE:
                    report.violations.append(f"the process of slot {slot} ended with {code}")
                fleet.restart(slot)
        return place.open_executions() == 0

    until(is_over, "everything has finished", seconds=SECONDS_TO_FINISH)
    return deaths


def _violations(history: History) -> list[str]:
    times = Counter(change.task for change in charges(history))
    found = [f"{task} was charged {number} times" for task, number in times.items() if task != "kills"]
    if times["kills"] != CRASH_LIMIT:
        found.append(f"the task that kills was charged {times['kills']} times, not {CRASH_LIMIT}")
    errors = [row.error or "" for row in history.tables.attempts if row.task == "kills"]
    if not any("CrashLimitError" in error and "3 times" in error for error in errors):
        found.append(f"the failure does not name the limit: {errors}")
    return found
