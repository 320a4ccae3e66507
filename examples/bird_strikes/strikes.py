"""The reports: which of them count, and how they are read and written."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

DAMAGED = {"None": False, "Minor": True, "Medium": True, "Substantial": True}


@dataclass(frozen=True, slots=True)
class Strike:
    """One report that counts; a speed (knots) or cost (US dollars) of 0 was not reported."""

    day: str
    species: str
    size: str
    damaged: bool
    speed: int
    cost: int

    @property
    def is_identified(self) -> bool:
        return not self.species.startswith("Unknown")


def valid(rows: list[dict[str, str]]) -> tuple[list[Strike], dict[str, int]]:
    """The strikes that count, and how many rows were dropped, by reason."""
    kept: list[Strike] = []
    dropped: Counter[str] = Counter()
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        cells = tuple(row.values())
        reason = "repeats another row" if cells in seen else why_dropped(row)
        seen.add(cells)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(parsed(row))
    return kept, dict(dropped.most_common())


def why_dropped(row: dict[str, str]) -> str | None:
    if row["Effect Amount of damage"] not in DAMAGED:
        return "unknown code of damage"
    if row["Aircraft Airline Operator"] == "MILITARY":
        return "military aircraft"
    try:
        parsed(row)
    except ValueError:
        return "no valid date, cost or speed"
    return None


def parsed(row: dict[str, str]) -> Strike:
    return Strike(
        day=date.fromisoformat(row["Flight Date"]).isoformat(),
        species=row["Wildlife Species"],
        size=row["Wildlife Size"],
        damaged=DAMAGED[row["Effect Amount of damage"]],
        speed=int(row["Speed IAS in knots"] or 0),
        cost=int(row["Cost Total $"]),
    )


def read_rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_strikes(path: str) -> list[Strike]:
    return [
        Strike(
            day=row["day"],
            species=row["species"],
            size=row["size"],
            damaged=row["damaged"] == "1",
            speed=int(row["speed_knots"]),
            cost=int(row["cost_usd"]),
        )
        for row in read_rows(path)
    ]


def strikes_csv(strikes: list[Strike]) -> str:
    header = ["day", "species", "size", "damaged", "speed_knots", "cost_usd"]
    return as_csv(header, ([s.day, s.species, s.size, int(s.damaged), s.speed, s.cost] for s in strikes))


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def replace_file(path: Path, text: str) -> None:
    """Write the file in one step: whoever reads it finds the old text or the new, also if this process dies here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)


def strikes_per_day(strikes: list[Strike]) -> dict[int, list[int]]:
    """For each month of the year the number of strikes on each of its days, quiet days included."""
    counts = Counter(strike.day for strike in strikes)
    months: dict[int, list[int]] = defaultdict(list)
    day = date.fromisoformat(min(counts)).replace(month=1, day=1)
    last = date.fromisoformat(max(counts)).replace(month=12, day=31)
    while day <= last:
        months[day.month].append(counts[day.isoformat()])
        day += timedelta(days=1)
    return months
