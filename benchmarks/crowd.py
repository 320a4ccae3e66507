"""What a start waits for while several processes write one SQLite file."""

from __future__ import annotations

import time
from contextlib import ExitStack

from benchmarks import shapes
from benchmarks.figures import Bound, Figure, shown
from benchmarks.library import LibraryOnFile
from benchmarks.places import Place, milliseconds
from benchmarks.sizes import Sizes

RUNNERS = 3


def crowd(sizes: Sizes, folder: str) -> list[Figure]:
    """Three busy runners on one file: how long their callers wait until a start is committed; the worst of the three."""
    with ExitStack() as stack:
        places = [stack.enter_context(Place(LibraryOnFile, folder)) for _ in range(RUNNERS)]
        for place in places:
            place.run(_learn)
        busy = [place.begin(_start_for, sizes.busy_seconds) for place in places]
        waits = [runner.result() for runner in busy]
    worst = max(_percentile(times, 0.99) for times in waits)
    number = sum(map(len, waits))
    name = f"commit of {number:,} starts, {RUNNERS} runners on one file, p99"
    return [Figure(name, worst, "ms", Bound("at most", 250), f"longest: {shown(max(map(max, waits)))} ms")]


def _learn(library: LibraryOnFile) -> None:
    library.learn("chain", shapes.chain())
    library.run("chain", {})


def _start_for(library: LibraryOnFile, seconds: float) -> list[float]:
    """Start chain after chain for so long, whoever runs them; how long each start has taken."""
    waits: list[float] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        waits.append(milliseconds(lambda: library.start("chain", {})))
    return waits


def _percentile(times: list[float], part: float) -> float:
    return sorted(times)[int(part * (len(times) - 1))]
