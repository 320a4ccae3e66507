"""Run many schedules: ``python -m tests.engine.simulate --schedules 2000 [--seed N]``."""

# ruff: noqa: T201 - a command prints

import argparse
import logging
import random
import sys
import time
import traceback
from collections import Counter

from tests.engine.schedule import run_schedule


def main():
    arguments = parsed()
    logging.disable(logging.CRITICAL)
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}: schedules {seed} to {seed + arguments.schedules - 1}", flush=True)
    failures = 0
    totals, began = Counter(), time.perf_counter()
    for number in range(seed, seed + arguments.schedules):
        try:
            count(run_schedule(random.Random(number), name=f"s{number}", faulty=number % 5 != 0), totals)
        except Exception:
            failures += 1
            traceback.print_exc()
            print(f"repeat it: python -m tests.engine.simulate --schedules 1 --seed {number}", flush=True)
            if failures > arguments.failures:
                break
    report(totals, time.perf_counter() - began, failures)
    return 1 if failures else 0


def parsed():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument("--seed", type=int, help="of the first schedule; the others follow it")
    parser.add_argument("--failures", type=int, default=0, help="how many to go on after")
    return parser.parse_args()


def count(world, totals):
    totals["schedules"] += 1
    totals["executions"] += len(world.run_of)
    totals["bodies"] += sum(map(len, world.ran.values()))
    totals["commits"] += world.faults.commits
    totals["faults"] += world.faults.happened
    totals["crashes"] += world.crashes


def report(totals, seconds, failures):
    figures = ", ".join(f"{value} {name}" for name, value in totals.items())
    each = 1000 * seconds / max(1, totals["schedules"])
    print(f"{figures}, {failures} failures in {seconds:.1f} s, {each:.1f} ms a schedule")


if __name__ == "__main__":
    sys.exit(main())
