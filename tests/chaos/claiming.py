"""Many processes that claim what nobody owns: each body runs once."""

from __future__ import annotations

import time
from collections import Counter

import cloaca
from tests.chaos.checks import check, figures_of
from tests.chaos.fleet import Fleet
from tests.chaos.member import Orders
from tests.chaos.place import until
from tests.chaos.report import Report, scene
from tests.crash.shapes import START

MEMBERS, EXECUTIONS = 8, 10_000


def run_claiming(kind: str) -> Report:
    """Ten thousand executions wait; eight processes that come at once share them."""
    report = Report(f"{MEMBERS} processes claim {EXECUTIONS} executions on {kind}")
    with scene(report, kind) as place:
        with cloaca.Client(place.url) as client:
            client.start_many("single", [START] * EXECUTIONS)
        began = time.monotonic()
        orders = [Orders(place.url, place.folder, ["single"], {}, witness=False)] * MEMBERS
        with Fleet(place, orders) as fleet:
            until(lambda: place.open_executions() == 0, "all executions have finished", seconds=120)
            report.figures["finished after"] = time.monotonic() - began
            report.violations += fleet.end()
        history = check(report, place)
        shares = Counter(event.pid for event in history.starts)
        report.figures |= figures_of(history) | {"bodies of each process": sorted(shares.values())}
        if len(shares) != MEMBERS:
            report.violations.append(f"{len(shares)} of {MEMBERS} processes ran bodies: {dict(shares)}")
    return report
