"""What executions leave in memory, and what those that wait take up."""

from __future__ import annotations

import os
import threading
from typing import Any

import cloaca
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


def deferred(sizes: Sizes, folder: str) -> list[Figure]:
    """What bodies take up that have deferred, sync ones with a thread each and async ones with none."""
    figures = []
    for kind, number, bound in (("sync", sizes.deferred, 40), ("async", sizes.deferred_async, 100)):
        own = os.path.join(folder, kind)
        os.makedirs(own)
        with Place(_windowed, own, 2 * number) as place:
            added = place.run(_added_by_deferred, kind, number)
        name = f"{number:,} {kind} bodies deferred on 4 slots"
        figures.append(Figure(name, added, "MB", Bound("at most", bound)))
    return figures


_goes_on = threading.Event()


def _added_by_deferred(library: LibraryOnFile, kind: str, number: int) -> float:
    with cloaca.WorkflowBuilder("deferred") as builder:
        cloaca.task(id="wait")(_waits_async if kind == "async" else _waits)
    deferring = builder.build()
    library.learn("other", {"other": (shapes.nothing, ())})
    _goes_on.set()
    library.runner.execute(deferring)
    _goes_on.clear()
    _has_deferred.clear()
    before = resident_mb()
    handles = library.runner.start_many(deferring, [INPUT] * number)
    while len(_has_deferred) < number:
        library.run("other", INPUT)  # others have the slots meanwhile
    added = resident_mb() - before
    _goes_on.set()
    for handle in handles:
        handle.result()
    return added


_has_deferred: set[str] = set()


def _waits(_: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    handle.defer_until(lambda: _asked(handle), poll_interval_ms=500)


async def _waits_async(_: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    await handle.defer_until_async(lambda: _asked(handle), poll_interval_ms=500)


def _asked(handle: cloaca.TaskHandle) -> bool:
    _has_deferred.add(handle.execution_id)
    return _goes_on.is_set()


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
