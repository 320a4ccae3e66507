"""How two worker processes share a backlog on PostgreSQL, beside one that has all of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

import cloaca
from benchmarks import piece
from benchmarks.figures import Bound, Figure, shown
from benchmarks.places import alternate
from benchmarks.servers import database, server
from benchmarks.sizes import Sizes

ENDED = """
select a.delta, count(*), max(e.finished_at) from cloaca.attempts a join cloaca.executions e on e.id = a.execution_id
where e.seq > %s group by a.delta
"""
"""By what it has left in the context, which is its process."""

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 120


def sharing(sizes: Sizes, folder: str) -> list[Figure]:
    """A backlog of bodies of 5 ms: the time of two workers beside that of one, and the larger part in each round."""
    parts: list[float] = []
    with ExitStack() as stack:
        url = stack.enter_context(server(folder))
        two, one = (stack.enter_context(_crew(url, workers)) for workers in (2, 1))

        def shared() -> float:
            taken = two.work(sizes.backlog)
            parts.append(taken.largest_part)
            return taken.seconds * 1e3

        pairs = alternate(shared, lambda: one.work(sizes.backlog).seconds * 1e3, rounds=sizes.backlog_rounds)
    ours, beside = pairs.medians
    name = f"{sizes.backlog:,} bodies of 5 ms by two workers"
    return [
        Figure(
            f"{name}, beside one", pairs.ratio, "x", Bound("at most", 0.65), f"{shown(ours)} ms", f"{shown(beside)} ms"
        ),
        Figure(f"{name}, larger part of {len(parts)}", max(parts) * 100, "%", Bound("at most", 70)),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """How a backlog was worked off: the seconds from its start to the end of the last body, and how many each has run."""

    seconds: float
    by_process: list[int]

    @property
    def largest_part(self) -> float:
        return max(self.by_process) / sum(self.by_process)


class Crew:
    """Workers on a database of their own, and the client that gives them work."""

    def __init__(self, client: cloaca.Client, db: psycopg.Connection[Any]) -> None:
        self._client = client
        self._db = db

    def work(self, number: int) -> Taken:
        """Start so many executions in one transaction and see how they end."""
        ((last,),) = self._db.execute("select coalesce(max(seq), 0) from cloaca.executions").fetchall()
        self._client.start_many("piece", [{}] * number)
        began = time.time()
        self._await_all()
        rows = self._db.execute(ENDED, (last,)).fetchall()
        return Taken(max(ended for _, _, ended in rows) - began, [count for _, count, _ in rows])

    def await_all_at_work(self, workers: int) -> None:
        """Work until each of so many workers takes part."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.work(100).by_process) < workers:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{workers} workers do not share any backlog within {PATIENCE_SECONDS} s")

    def _await_all(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        unfinished = "select 1 from cloaca.executions where finished_at is null limit 1"
        while self._db.execute(unfinished).fetchall():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the backlog is not worked off within {PATIENCE_SECONDS} s")
            time.sleep(LOOK_SECONDS)


@contextmanager
def _crew(server: str, workers: int) -> Iterator[Crew]:
    """So many workers that have all worked already, so that they know of each other."""
    with database(server) as url, ExitStack() as stack:
        client = stack.enter_context(cloaca.Client(url))
        for _ in range(workers):
            stack.enter_context(_worker(url))
        crew = Crew(client, stack.enter_context(psycopg.connect(url, autocommit=True)))
        crew.await_all_at_work(workers)
        yield crew


@contextmanager
def _worker(url: str) -> Iterator[None]:
    """``cloaca worker``, from when it is ready until it has ended as asked."""
    command = os.path.join(os.path.dirname(sys.executable), "cloaca")
    with subprocess.Popen(
        [command, "worker", piece.__file__, "--db", url], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _await_ready(process)
            yield
        finally:
            process.terminate()


def _await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said = ""
    while "ready" not in said:
        line = process.stderr.readline()
        if not line:
            raise RuntimeError(f"a worker ended before it was ready: {said}")
        said += line
