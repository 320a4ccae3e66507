"""Run many schedules: ``python -m tests.engine.simulate --schedules 2000 [--seed N] [--database postgres]``."""

# ruff: noqa: T201 - a command prints

import argparse
import contextlib
import logging
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests import databases, postgres
from tests.engine.schedule import run_schedule


def main():
    arguments = parsed()
    logging.disable(logging.CRITICAL)
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}: schedules {seed} to {seed + arguments.schedules - 1}", flush=True)
    with contextlib.ExitStack() as stack:
        return run(arguments, seed, place(arguments.database, stack))


def run(arguments, seed, database):
    failures = 0
    totals, began = Counter(), time.perf_counter()
    for number in range(seed, seed + arguments.schedules):
        try:
            with database() as empty:
                count(run_schedule(random.Random(number), empty, faulty=number % 5 != 0), totals)
        except Exception:
            failures += 1
            traceback.print_exc()
            again = f"--schedules 1 --seed {number} --database {arguments.database}"
            print(f"repeat it: python -m tests.engine.simulate {again}", flush=True)
            if failures > arguments.failures:
                break
    report(totals, time.perf_counter() - began, failures)
    return 1 if failures else 0


def place(kind, stack):
    """What gives each schedule an empty database: a new file, or one database of a server that is ours."""
    if kind == "sqlite":
        return lambda: contextlib.closing(databases.SqliteDatabase())
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cloaca-postgres-"))
    server = postgres.Server(Path(folder))
    stack.callback(server.stop)
    server.start()
    database = stack.enter_context(contextlib.closing(databases.PostgresDatabase(server.url)))
    return database.emptied


def parsed():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument("--seed", type=int, help="of the first schedule; the others follow it")
    parser.add_argument("--failures", type=int, default=0, help="how many to go on after")
    parser.add_argument("--database", choices=databases.KINDS, default="sqlite")
    return parser.parse_args()


def count(world, totals):
    totals["schedules"] += 1
    totals["executions"] += len(world.run_of)
    totals["bodies"] += sum(map(len, world.ran.values()))
    totals["commits"] += world.faults.commits
    totals["faults"] += world.faults.happened
    totals["crashes"] += world.crashes
    totals["verbs"] += world.steering.done.total()
    for verb, number in sorted(world.steering.done.items()):
        totals[verb] += number


def report(totals, seconds, failures):
    figures = ", ".join(f"{value} {name}" for name, value in totals.items())
    each = 1000 * seconds / max(1, totals["schedules"])
    print(f"{figures}, {failures} failures in {seconds:.1f} s, {each:.1f} ms a schedule")


if __name__ == "__main__":
    sys.exit(main())
