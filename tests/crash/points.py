"""Crash points: kill a process at a counted moment, recover in the next one, check the whole history."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from cloaca.engine import suspects
from tests import postgres
from tests.crash.audits import read_tables
from tests.crash.history import History, violations
from tests.crash.kills import Fuse, Installed, at_commits, in_process
from tests.crash.processes import Scenario, Site, audit_new_databases, recover, work
from tests.crash.shapes import expected_of
from tests.crash.told import untold

KILLED = -9
SECONDS_TO_RECOVER = 2.0
MOST_POINTS = 200
"""Of one series: it ends much earlier, where the run completes without being killed."""
SHORT_BACKOFF = (0.0, 0.01, 0.02, 0.05)
"""Between crashes, where more than one is made."""


@dataclass
class Figures:
    """What a series of points comes to."""

    points: int = 0
    kills: int = 0
    slowest: float = 0.0
    violations: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Count another series in."""
        self.points += other.points
        self.kills += other.kills
        self.slowest = max(self.slowest, other.slowest)
        self.violations += other.violations


@dataclass(frozen=True)
class Series:
    """One scenario, killed at the first, the second, the third ... moment until it completes without being killed.

    Attributes:
        counted: What the moments are.
        after: Kill after the moment rather than before.
        first_kill: Where the process that starts the work is killed after its n-th commit; the series then kills
            the process that recovers.
    """

    scenario: Scenario
    counted: Installed
    after: bool
    first_kill: int = 0
    kind: str = "sqlite"

    @property
    def label(self) -> str:
        side = "after" if self.after else "before"
        second = f" in recovery from commit {self.first_kill}" if self.first_kill else ""
        return f"{self.scenario.name}, {side} {self.counted.__name__}{second}"


def run_series(series: Series) -> Figures:
    """Run all points of a series, in a process that has no thread and no connection."""
    figures, number = Figures(), 0
    while number < MOST_POINTS:
        number += 1
        was_killed = _run_point(series, number, figures)
        if not was_killed:
            return figures
    figures.violations.append(f"{series.label}: killed {number} times and never completed")
    return figures


def _run_point(series: Series, number: int, figures: Figures) -> bool:
    """Run one point; false if nothing was killed, since there are fewer moments than that."""
    with site_of(f"{series.label} {number}", figures, series.kind) as (site, found):
        processes = _processes(site, series, number)
        exits = [in_process(process, site.log) for process in processes]
        kills = exits.count(KILLED)
        figures.points += 1
        figures.kills += kills
        was_killed = exits[-2] == KILLED
        if exits[-1] or (exits[-2] and not was_killed):
            found.append(f"processes ended with {exits}")
        interruptions = kills + series.scenario.leaves_early
        found.extend(check(site, series.scenario, interruptions=interruptions))
        if kills == 1:
            _time_recovery(site, figures, found)
    return was_killed


def _processes(site: Site, series: Series, number: int) -> list[Callable[[], None]]:
    """The one that is killed at this moment comes last but one."""
    ways = {"register_first": number % 2 == 0}
    starts_again = number % 4 < 2 and not series.scenario.together
    last = partial(recover, site, series.scenario, starts_again=starts_again, **ways)
    first = partial(work, site, series.scenario, **ways)
    fuse = partial(Fuse, number, after=series.after)
    if not series.first_kill:
        return [partial(prepared, first, series.counted, fuse), partial(prepared, last)]
    one = partial(prepared, first, at_commits, partial(Fuse, series.first_kill, after=True), SHORT_BACKOFF)
    two = partial(prepared, last, series.counted, fuse, SHORT_BACKOFF)
    return [one, two, partial(prepared, last, backoff=SHORT_BACKOFF)]


def prepared(
    process: Callable[[], None],
    install: Installed | None = None,
    fuse: Callable[[], Fuse] | None = None,
    backoff: tuple[float, ...] | None = None,
) -> None:
    if backoff:
        suspects.BACKOFF_SECONDS = backoff  # type: ignore[assignment]
    audit_new_databases()
    if install and fuse:
        install(fuse())
    process()


def _time_recovery(site: Site, figures: Figures, found: list[str]) -> None:
    seconds = max((event.seconds for event in site.journal.read() if event.kind == "recovered"), default=0.0)
    figures.slowest = max(figures.slowest, seconds)
    if seconds > SECONDS_TO_RECOVER:
        found.append(f"recovery took {seconds:.2f} s")


def check(site: Site, scenario: Scenario, *, interruptions: int) -> list[str]:
    """What is wrong with the history of a site."""
    expected = {shape.name: expected_of(shape) for shape in scenario.shapes}
    tables, events = read_tables(site.url), site.journal.read()
    found = violations(History(tables, events, interruptions, expected)) + untold(site.url)
    started = Counter(execution.workflow for execution in tables.executions)
    found += [
        f"I1 {number} of {scenario.together} executions that are started together exist"
        for number in started.values()
        if scenario.together not in (0, number)
    ]
    return found


class site_of:
    """A folder for one point; kept, and named beside what was found, where something was."""

    def __init__(self, label: str, figures: Figures, kind: str) -> None:
        self._kind = kind
        self._label = label
        self._figures = figures
        self._found: list[str] = []

    def __enter__(self) -> tuple[Site, list[str]]:
        # A kill leaves the page cache alone, so a file system in memory shows the same and is faster.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.mkdtemp(prefix="cloaca-crash-", dir=memory)
        server = postgres.new_database(postgres.server_url()) if self._kind == "postgres" else None
        self._site = Site(self._folder, server)
        return self._site, self._found

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._found or error is not None:
            kept = " and ".join(filter(None, (self._folder, self._site.server)))
            lines = [f"{self._label} (kept in {kept}): {line}" for line in self._found]
            self._figures.violations += lines
        else:
            shutil.rmtree(self._folder)
            if self._site.server:
                postgres.drop_database(self._site.server)
