"""What a runner costs that has nothing to do."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack
from typing import Any

import psycopg

from benchmarks import shapes
from benchmarks.figures import Bound, Figure
from benchmarks.library import Library, LibraryOnFile
from benchmarks.places import Place
from benchmarks.servers import database, server
from benchmarks.sizes import Sizes

QUERY = re.compile(r"\tF\t\d+\t(?:Query|Execute)\t")
"""In the driver's trace: a message to the server that has it execute a statement."""


def idle(sizes: Sizes, folder: str) -> list[Figure]:
    """A runner on each kind of database, after it has run something: its queries, and the time of its process."""
    trace = os.path.join(folder, "trace")
    with ExitStack() as stack:
        url = stack.enter_context(database(stack.enter_context(server(folder))))
        places: list[Place[Any]] = [
            stack.enter_context(Place(_traced, url, trace)),
            stack.enter_context(Place(LibraryOnFile, folder)),
        ]
        for place in places:
            place.run(_work)
        before = _queries(trace)
        shares = [
            share.result() for share in [place.begin(_busy_part, sizes.idle_seconds) for place in places]
        ]
        queries = (_queries(trace) - before) / sizes.idle_seconds
    return [
        Figure("idle on PostgreSQL, queries a second", queries, "", Bound("at most", 2)),
        Figure("idle on PostgreSQL, of one core", shares[0] * 100, "%", Bound("at most", 1)),
        Figure("idle on SQLite, of one core", shares[1] * 100, "%", Bound("at most", 1)),
    ]


# What is called in the other process.


def _traced(url: str, trace: str) -> Library:
    """A runner all of whose connections write what they send to the server into one file."""
    file = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    connect = psycopg.connect

    def connect_traced(*arguments: Any, **options: Any) -> Any:
        db = connect(*arguments, **options)
        db.pgconn.trace(file)
        return db

    psycopg.connect = connect_traced
    return Library(url)


def _work(library: Library) -> None:
    library.learn("chain", shapes.chain())
    library.run("chain", {})


def _busy_part(_: Library, seconds: float) -> float:
    """How much of so many seconds this process was busy, as a share of one core."""
    before, began = time.process_time(), time.perf_counter()
    time.sleep(seconds)
    return (time.process_time() - before) / (time.perf_counter() - began)


def _queries(trace: str) -> int:
    with open(trace, encoding="utf-8", errors="replace") as lines:
        return sum(QUERY.search(line) is not None for line in lines)
