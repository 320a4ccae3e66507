"""A body that ends its process each time it runs, beside bodies that do nothing wrong."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial

from tests.crash.audits import read_tables
from tests.crash.kills import in_process, kill_this_process
from tests.crash.points import KILLED, SHORT_BACKOFF, Figures, check, prepared, site_of
from tests.crash.processes import Scenario, Site, recover
from tests.crash.shapes import CHAIN, MIXED, SLOW, Shape, Step
from tests.crash.tables import Tables

CRASH_LIMIT = 3
EXIT_CODE = 42
MOST_PROCESSES = 12


def killers() -> dict[str, Scenario]:
    """What is run until nothing dies any more, by what kills: a chain whose second task ends its process."""
    ways: dict[str, Callable[[], None]] = {
        "os._exit": partial(os._exit, EXIT_CODE),
        "SIGKILL": kill_this_process,
    }
    return {
        name: Scenario(
            name, (_killer(Step("kills", ("before",), at_start=way, error="CrashLimitError")), *INNOCENT)
        )
        for name, way in ways.items()
    }


INNOCENT = (CHAIN, MIXED, SLOW)


def _killer(kills: Step) -> Shape:
    return Shape("killer", (Step("before"), kills, Step("after", ("kills",)), Step("beside")))


def run_killers(kind: str) -> Figures:
    """Run each of them until a process ends of itself."""
    figures = Figures()
    for name, scenario in killers().items():
        with site_of(f"a body that ends its process by {name}", figures, kind) as (site, found):
            deaths = _run_until_it_lives(site, scenario)
            figures.points += 1
            figures.kills += deaths
            found.extend(check(site, scenario, interruptions=deaths))
            found.extend(charges(read_tables(site.url)))
    return figures


def _run_until_it_lives(site: Site, scenario: Scenario) -> int:
    """How many processes died."""
    for number in range(MOST_PROCESSES):
        process = partial(recover, site, scenario, register_first=number % 2 == 0, starts_again=True)
        code = in_process(partial(prepared, process, backoff=SHORT_BACKOFF), site.log)
        if code not in (KILLED, EXIT_CODE):
            return number
    return MOST_PROCESSES


def charges(tables: Tables) -> list[str]:
    """Crashes that were charged to the wrong task, and a failure that does not say why."""
    most = Counter[str]()
    for change in tables.changes:
        if change.subject == "attempt":
            most[change.task] = max(most[change.task], change.charges)
    found = [
        f"task {task} was charged {times} times" for task, times in most.items() if times and task != "kills"
    ]
    if most["kills"] != CRASH_LIMIT:
        found.append(f"the task that kills was charged {most['kills']} times, not {CRASH_LIMIT}")
    errors = [row.error or "" for row in tables.attempts if row.task == "kills"]
    if not any("3 times" in error for error in errors):
        found.append(f"the failure does not name the limit: {errors}")
    return found
