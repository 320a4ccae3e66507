"""How long executions take beside the yardstick's, and how many commits they pay for.

The bodies are the same functions on both sides. Each side has a process of its own and waits while the other works.
"""

from __future__ import annotations

import os
import statistics
import struct
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks import shapes
from benchmarks.figures import Bound, Figure, shown
from benchmarks.library import LibraryOnFile
from benchmarks.places import Pairs, Place, alternate, milliseconds, peak_resident_mb
from benchmarks.sides import Sides, Subject, on_postgres, on_sqlite
from benchmarks.sizes import Sizes
from benchmarks.yardstick import Workflow

INPUT = {"x": 1}
WARM = 50


def one_at_a_time(sizes: Sizes, folder: str) -> list[Figure]:
    """W1: chains of three, one after the other; the median of each round."""
    return [_one_at_a_time("W1", on_sqlite(folder), sizes)]


def one_at_a_time_on_postgres(sizes: Sizes, folder: str) -> list[Figure]:
    """W1 on PostgreSQL."""
    return [_one_at_a_time("PostgreSQL W1", on_postgres(folder), sizes)]


def _one_at_a_time(name: str, sides: Sides, sizes: Sizes) -> Figure:
    run = partial(_run, "chain", INPUT, sizes.one_at_a_time)
    pairs = _beside_the_yardstick(sides, run, sizes.one_at_a_time_rounds, shapes.chain)
    return _ratio(f"{name} chain of 3, one at a time, p50", pairs, Bound("at most", 1.6))


def at_once(sizes: Sizes, folder: str) -> list[Figure]:
    """W2: chains of three, all started at once."""
    return [_at_once("W2", on_sqlite(folder), sizes)]


def at_once_on_postgres(sizes: Sizes, folder: str) -> list[Figure]:
    """W2 on PostgreSQL."""
    return [_at_once("PostgreSQL W2", on_postgres(folder), sizes)]


def _at_once(name: str, sides: Sides, sizes: Sizes) -> Figure:
    run = partial(_run_many, "chain", sizes.at_once)
    pairs = _beside_the_yardstick(sides, run, sizes.at_once_rounds, shapes.chain)
    ours, beside = pairs.medians
    name = f"{name} {sizes.at_once:,} chains of 3 at once"
    rates = (f"{shown(sizes.at_once / taken * 1e3)}/s" for taken in (ours, beside))
    return Figure(name, 1 / pairs.ratio, "x", Bound("at least", 0.5), *rates)


def fan_out(sizes: Sizes, folder: str) -> list[Figure]:
    """W3: one task, many that follow it, one that joins them."""
    run = partial(_run, "chain", {}, 1)
    pairs = _beside_the_yardstick(on_sqlite(folder), run, sizes.width_rounds, shapes.wide, sizes.width)
    return [_ratio(f"W3 1 -> {sizes.width:,} -> 1 tasks", pairs, Bound("at most", 2))]


def long_chain(sizes: Sizes, folder: str) -> list[Figure]:
    """W4: one chain of many tasks."""
    run = partial(_run, "chain", {}, 1)
    pairs = _beside_the_yardstick(on_sqlite(folder), run, sizes.length_rounds, shapes.long, sizes.length)
    return [_ratio(f"W4 chain of {sizes.length:,}", pairs, Bound("at most", 1.5))]


def growth(sizes: Sizes, folder: str) -> list[Figure]:
    """A chain ten times as long in which each task adds a key: what each task costs, and the memory."""
    with ExitStack() as places:
        short, great = (places.enter_context(_library(folder, name)) for name in ("short", "great"))
        short.run(_learn, "chain", shapes.long, sizes.length)
        great.run(_learn, "chain", shapes.long, sizes.great_length, shapes.writes_its_own_key)
        pairs = alternate(
            lambda: great.run(partial(_run, "chain", {}, 1)) / sizes.great_length,
            lambda: short.run(partial(_run, "chain", {}, 1)) / sizes.length,
            rounds=sizes.great_length_rounds,
        )
        memory = great.run(_peak)
    name = f"chain of {sizes.great_length:,} with a key each"
    return [
        _ratio(f"{name}, a task, beside W4", pairs, Bound("at most", 1.5)),
        Figure(f"{name}, whole process", memory, "MB", Bound("at most", 200)),
    ]


