"""Runners that are really stopped for longer than their lease, and wake up with results that are nobody's any more."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import closing

import cloaca
from tests.chaos.checks import check, figures_of, in_flight, met_by
from tests.chaos.fleet import Fleet
from tests.chaos.member import Orders, Starts
from tests.chaos.place import SQLITE, Place, until
from tests.chaos.report import Report, scene
from tests.crash.history import History
from tests.crash.shapes import START

ROUNDS, HALF = 10, 3
HELD, FLOWING = 12, 150
LEASE_SECONDS = 2.0
SETTINGS = {"max_concurrent_tasks": 200, "heartbeat_seconds": 0.5, "lease_seconds": LEASE_SECONDS}
SECONDS_TO_TAKE_OVER = 20.0


def run_pauses(kind: str) -> Report:
    """Half of the runners stop, the other half takes over; then they change places, thirty pauses in all.

    Some bodies last until the end, so a runner that has joined again runs executions whose earlier bodies it still
    has; others end while it sleeps, so that it wakes up with their results.
    """
    report = Report(f"{ROUNDS * HALF} pauses beyond the lease on {kind}")
    with scene(report, kind) as place:
        with cloaca.Client(place.url) as client:
            client.start_many("held", [START] * HELD)
        began = time.time() + 1
        orders = [
            Orders(place.url, place.folder, ["held", "long"], SETTINGS, [Starts("long", n, 2 * HALF, FLOWING, began, 0.3)])
            for n in range(2 * HALF)
        ]  # fmt: skip
        with Fleet(place, orders) as fleet:
            until(lambda: _held(place) == HELD, "all held bodies have started", seconds=20)
            for number in range(ROUNDS):
                _change_places(fleet, place, [HALF * (number % 2) + n for n in range(HALF)])
            _release(place)
            until(lambda: place.open_executions() == 0, "all executions have finished", seconds=120)
            report.violations += fleet.end()
        history = check(report, place)
        report.violations += _idle_pauses(history)
        report.figures |= {"pauses": fleet.pauses, "stale bodies": _stale(history)} | figures_of(history)
    return report


def _held(place: Place) -> int:
    return len({e.execution for e in place.events() if e.kind == "start" and e.task == "held"})


def _change_places(fleet: Fleet, place: Place, slots: list[int]) -> None:
    """Stop these while bodies run in each, until others have taken over from all of them, and let them join again."""
    until(lambda: all(_runs(place, fleet.pid(slot)) for slot in slots), "bodies run in each", seconds=20)
    stopped = [place.runner_of(fleet.pid(slot)) for slot in slots]
    for slot in slots:
        fleet.pause(slot)
        while place.kind == SQLITE and _is_blocked(place):
            # It was stopped inside a transaction, and nobody can take over from it.
            fleet.nudge(slot)
    until(lambda: not _entered(place) & set(stopped), "they were replaced", seconds=SECONDS_TO_TAKE_OVER)
    for slot in slots:
        fleet.resume(slot)
    for slot in slots:
        until(lambda slot=slot: bool(place.runner_of(fleet.pid(slot))), "it has joined again", seconds=20)  # type: ignore[misc]


def _runs(place: Place, pid: int) -> bool:
    return bool(in_flight(place.events(), str(pid)))


def _entered(place: Place) -> set[str]:
    rows = place.ask("select id from cloaca_runners")
    return {row[0] for row in rows} if rows else set()


def _is_blocked(place: Place) -> bool:
    path = place.url.removeprefix("sqlite:///")
    with open(os.path.join(f"{path}-locks", "gate"), "rb") as gate:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as db:
        try:
            db.execute("begin immediate")
        except sqlite3.OperationalError:
            return True
    return False


def _release(place: Place) -> None:
    with open(os.path.join(place.folder, "release"), "w", encoding="utf-8"):
        pass


def _idle_pauses(history: History) -> list[str]:
    """Pauses that met no body, and prove nothing."""
    return [
        f"process {event.workflow} ran nothing when it was stopped"
        for event, bodies in met_by(history, "paused")
        if not bodies
    ]


def _stale(history: History) -> int:
    """How many bodies ended under a claim that was over."""
    last = {execution.id: execution.fence for execution in history.tables.executions}
    return sum(event.fence < last[event.execution] for event in history.ends)
