"""Extract, transform, load: meter readings from text into a table, safe to run again."""
# ruff: noqa: ANN001, ANN201 - tasks need no annotations

import csv
import sqlite3
from contextlib import closing

import cloaca

READINGS = """\
meter,day,kwh
north,2026-03-01,41.5
north,2026-03-02,39.0
south,2026-03-01,18.25
south,2026-03-02,broken
"""


@cloaca.task(id="extract")
def extract(context):
    """Read the rows as they are."""
    context.set("raw", list(csv.DictReader(READINGS.splitlines())))
    return context


@cloaca.task(id="transform", dependencies=["extract"])
def transform(context, *, raw: list[dict], limit: float = 1000.0):
    """Keep rows with a plausible number of kWh; the parameters come from the context."""
    rows = [row for row in raw if row["kwh"].replace(".", "", 1).isdigit() and float(row["kwh"]) < limit]
    context.set("readings", [[row["meter"], row["day"], float(row["kwh"])] for row in rows])
    context.set("dropped", len(raw) - len(rows))
    return context


@cloaca.task(id="load", dependencies=["transform"], retry_attempts=3)
def load(context, *, readings: list, target: str = "readings.db"):
    """Upsert, so that a load that is run again after a crash changes nothing."""
    with closing(sqlite3.connect(target)) as database, database:
        database.execute("create table if not exists readings (meter, day, kwh, primary key (meter, day))")
        database.executemany("insert or replace into readings values (?, ?, ?)", readings)
        (total,) = database.execute("select sum(kwh) from readings").fetchone()
    context.set("total_kwh", total)
    return context


with cloaca.WorkflowBuilder("meter_readings") as builder:
    builder.description("Meter readings into a table")
    builder.add_task("extract").add_task("transform").add_task("load")


if __name__ == "__main__":
    with cloaca.DefaultRunner() as runner:
        result = runner.execute("meter_readings", {"limit": 500.0})
    result.raise_for_status()
    print(f"{result.status}: {len(result['readings'])} loaded, {result['dropped']} dropped")
    print(f"{result['total_kwh']} kWh in readings.db")
