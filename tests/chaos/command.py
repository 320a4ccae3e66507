"""All scenarios as one command: some at a time, each with a database of its own."""

from __future__ import annotations

import argparse
import multiprocessing
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from tests.chaos.claiming import run_claiming
from tests.chaos.pauses import run_pauses
from tests.chaos.place import POSTGRES, SQLITE
from tests.chaos.poison import run_poison
from tests.chaos.report import Report
from tests.chaos.restarts import run_restarts
from tests.chaos.storm import run_storm

AT_ONCE = 4
"""Most of them wait most of the time: for leases, for proofs of death, for a suspect's probation."""
QUICK_MINUTES = 3.0
EXECUTIONS_PER_MINUTE = 2000 / 3
SQLITE_PART = 0.25
"""Of the time that the storm on PostgreSQL takes; it has no server to restart."""

Scenario = Callable[[], Report]


def scenarios(kinds: Sequence[str], *, seed: int, minutes: float) -> list[Scenario]:
    """The longest first."""
    found: list[Scenario] = []
    if POSTGRES in kinds:
        found.append(_storm(POSTGRES, seed, minutes))
    found += [partial(run_poison, kind) for kind in kinds]
    if SQLITE in kinds:
        found.append(_storm(SQLITE, seed, minutes * SQLITE_PART if POSTGRES in kinds else minutes))
    found += [partial(run, kind) for run in (run_pauses, run_claiming) for kind in kinds]
    return [*found, run_restarts] if POSTGRES in kinds else found


def _storm(kind: str, seed: int, minutes: float) -> Scenario:
    executions = round(minutes * EXECUTIONS_PER_MINUTE)
    return partial(run_storm, kind, seed=seed, seconds=60 * minutes, executions=executions)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=QUICK_MINUTES,
        help="how long faults go on in the storm; the other scenarios take as long as they take",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, help="of the schedule of faults; a new one each time without it")
    parser.add_argument("--database", choices=(SQLITE, POSTGRES, "both"), default="both")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything, print the figures, and return the exit status."""
    options = parsed(arguments)
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    kinds = (POSTGRES, SQLITE) if options.database == "both" else (options.database,)
    began, violations = time.monotonic(), 0
    _print(f"seed {seed}")
    with multiprocessing.get_context("fork").Pool(AT_ONCE, _end_tidily, maxtasksperchild=1) as pool:
        work = scenarios(kinds, seed=seed, minutes=options.minutes)
        for report in pool.imap_unordered(_run, work, chunksize=1):
            violations += len(report.violations)
            _print(str(report))
        # The end of the block would terminate workers while the pool still makes new ones, and may wait for one for ever.
        pool.close()
        pool.join()
    _print(f"violations {violations}, {time.monotonic() - began:.0f} s")
    if violations:
        again = f"--minutes {options.minutes:g} --seed {seed} --database {options.database}"
        _print(f"repeat the schedule: python -m tests.chaos {again}")
    return bool(violations)


def _end_tidily() -> None:
    """An interrupted command still stops its servers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def _run(scenario: Scenario) -> Report:
    return scenario()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
