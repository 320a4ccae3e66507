"""All crash points of one database, and what they come to."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from tests.crash import kills, postgres_kills, shapes
from tests.crash.crash_limit import run_killers
from tests.crash.kills import Installed, in_bodies
from tests.crash.points import SECONDS_TO_RECOVER, Figures, Series, run_series
from tests.crash.processes import Scenario
from tests.crash.servers import own_server
from tests.crash.steered import STEERED, SteeredSeries, run_steered

LEAST_POINTS = 200
WORKERS = {"sqlite": 2, "postgres": 4}
"""On PostgreSQL nearly all of the time goes by while a runner waits for its second look at a dead one."""

SHAPES = (
    shapes.CHAIN, shapes.DIAMOND, shapes.WIDE, shapes.FAILING, shapes.RETRYING, shapes.MIXED, shapes.SLOW,
    shapes.GIVES_UP, shapes.RULED,
)  # fmt: skip
ALONE = [Scenario(shape.name, (shape,)) for shape in SHAPES]
CROWD = Scenario("crowd", (shapes.CHAIN, shapes.DIAMOND, shapes.FAILING, shapes.MIXED))
HASTY = Scenario("shutdown", (shapes.SLOW, shapes.CHAIN, shapes.WIDE), leaves_early=True)
TOGETHER = Scenario("start_many", (shapes.CHAIN, shapes.DIAMOND), together=4)
SIX = ALONE[:6]
ALL = (*ALONE, CROWD, HASTY, TOGETHER)


def all_series(kind: str) -> list[Series]:
    """Every moment of every scenario, from both sides where they differ."""
    if kind == "postgres":
        return [replace(series, kind=kind) for series in _on_postgres()]
    return list(_on_sqlite())


def _on_sqlite() -> Iterator[Series]:
    yield from _both_sides(ALL, kills.at_commits)
    yield from _both_sides((*ALONE, HASTY), in_bodies)
    yield from _both_sides(ALONE[:1], kills.at_statements)
    for first in (2, 4):
        yield from _both_sides((*ALONE, CROWD), kills.at_commits, first_kill=first)


def _on_postgres() -> Iterator[Series]:
    """The longest first, so that no worker is left alone with it."""
    yield Series(ALONE[0], postgres_kills.at_statements, after=False)
    yield from _both_sides(SIX, postgres_kills.at_commits, first_kill=3)
    yield from _both_sides((*SIX, CROWD, HASTY, TOGETHER), postgres_kills.at_commits)
    yield from (Series(scenario, postgres_kills.at_turns, after=True) for scenario in SIX)
    yield from _both_sides(SIX[3:], in_bodies)


def _both_sides(
    scenarios: Iterable[Scenario], counted: Installed, *, first_kill: int = 0
) -> Iterator[Series]:
    for scenario in scenarios:
        for after in (False, True):
            yield Series(scenario, counted, after, first_kill)


def run_stage(arguments: Sequence[str] | None = None) -> int:
    """Run everything, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    kind = parser.parse_args(arguments).database
    began, series = time.monotonic(), all_series(kind)
    total = _on_own_server(series) if kind == "postgres" else _run_all(series, kind)
    if total.points < LEAST_POINTS:
        total.violations.append(f"{total.points} points are fewer than {LEAST_POINTS}")
    _print(kind, total, shapes_in(series) + len({STEERED.name}), time.monotonic() - began)
    return bool(total.violations)


def _on_own_server(series: list[Series]) -> Figures:
    with own_server("crash") as server:
        server.wait_for_proofs()
        total = _run_all(series, "postgres")
        server.keep = bool(total.violations)
    return total


def _run_all(series: list[Series], kind: str) -> Figures:
    total, work = Figures(), [partial(run_series, one) for one in series]
    steered = [partial(run_steered, SteeredSeries(after, not after, kind)) for after in (True, False)]
    for figures in _in_workers([partial(run_killers, kind), *steered, *work], WORKERS[kind]):
        total.add(figures)
    return total


def shapes_in(series: Iterable[Series]) -> int:
    """How many different workflows are killed."""
    return len({shape.name for one in series for shape in one.scenario.shapes})


def _in_workers(work: list[Callable[[], Figures]], workers: int) -> Iterable[Figures]:
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.imap_unordered(_run, work, chunksize=1)
        # Ended, not terminated, which may wait for a worker for ever.
        pool.close()
        pool.join()


def _run(work: Callable[[], Figures]) -> Figures:
    return work()


def _print(kind: str, total: Figures, shapes: int, seconds: float) -> None:
    sys.stdout.write("".join(f"VIOLATION {line}\n" for line in total.violations))
    sys.stdout.write(
        f"{kind}: crash points {total.points}, kills {total.kills}, shapes {shapes}, "
        f"slowest first recovery {total.slowest:.3f} s (limit {SECONDS_TO_RECOVER:g} s), "
        f"violations {len(total.violations)}, {seconds:.1f} s\n"
    )
