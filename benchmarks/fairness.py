"""What an execution waits for while a wide one runs."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks import shapes
from benchmarks.figures import Bound, Figure, shown
from benchmarks.library import LibraryOnFile
from benchmarks.places import Place, milliseconds
from benchmarks.sizes import Sizes


def behind_a_crowd(sizes: Sizes, folder: str) -> list[Figure]:
    """Chains of three, one after the other, the first of them right behind the start of a wide fan-out."""
    with Place(LibraryOnFile, folder) as place:
        times = place.run(_chains_behind, sizes.crowd, sizes.behind_the_crowd)
    name = f"chain of 3 behind {sizes.crowd:,} bodies of 5 ms"
    worst = f"worst of {len(times)}: {shown(max(times))} ms"
    return [Figure(name, statistics.median(times), "ms", Bound("at most", 100), worst)]


def five_ms(_: Any) -> None:
    time.sleep(0.005)


def _chains_behind(library: LibraryOnFile, width: int, number: int) -> list[float]:
    library.learn("chain", shapes.chain())
    library.learn("crowd", shapes.wide(width, five_ms))
    library.run("chain", {})
    (crowd,) = library.start_many("crowd", [{}])
    times: list[float] = []
    while len(times) < number and not crowd.wait(0):
        times.append(milliseconds(lambda: library.run("chain", {})))
    return times
