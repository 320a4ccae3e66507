"""A server that is restarted, and nothing else: no live runner loses its executions, and no body runs twice."""

from __future__ import annotations

import time

from tests.chaos.checks import check, figures_of
from tests.chaos.fleet import Fleet
from tests.chaos.member import Orders, Starts
from tests.chaos.place import POSTGRES, until
from tests.chaos.report import Report, scene
from tests.chaos.schedule import RESTART_MODES

MEMBERS, EXECUTIONS = 3, 90
SECONDS_BETWEEN = 6.0


def run_restarts() -> Report:
    """Bodies of up to three seconds run on while the server is gone, is back, and ends as a crash does."""
    report = Report("restarts of the server alone")
    with scene(report, POSTGRES) as place:
        assert place.server
        began = time.time() + 1
        orders = [
            Orders(place.url, place.folder, ["long"], {"max_concurrent_tasks": 8}, [Starts("long", n, MEMBERS, EXECUTIONS, began, 0.15)])
            for n in range(MEMBERS)
        ]  # fmt: skip
        with Fleet(place, orders) as fleet:
            for mode in RESTART_MODES:
                time.sleep(SECONDS_BETWEEN)
                place.server.control("restart", "-m", mode)
            until(
                lambda: place.ask("select count(*) from cloaca_executions where finished_at is not null") == [(EXECUTIONS,)],
                f"all {EXECUTIONS} executions have finished", seconds=90,
            )  # fmt: skip
            report.violations += [
                f"runner {c.owner} was declared dead" for c in place.tables().changes if c.subject == "dead"
            ]
            report.violations += fleet.end()
        history = check(report, place)
        report.figures |= {"restarts": len(RESTART_MODES)} | figures_of(history)
    return report
