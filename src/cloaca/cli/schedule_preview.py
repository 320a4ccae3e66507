"""``cloaca schedule preview``: what a schedule would do, before it is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import click

from cloaca.cli.documents import time_text
from cloaca.cli.exit_codes import Refused
from cloaca.cli.formatting import counted, printable
from cloaca.model.cron import SECOND, Cron

MOST = 10_000

_EXAMPLE = """\b
Examples:
  cloaca schedule preview "30 2 * * *" --tz Europe/Berlin --from 2026-03-28
  cloaca schedule preview "*/15 9-17 * * MON-FRI" --tz America/New_York --count 20 --json
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a schedule; ``moved`` if no clock shows a time that its expression asks for."""

    at: datetime
    local: datetime
    moved: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the zone's clocks: what they show from then on, and by how much they are changed."""

    at: datetime
    local: datetime
    by: timedelta


@click.command(short_help="List the next runs of a cron expression.", epilog=_EXAMPLE)
@click.argument("expression", metavar="EXPRESSION")
@click.option(
    "--tz", "zone", metavar="ZONE", default="UTC", show_default=True, help="The time zone of the expression."
)
@click.option(
    "--count", metavar="N", type=click.IntRange(1, MOST), default=10, show_default=True, help="How many runs."
)
@click.option(
    "--from",
    "since",
    metavar="TIME",
    help="ISO 8601, by the zone's clocks unless it has an offset; now unless given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def preview(expression: str, zone: str, count: int, since: str | None, as_json: bool) -> None:  # noqa: FBT001 - click's
    """List the next runs of a cron EXPRESSION, with the changes of the zone's clocks between them.

    Five fields, or six with seconds first; @daily and the like. Runs are marked that are not at the time the expression
    asks for, because the clocks skip it.

    Exit codes: 0 listed, 2 an invalid expression or zone.
    """
    cron = Cron(expression, zone)
    start = _start(cron, since)
    runs = list(islice(_runs(cron, start), count))
    changes = [_change(cron, at, by) for at, by in cron.changes(start, runs[-1].at)] if runs else []
    if as_json:
        click.echo(json.dumps(_object(cron, runs, changes)))
    else:
        for line in _lines(cron, runs, changes):
            click.echo(line)


def _start(cron: Cron, since: str | None) -> datetime:
    if since is None:
        return datetime.now(UTC)
    try:
        given = datetime.fromisoformat(since)
        local = given if given.tzinfo else given.replace(tzinfo=cron.zone)
        # A run at that very moment is listed.
        return local.astimezone(UTC) - SECOND
    except (ValueError, OverflowError) as error:
        raise Refused(
            f"--from {printable(since)} is not a time: write it as 2026-03-28 or 2026-03-28T01:30"
        ) from error


def _runs(cron: Cron, start: datetime) -> Iterator[Run]:
    at = cron.after(start)
    while at is not None:
        local = cron.local(at)
        yield Run(at, local, moved=not cron.matches(local))
        at = cron.after(at)


def _change(cron: Cron, at: datetime, by: timedelta) -> Change:
    return Change(at, cron.local(at), by)


# -- printing ----------------------------------------------------------------------------------------------------------


def _lines(cron: Cron, runs: list[Run], changes: list[Change]) -> Iterator[str]:
    yield f"{printable(cron.expression)} in {cron.timezone}: the next {counted(len(runs), 'run')}"
    entries: list[Run | Change] = [*changes, *runs]
    for entry in sorted(entries, key=lambda entry: (entry.at, isinstance(entry, Run))):
        if isinstance(entry, Change):
            yield f"  -- {entry.local:%a %Y-%m-%d %H:%M:%S %z}  clocks {_how(entry)}"
        else:
            note = "  (the clocks skip its time)" if entry.moved else ""
            yield f"  {entry.local:%a %Y-%m-%d %H:%M:%S %z}  {entry.at:%Y-%m-%d %H:%M:%S} UTC{note}"


def _how(change: Change) -> str:
    minutes = round(abs(change.by).total_seconds() / 60)
    hours, rest = divmod(minutes, 60)
    size = " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest))
    return f"go {'forward' if change.by > timedelta(0) else 'back'} by {size}"


def _object(cron: Cron, runs: list[Run], changes: list[Change]) -> dict[str, object]:
    return {
        "expression": cron.expression,
        "timezone": cron.timezone,
        "runs": [
            {"utc": time_text(run.at), "local": time_text(run.local), "moved": run.moved} for run in runs
        ],
        "transitions": [
            {"utc": time_text(c.at), "local": time_text(c.local), "seconds": round(c.by.total_seconds())}
            for c in changes
        ],
    }
