"""How late a schedule fires in real time, on a machine that has nothing else to do."""

from __future__ import annotations

import queue
import statistics
import time
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import cloaca
from benchmarks.figures import Bound, Figure, shown
from benchmarks.library import Library, LibraryOnFile
from benchmarks.places import Place
from benchmarks.servers import database, server
from benchmarks.sizes import Sizes

LATE_MS = 50


def lateness(sizes: Sizes, folder: str) -> list[Figure]:
    """From a nominal instant to the start of the body that it fires, each second, on each kind of database."""
    fires = max(1, round(sizes.idle_seconds))
    with ExitStack() as stack:
        url = stack.enter_context(database(stack.enter_context(server(folder))))
        places: list[tuple[str, Place[Any]]] = [
            ("SQLite", stack.enter_context(Place(LibraryOnFile, folder))),
            ("PostgreSQL", stack.enter_context(Place(Library, url))),
        ]
        # One after the other: fires of the same second would wait for each other.
        return [_figure(name, place.run(_late, fires)) for name, place in places]


def _figure(name: str, late: list[float]) -> Figure:
    median = statistics.median(late)
    return Figure(
        f"a schedule on {name} is late, median", median, "ms", Bound("at most", LATE_MS), f"at most {shown(max(late))} ms"
    )  # fmt: skip


def _late(library: Library, fires: int) -> list[float]:
    """Milliseconds from each nominal instant to its body."""
    late: queue.SimpleQueue[float] = queue.SimpleQueue()

    def body(context: cloaca.Context) -> None:
        late.put(time.time() - datetime.fromisoformat(context["scheduled_time"]).timestamp())

    with cloaca.WorkflowBuilder("each second"):
        cloaca.task(body)
    schedule = library.runner.register_cron_workflow("each second", "* * * * * *", "UTC")
    found = [late.get(timeout=60) * 1e3 for _ in range(fires)]
    library.runner.delete_cron_schedule(schedule)
    return found
