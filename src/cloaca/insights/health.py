"""Checking a database and its runners: what is checked, and in which order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cloaca.errors import DatabaseError
from cloaca.insights import findings
from cloaca.insights.findings import Command, Finding, Grade, SeenRunner, SeenRunners
from cloaca.store.inspection import Inspection
from cloaca.store.processes import is_stopped
from cloaca.store.rows import RunnerRow
from cloaca.store.store import Store

_NEWEST = 20
_MOST_SUSPECTED = 20


class Examination(NamedTuple):
    """One diagnosis of a database.

    Args:
        watch: How long runners are watched, in seconds: a dead one is proven in two, a silent one in twenty.
        patience: How long a lock may be held, in seconds.
        thorough: Whether to read the whole file of a SQLite database to find damage.
        sleep: Waits between the first and the last look at the runners.
        command: Formats the commands of the next steps.
    """

    inspection: Inspection
    store: Store
    watch: float = 2.0
    patience: float = 2.0
    thorough: bool = False
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    command: Command = findings.typed

    def findings(self) -> Iterator[Finding]:
        """The findings, check by check, as soon as they are known; ends early if one makes the others impossible."""
        try:
            # The file is not examined before its tables have been checked.
            version = self.inspection.tables_version()
            yield Finding("database", Grade.OK, f"{self.store.location}, {self.inspection.server()}")
            tables = findings.of_tables(version, self.inspection.known_version, command=self.command)
            yield tables
            yield from findings.of_damages(self.inspection.damages(thorough=self.thorough))
            yield from findings.of_holders(
                self.inspection.holders(patience=self.patience), patience=self.patience
            )
            if tables.grade is Grade.OK:
                yield from self._of_contents()
        except DatabaseError as error:
            yield Finding(
                "database",
                Grade.WRONG,
                str(error),
                "follow the message, or choose another database with --db",
            )

    def _of_contents(self) -> Iterator[Finding]:
        runners = self._runners()
        yield from findings.of_runners(runners, watched=self.watch, command=self.command)
        began = self.now()
        server = self.inspection.clock()
        took = self.now() - began
        now = self.now() if server is None else server
        yield from findings.of_waiting(self.inspection.waiting(), now=now, command=self.command)
        yield from findings.of_suspected(
            self.inspection.suspected(limit=_MOST_SUSPECTED), command=self.command
        )
        yield from findings.of_clocks(
            ahead=0.0 if server is None else began + took / 2 - server,
            error=took / 2,
            runners=[runner.last for runner in runners.seen],
            newest=self.inspection.newest(limit=_NEWEST),
            now=now,
        )

    def _runners(self) -> SeenRunners:
        first, owned_first = {row.id: row for row in self.store.runners()}, self.inspection.owned()
        if first:
            self.sleep(self.watch)
        last, owned = {row.id: row for row in self.store.runners()}, self.inspection.owned()
        seen = [
            SeenRunner(first[id], row, _is_stopped_here(row), owned.get(id, 0))
            for id, row in last.items()
            if id in first
        ]
        # A runner that has joined or left meanwhile was seen one of the two times, or owned something at one of them only.
        lost = {id: number for id, number in owned.items() if id in owned_first and id not in first | last}
        return SeenRunners(seen, lost)


def _is_stopped_here(row: RunnerRow) -> bool:
    return row.host == os.uname().nodename and is_stopped(row.pid)
