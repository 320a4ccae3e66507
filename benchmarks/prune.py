"""How long executions take while old ones are removed beside them."""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import ExitStack
from typing import Any

from benchmarks import shapes
from benchmarks.figures import Bound, Figure, shown
from benchmarks.library import Library, LibraryOnFile
from benchmarks.places import Place, milliseconds
from benchmarks.servers import database, server
from benchmarks.sizes import Sizes

INPUT = {"x": 1}
AT_ONCE = 5_000
PORTIONS = 20
"""In how many parts it is removed; as many executions are timed alone after each as were timed beside it."""


def prune(sizes: Sizes, folder: str) -> list[Figure]:
    """Chains of three, one after the other, beside a prune and without one, on each kind of database."""
    with ExitStack() as stack:
        url = stack.enter_context(database(stack.enter_context(server(folder))))
        places: list[tuple[str, Place[Any]]] = [
            ("SQLite", stack.enter_context(Place(LibraryOnFile, folder))),
            ("PostgreSQL", stack.enter_context(Place(Library, url))),
        ]
        return [figure for name, place in places for figure in place.run(_measured, name, sizes.old)]


def _measured(library: Library, name: str, old: int) -> list[Figure]:
    library.learn("chain", shapes.chain())
    for _ in range(0, old, AT_ONCE):
        library.run_many("chain", [INPUT] * min(AT_ONCE, old))
    beside: list[float] = []
    alone: list[float] = []
    began = time.perf_counter()
    for portion in range(PORTIONS):
        timed = _beside_a_prune(
            library, keep=len(beside) + len(alone) + old - old * (portion + 1) // PORTIONS
        )
        beside += timed
        alone += [_chain(library) for _ in timed]
    taken = (time.perf_counter() - began) * sum(beside) / (sum(beside) + sum(alone))
    p99 = [statistics.quantiles(times, n=100)[98] for times in (beside, alone)]
    p50 = [statistics.median(times) for times in (beside, alone)]
    return [
        _ratio(f"a chain on {name} beside a prune of {old:,}, p50", p50, 1.25),
        _ratio(f"a chain on {name} beside a prune of {old:,}, p99", p99, 1.5),
        Figure(f"a prune on {name}", old / taken, "/s", Bound("at least", 100)),
    ]


def _ratio(name: str, times: list[float], most: float) -> Figure:
    beside, alone = times
    return Figure(
        name, beside / alone, "x", Bound("at most", most), f"{shown(beside)} ms", f"{shown(alone)} ms"
    )


def _beside_a_prune(library: Library, *, keep: int) -> list[float]:
    """How long executions take one after the other until all but so many are removed."""
    pruning = threading.Thread(target=lambda: library.runner.prune(keep=keep))
    pruning.start()
    times = [_chain(library)]
    while pruning.is_alive():
        times.append(_chain(library))
    return times


def _chain(library: Library) -> float:
    return milliseconds(lambda: library.run("chain", INPUT))
