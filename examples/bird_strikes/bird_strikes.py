"""What do birds do to airliners? Four analyses of the FAA's strike reports side by side, and one report of them."""

from __future__ import annotations

import hashlib
import math
import os
from calendar import month_name
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from time import perf_counter
from typing import Any

from estimates import bootstrap, logistic, mean, rate, seeded
from rendering import bars, markdown, ranged
from strikes import (
    Strike,
    as_csv,
    read_rows,
    read_strikes,
    replace_file,
    strikes_csv,
    strikes_per_day,
    valid,
)

import cloaca

HERE = Path(__file__).resolve().parent
DATA = HERE / "data" / "birdstrikes-1998-2001.csv"
REPORT = HERE / "report"


@contextmanager
def announced(task: str) -> Iterator[None]:
    # Each line is one write, newline included, so that tasks in parallel do not share a line.
    started = perf_counter()
    print(f"  {task}: starts\n", end="", flush=True)
    yield
    print(f"  {task}: done in {perf_counter() - started:.1f} s\n", end="", flush=True)


@cloaca.task(id="load", retry_attempts=2)
@announced("load")
def load(context: cloaca.Context, *, source: str = str(DATA), output: str = str(REPORT)) -> None:
    """Keep the reports that count in a table that the analyses share; the context carries only its path."""
    rows = read_rows(source)
    kept, dropped = valid(rows)
    table = Path(output) / "strikes.csv"
    replace_file(table, strikes_csv(kept))
    context["table"] = str(table)
    context["loaded"] = {"read": len(rows), "kept": len(kept), "dropped": dropped}
    airports = len({row["Airport Name"] for row in rows})
    context["caveats"] = [f"Strikes at {airports} airports, and only those that somebody chose to report."]


@cloaca.task(id="species", dependencies=["load"], timeout_seconds=60)
@announced("species")
def species(context: cloaca.Context, *, table: str, least: int = 25) -> None:
    """Which animals do damage? Those with fewer strikes than ``least`` are left out."""
    strikes = read_strikes(table)
    hits = defaultdict(list)
    for strike in strikes:
        if strike.is_identified:
            hits[strike.species].append(strike.damaged)
    rows = [
        {"name": name, "strikes": len(its), "damaging": sum(its), **rate(sum(its), len(its))}
        for name, its in hits.items()
        if len(its) >= least
    ]
    context["by_species"] = sorted(rows, key=lambda row: (-row["value"], row["name"]))
    unknown = mean([not strike.is_identified for strike in strikes])
    context["caveats"].append(f"In {unknown:.0%} of the reports nobody knew the species.")


@cloaca.task(id="season", dependencies=["load"], timeout_seconds=60)
@announced("season")
def season(context: cloaca.Context, *, table: str, resamples: int = 1000) -> None:
    """When do they strike?"""
    chance = seeded("season")
    context["by_month"] = [
        {"name": month_name[month], **bootstrap(days, mean, resamples=resamples, chance=chance)}
        for month, days in strikes_per_day(read_strikes(table)).items()
    ]
    context["caveats"].append("Strikes are counted per day, not per flight.")


@cloaca.task(id="speed", dependencies=["load"], timeout_seconds=60)
@announced("speed")
def speed(context: cloaca.Context, *, table: str, resamples: int = 1000) -> None:
    """Does speed do damage, or do fast aircraft meet large birds?"""
    known = [strike for strike in read_strikes(table) if strike.speed]
    chance = seeded("speed")
    context["by_speed"] = {
        "all": bootstrap(known, odds_of_twice_the_speed, resamples=resamples, chance=chance),
        "one_size": bootstrap(known, odds_at_one_size, resamples=resamples, chance=chance),
    }
    context["caveats"].append(f"Only {len(known):,} reports state the aircraft's speed.")


