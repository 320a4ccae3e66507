"""All crash points, and what they come to."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial

from tests.crash import shapes
from tests.crash.crash_limit import run_killers
from tests.crash.kills import at_commits, at_statements, in_bodies
from tests.crash.points import SECONDS_TO_RECOVER, Figures, Series, run_series
from tests.crash.processes import Scenario

LEAST_POINTS = 200
WORKERS = 2

ALONE = [
    Scenario(shape.name, (shape,))
    for shape in (
        shapes.CHAIN, shapes.DIAMOND, shapes.WIDE, shapes.FAILING, shapes.RETRYING, shapes.MIXED, shapes.SLOW,
        shapes.GIVES_UP,
    )
]  # fmt: skip
CROWD = Scenario("crowd", (shapes.CHAIN, shapes.DIAMOND, shapes.FAILING, shapes.MIXED))
HASTY = Scenario("shutdown", (shapes.SLOW, shapes.CHAIN, shapes.WIDE), leaves_early=True)
TOGETHER = Scenario("start_many", (shapes.CHAIN, shapes.DIAMOND), together=4)


def all_series() -> list[Series]:
    """Every moment of every scenario, from both sides."""
    once = [(scenario, at_commits) for scenario in (*ALONE, CROWD, HASTY, TOGETHER)]
    once += [(scenario, in_bodies) for scenario in (*ALONE, HASTY)]
    once += [(ALONE[0], at_statements)]
    twice = [(scenario, first) for scenario in (*ALONE, CROWD) for first in (2, 4)]
    return [Series(scenario, counted, after) for scenario, counted in once for after in (False, True)] + [
        Series(scenario, at_commits, after, first_kill=first)
        for scenario, first in twice
        for after in (False, True)
    ]


def run_stage() -> int:
    """Run everything, print the figures, and return the exit status."""
    began, total = time.monotonic(), Figures()
    series = all_series()
    work: list[Callable[[], Figures]] = [partial(run_series, one) for one in series]
    for figures in _in_workers([run_killers, *work]):
        total.add(figures)
    if total.points < LEAST_POINTS:
        total.violations.append(f"{total.points} points are fewer than {LEAST_POINTS}")
    _print(total, shapes_in(series), time.monotonic() - began)
    return bool(total.violations)


def shapes_in(series: Iterable[Series]) -> int:
    """How many different workflows are killed."""
    return len({shape.name for one in series for shape in one.scenario.shapes})


def _in_workers(work: list[Callable[[], Figures]]) -> Iterable[Figures]:
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        yield from pool.imap_unordered(_run, work, chunksize=1)


def _run(work: Callable[[], Figures]) -> Figures:
    return work()


def _print(total: Figures, shapes: int, seconds: float) -> None:
    sys.stdout.write("".join(f"VIOLATION {line}\n" for line in total.violations))
    sys.stdout.write(
        f"crash points {total.points}, kills {total.kills}, shapes {shapes}, "
        f"slowest first recovery {total.slowest:.3f} s (limit {SECONDS_TO_RECOVER:g} s), "
        f"violations {len(total.violations)}, {seconds:.1f} s\n"
    )
