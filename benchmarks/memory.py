"""What executions leave in memory, and what those that wait take up."""

from __future__ import annotations

import os
import threading
from typing import Any

from benchmarks import shapes
from benchmarks.figures import Bound, Figure, shown
from benchmarks.library import LibraryOnFile
from benchmarks.places import Place, peak_resident_mb, resident_mb
from benchmarks.sizes import Sizes

INPUT = {"x": 1}
BATCH = 500
LEFT_BEHIND = Bound("at most", 20)


def after_many(sizes: Sizes, folder: str) -> list[Figure]:
    """What many finished executions have added to the process."""
    with Place(LibraryOnFile, folder) as place:
        added = place.run(_added_by, sizes.finished)
    return [Figure(f"memory after {sizes.finished:,} executions", added, "MB", LEFT_BEHIND)]


def beyond_the_window(sizes: Sizes, folder: str) -> list[Figure]:
    """The peak with many windows of executions, all started before any can go on, over the peak with one window.

    What does not fit into the window is held by the database alone. So many windows may take what one does and what
    finished executions may leave: no memory that grows with the number that was started.
    """
    peaks = []
    for windows in (sizes.windows, 1):
        own = os.path.join(folder, str(windows))
        os.makedirs(own)
        with Place(_windowed, own, sizes.window) as place:
            peaks.append(place.run(_peak_of, sizes.window, windows))
    many, one = peaks
    name = f"peak of {sizes.windows * sizes.window:,} started, over one window"
    return [Figure(name, many - one, "MB", LEFT_BEHIND, f"{shown(many)} MB", f"{shown(one)} MB")]


def _windowed(folder: str, window: int) -> LibraryOnFile:
    return LibraryOnFile(folder, window=window)


def _added_by(library: LibraryOnFile, number: int) -> float:
    library.learn("chain", shapes.chain())
    library.run_many("chain", [INPUT] * BATCH)
    before = resident_mb()
    for _ in range(0, number, BATCH):
        library.run_many("chain", [INPUT] * BATCH)
    return resident_mb() - before


_open = threading.Event()


def waits(_: Any) -> None:
    _open.wait()


def _peak_of(library: LibraryOnFile, window: int, windows: int) -> float:
    library.learn("gated", {"wait": (waits, ()), **shapes.long(2)})
    before = resident_mb()
    inputs = [INPUT] * window
    last = [library.start_many("gated", inputs)[-1] for _ in range(windows)]
    _open.set()
    for handle in last:
        handle.wait()
    return peak_resident_mb() - before