def wear(sizes: Sizes, folder: str) -> list[Figure]:
    """W1 on a runner and a file that have many executions behind them, beside one that has not."""
    run = partial(_run, "chain", INPUT, sizes.one_at_a_time)
    with ExitStack() as places:
        worn, fresh = (places.enter_context(_library(folder, name)) for name in ("worn", "fresh"))
        for place in (worn, fresh):
            place.run(_learn, "chain", shapes.chain)
            place.run(partial(_run, "chain", INPUT, WARM))
        worn.run(partial(_run_many, "chain", sizes.worn_by))
        rounds = sizes.one_at_a_time_rounds
        pairs = alternate(lambda: worn.run(run), lambda: fresh.run(run), rounds=rounds)
    return [
        _ratio(f"W1 after {sizes.worn_by:,} executions, beside a fresh one", pairs, Bound("at most", 1.3))
    ]


def commits(sizes: Sizes, folder: str) -> list[Figure]:
    """Commits of one chain of three, counted in the write-ahead log."""
    with _library(folder, "counted") as place:
        place.run(_learn, "chain", shapes.chain)
        place.run(partial(_run, "chain", INPUT, 1))
        counts = place.run(_count_commits, sizes.counted)
    return [Figure("commits of a chain of 3", statistics.mean(counts), "", Bound("exactly", 4))]


def _beside_the_yardstick(
    sides: Sides,
    measure: Callable[[Subject], float],
    rounds: int,
    shape: Callable[..., Workflow],
    *arguments: Any,
) -> Pairs:
    with sides as (ours, beside):
        for side in (ours, beside):
            side.run(_learn, "warm", shapes.chain)
            side.run(partial(_run, "warm", INPUT, WARM))
            side.run(_learn, "chain", shape, *arguments)
        return alternate(lambda: ours.run(measure), lambda: beside.run(measure), rounds=rounds)


def _library(folder: str, name: str) -> Place[LibraryOnFile]:
    own = os.path.join(folder, name)
    os.makedirs(own)
    return Place(LibraryOnFile, own)


def _ratio(name: str, pairs: Pairs, bound: Bound) -> Figure:
    ours, beside = pairs.medians
    return Figure(name, pairs.ratio, "x", bound, f"{shown(ours)} ms", f"{shown(beside)} ms")


# What is called in the other process.


def _learn(subject: Subject, name: str, shape: Callable[..., Workflow], *arguments: Any) -> None:
    subject.learn(name, shape(*arguments))


def _run(name: str, data: dict[str, Any], times: int, subject: Subject) -> float:
    return statistics.median(milliseconds(lambda: subject.run(name, data)) for _ in range(times))


def _run_many(name: str, number: int, subject: Subject) -> float:
    inputs = [INPUT] * number
    return milliseconds(lambda: subject.run_many(name, inputs))


def _peak(_: LibraryOnFile) -> float:
    return peak_resident_mb()


def _count_commits(library: LibraryOnFile, times: int) -> list[int]:
    counts = []
    for _ in range(times):
        before = commits_in(f"{library.path}-wal")
        library.run("chain", INPUT)
        counts.append(commits_in(f"{library.path}-wal") - before)
    return counts


def commits_in(log: str) -> int:
    """How many commits a write-ahead log holds, whoever made them.

    The frame that ends a transaction, and no other, holds the size of the database after it
    (https://sqlite.org/fileformat2.html#walformat).
    """
    with open(log, "rb") as file:
        _, _, page_size, _, *salts = struct.unpack(">6I8x", file.read(32))
        count = 0
        while len(frame := file.read(24)) == 24:
            _, size_after, *frame_salts = struct.unpack(">4I8x", frame)
            if frame_salts != salts:
                break
            count += size_after > 0
            file.seek(page_size, os.SEEK_CUR)
        return count
