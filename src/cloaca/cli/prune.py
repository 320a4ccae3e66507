"""``cloaca prune``: remove executions that ended long ago."""

from __future__ import annotations

import re
import sys
from datetime import timedelta

import click

from cloaca.authoring.names import shown
from cloaca.cli.confirmation import confirm
from cloaca.cli.database import asking, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.exit_codes import Refused
from cloaca.cli.formatting import counted
from cloaca.cli.options import json_option, yes_option

_EXAMPLE = """\b
Examples:
  cloaca prune --older-than 30d --dry-run
  cloaca prune --older-than 90d --keep 100000 --yes
"""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command(short_help="Remove executions that ended long ago.", epilog=_EXAMPLE)
@database_option
@click.option(
    "--older-than", "age", metavar="AGE", help="Remove what ended longer ago than this: 30d, 12h, 90m, 2w."
)
@click.option(
    "--keep", metavar="N", type=click.IntRange(0), help="Remove what was started before the newest N."
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@yes_option
@json_option
def prune(*, url: str, age: str | None, keep: int | None, dry_run: bool, yes: bool, as_object: bool) -> None:
    """Remove executions that have ended, with everything stored about them. Unfinished ones are never removed.

    An execution is removed if --older-than or --keep says so. Removal takes small steps that do not disturb runners; after
    Ctrl-C, what has been removed stays removed. On a terminal it asks first; otherwise --yes is required.

    Exit codes: 0 removed, 1 the answer was no, 2 wrong usage, 130 Ctrl-C.
    """
    if age is None and keep is None:
        raise Refused("say what to remove: --older-than 30d, --keep 100000, or both")
    older_than = None if age is None else _duration(age)
    with asking(url) as client:
        report = client.prune(older_than=older_than, keep=keep, dry_run=True)
        if not dry_run and report.executions:
            confirm(f"Removing {counted(report.executions, 'execution')} that have ended", yes=yes)
            report = client.prune(older_than=older_than, keep=keep)
    if as_object:
        print_document(
            sys.stdout, {"executions": report.executions, "attempts": report.attempts, "dry_run": dry_run}
        )
    else:
        removed = f"{counted(report.executions, 'execution')} with {counted(report.attempts, 'attempt')}"
        click.echo(f"{removed} would be removed" if dry_run else f"{removed} removed")


def _duration(text: str) -> timedelta:
    """How long a text such as ``30d`` says.

    >>> _duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    try:
        if found is not None:
            return timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError:
        pass
    raise Refused(f"--older-than {shown(text)} must be a number and s, m, h, d or w: 30d, 12h, 90m")
