"""How many times as fast as other engines: the same three instant tasks, each engine with its defaults.

Only those who ask for it need the extra ``alternatives``.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from benchmarks.figures import Bound, Figure, shown
from benchmarks.places import Place, alternate, milliseconds
from benchmarks.servers import database, server
from benchmarks.sizes import Sizes


class Engine(Protocol):
    """What is compared."""

    def run(self, number: int) -> int: ...
    def run_many(self, numbers: list[int]) -> list[int]: ...


Pair = tuple[Place[Any], Place[Any]]
"""This library and another one."""

WARM = 10


def dbos(sizes: Sizes, folder: str) -> list[Figure]:
    """DBOS, both on SQLite, and both on PostgreSQL."""
    with places(_file(folder, "cloaca"), "dbos.Dbos", _file(folder, "dbos")) as pair:
        on_sqlite = [
            one_at_a_time("DBOS on SQLite", pair, sizes.slow_rounds, Bound("at least", 4)),
            at_once("DBOS on SQLite", pair, sizes, Bound("at least", 40)),
        ]
    with (
        server(folder) as url,
        database(url) as one,
        database(url) as other,
        places(one, "dbos.Dbos", other) as pair,
    ):
        on_postgres = [
            one_at_a_time("DBOS on PostgreSQL", pair, sizes.slow_rounds, Bound("at least", 1.5)),
            at_once("DBOS on PostgreSQL", pair, sizes, Bound("at least", 10)),
        ]
    return on_sqlite + on_postgres


def prefect(sizes: Sizes, folder: str) -> list[Figure]:
    """Prefect, on SQLite."""
    with places(_file(folder, "cloaca"), "prefect.Prefect", os.path.join(folder, "prefect")) as pair:
        return [one_at_a_time("Prefect", pair, sizes.slow_rounds, Bound("at least", 20))]


def dagster(sizes: Sizes, folder: str) -> list[Figure]:
    """Dagster, on SQLite."""
    with places(_file(folder, "cloaca"), "dagster.Dagster", os.path.join(folder, "dagster")) as pair:
        return [one_at_a_time("Dagster", pair, sizes.slow_rounds, Bound("at least", 20))]


def _file(folder: str, name: str) -> str:
    return f"sqlite:///{os.path.abspath(folder)}/{name}.db"


@contextmanager
def places(url: str, engine: str, where: str) -> Iterator[Pair]:
    package = engine.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise SystemExit(f"{package} is not installed: pip install -e '.[alternatives]'")
    with Place(_made, "cloaca.Cloaca", url) as ours, Place(_made, engine, where) as other:
        for place in (ours, other):
            place.run(partial(_one, WARM))
        yield ours, other


def one_at_a_time(name: str, pair: Pair, rounds: int, bound: Bound) -> Figure:
    ours, other = pair
    pairs = alternate(lambda: ours.run(partial(_one, 3)), lambda: other.run(partial(_one, 3)), rounds=rounds)
    medians = (f"{shown(taken)} ms" for taken in pairs.medians)
    return Figure(f"{name}: 3 tasks, one execution at a time", 1 / pairs.ratio, "x", bound, *medians)


def at_once(name: str, pair: Pair, sizes: Sizes, bound: Bound) -> Figure:
    ours, other = pair
    run = partial(_many, sizes.slow_at_once)
    pairs = alternate(lambda: ours.run(run), lambda: other.run(run), rounds=3)
    rates = (f"{shown(sizes.slow_at_once / taken * 1e3)}/s" for taken in pairs.medians)
    return Figure(
        f"{name}: 3 tasks, {sizes.slow_at_once} executions at once", 1 / pairs.ratio, "x", bound, *rates
    )


# What is called in the other process.


def _made(engine: str, where: str) -> Engine:
    module, name = engine.split(".")
    make: Callable[[str], Engine] = getattr(
        importlib.import_module(f"benchmarks.alternatives.{module}"), name
    )
    return make(where)


def _one(times: int, engine: Engine) -> float:
    return statistics.median(milliseconds(partial(_checked, engine)) for _ in range(times))


def _checked(engine: Engine) -> None:
    if (found := engine.run(1)) != 4:
        raise AssertionError(f"1 became {found}, not 4")


def _many(number: int, engine: Engine) -> float:
    return milliseconds(lambda: engine.run_many([1] * number))