def odds_of_twice_the_speed(strikes: Sequence[Strike], *, sizes: Sequence[str] = ()) -> float:
    """The ratio of the odds of damage at twice the speed, each of ``sizes`` having odds of its own."""
    cells: dict[tuple[int, str], list[bool]] = defaultdict(list)
    for strike in strikes:
        cells[strike.speed, strike.size].append(strike.damaged)
    points = [
        ((1.0, math.log2(knots / 140), *(float(size == one) for one in sizes)), len(hits), sum(hits))
        for (knots, size), hits in cells.items()
    ]
    return math.exp(logistic(points)[1])


def odds_at_one_size(strikes: Sequence[Strike]) -> float:
    return odds_of_twice_the_speed(strikes, sizes=["Medium", "Large"])


@cloaca.task(id="cost", dependencies=["load"], timeout_seconds=60)
@announced("cost")
def cost(context: cloaca.Context, *, table: str, resamples: int = 1000) -> None:
    """What do they cost, and is that many small bills or a few large ones?"""
    damaging = [strike for strike in read_strikes(table) if strike.damaged]
    costs = sorted(strike.cost for strike in damaging if strike.cost)
    chance = seeded("cost")
    context["costs"] = {
        "median": costs[len(costs) // 2],
        "mean": bootstrap(costs, mean, resamples=resamples, chance=chance),
        "five_dearest": sum(costs[-5:]) / sum(costs),
    }
    context["caveats"].append(f"Only {len(costs)} of {len(damaging)} damaging strikes state a cost.")


@cloaca.task(id="findings", dependencies=["species", "season", "speed", "cost"])
@announced("findings")
def findings(
    context: cloaca.Context,
    *,
    by_species: list[dict[str, Any]],
    by_month: list[dict[str, Any]],
    by_speed: dict[str, Any],
    costs: dict[str, Any],
) -> None:
    """Join the analyses into what a reader should remember."""
    worst, mildest = by_species[0], by_species[-1]
    peak, trough = max(by_month, key=itemgetter("value")), min(by_month, key=itemgetter("value"))
    context["findings"] = [
        (
            f"{worst['name']} does damage most often: in {ranged(worst, '{:.0%}')} of its strikes. "
            f"{mildest['name']}: in {mildest['damaging']} of {mildest['strikes']}."
        ),
        (
            f"{peak['name']} has {peak['value'] / trough['value']:.1f} times the strikes of {trough['name']}: "
            f"{ranged(peak, '{:.1f}')} a day."
        ),
        (
            f"Twice the speed goes with {ranged(by_speed['all'], '{:.1f}')} times the odds of damage; "
            f"among animals of one size, with {ranged(by_speed['one_size'], '{:.1f}')} times."
        ),
        (
            f"Five strikes account for {costs['five_dearest']:.0%} of all reported cost: the median is "
            f"${costs['median']:,}, the mean {ranged(costs['mean'], '${:,.0f}')}."
        ),
    ]


@cloaca.task(id="report", dependencies=["findings"], retry_attempts=2)
@announced("report")
def report(context: cloaca.Context, *, by_species: list[dict[str, Any]], output: str = str(REPORT)) -> None:
    """Write the report; written again it is the same, byte for byte."""
    folder = Path(output)
    replace_file(folder / "species.csv", as_csv([*by_species[0]], [[*row.values()] for row in by_species]))
    replace_file(folder / "months.svg", bars(context["by_month"]))
    replace_file(folder / "report.md", markdown(context.to_dict()))
    context["report"] = str(folder / "report.md")


with cloaca.WorkflowBuilder("bird_strikes") as builder:
    builder.description("Species, season, speed and cost of the FAA's bird strike reports, 1998 to 2001")
    for part in (load, species, season, speed, cost, findings, report):
        builder.add_task(part)


def main() -> None:
    """Run the job once for each version of the data; started again, it goes on where it was."""
    version = hashlib.sha256(DATA.read_bytes()).hexdigest()[:12]
    with cloaca.DefaultRunner() as runner:
        handle = runner.start("bird_strikes", idempotency_key=f"data {version}")
        result = handle.result()
    result.raise_for_status()
    print(f"{result.status}: execution {handle.execution_id}")
    print(*result["findings"], f"See {os.path.relpath(result['report'])}", sep="\n")


if __name__ == "__main__":
    main()
