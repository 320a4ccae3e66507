"""A runner process: ``python -m tests.chaos.member ORDERS`` works until its standard input ends.

It starts executions too, each at its time and under a key, until each is acknowledged: one that was killed before it
could note an acknowledgement starts the same keys again.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import psycopg

import cloaca
from tests.chaos.workload import RELEASE, SHAPES
from tests.crash import audits
from tests.crash.journal import Journal
from tests.crash.shapes import START, Recorder
from tests.crash.tables import Seen

PATIENCE_SECONDS = 60.0
DIE_WITH_PARENT = 1
T = TypeVar("T")


class Starts(NamedTuple):
    """Which executions a process starts: every ``step``-th from ``first``, each ``interval`` seconds after the last."""

    workflow: str
    first: int
    step: int
    total: int
    began: float
    interval: float

    def moments(self) -> list[tuple[float, str, str]]:
        """When each is started, its workflow and its key."""
        return [
            (self.began + number * self.interval, self.workflow, f"key {number}")
            for number in range(self.first, self.total, self.step)
        ]


class Orders(NamedTuple):
    """What a process is to do; ``witness`` says whether bodies look at the database when they start and end."""

    url: str
    folder: str
    shapes: list[str]
    settings: dict[str, Any]
    starts: Sequence[Any] = ()
    witness: bool = True


def main(orders: Orders) -> None:
    # Also while it is stopped: whoever has started it may be killed.
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {os.getpid()} %(name)s %(message)s")
    os.environ[RELEASE] = os.path.join(orders.folder, "release")
    journal = Journal(os.path.join(orders.folder, "journal"))
    recorder = Recorder(journal, orders.url, _patient_witness if orders.witness else _blind)
    for name in orders.shapes:
        recorder.register(SHAPES[name])
    config = cloaca.DefaultRunnerConfig(**orders.settings)
    with _patiently(lambda: cloaca.DefaultRunner(orders.url, config)) as runner:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if orders.starts:
            starts = [Starts(*one) for one in orders.starts]
            _start_all(runner, starts, journal, Journal(os.path.join(orders.folder, "starts")))
        sys.stdin.read()


def _blind(_: str) -> Seen:
    return 0


def _patient_witness(url: str) -> Seen:
    """A body waits for a server that restarts."""
    return _patiently(lambda: audits.latest_change(url))


def _patiently(work: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except (cloaca.CloacaException, psycopg.OperationalError, sqlite3.OperationalError):
            if time.monotonic() > deadline:
                raise
            logging.getLogger("chaos").info("trying again", exc_info=True)
            time.sleep(0.1)


def _start_all(
    runner: cloaca.DefaultRunner, starts: Sequence[Starts], journal: Journal, done: Journal
) -> None:
    known = {(event.workflow, event.key) for event in done.read()}
    for at, workflow, key in sorted(moment for one in starts for moment in one.moments()):
        if (workflow, key) not in known:
            time.sleep(max(0.0, at - time.time()))
            handle = _patiently(lambda name=workflow, key=key: runner.start(name, START, idempotency_key=key))  # type: ignore[misc]
            for file in (journal, done):
                file.write("acknowledged", handle.execution_id, workflow=workflow, key=key)


if __name__ == "__main__":
    main(Orders(*json.loads(sys.argv[1])))
