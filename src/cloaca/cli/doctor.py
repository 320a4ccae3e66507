"""``cloaca doctor``: whether a database and its runners are well."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial

import click

from cloaca.cli.database import check_exists, check_kept, command_for, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.exit_codes import COMPLETED, FAILED, Refused
from cloaca.cli.formatting import printable
from cloaca.cli.options import json_option
from cloaca.cli.output import is_live_terminal
from cloaca.errors import CloacaException
from cloaca.insights.findings import Finding, Grade
from cloaca.insights.health import Examination
from cloaca.runner.stores import inspection_of, store_of

_EXAMPLE = """\b
Example:
  cloaca doctor --for 25
"""

PATIENCE_SECONDS = 2.0
"""For how long somebody may hold a lock that others wait for."""

_COLOURS = {Grade.OK: "green", Grade.NOTE: "yellow", Grade.WRONG: "red"}


@click.command(short_help="Check a database and its runners for problems.", epilog=_EXAMPLE)
@database_option
@click.option(
    "--for", "watch", metavar="SECONDS", type=click.FloatRange(0, 600), default=2.0, show_default=True,
    help="How long to watch runners; 25 also finds silent ones.",
)  # fmt: skip
@click.option("--thorough", is_flag=True, help="Read the whole file of a SQLite database for damage.")
@json_option
def doctor(*, url: str, watch: float, thorough: bool, as_object: bool) -> None:
    """Examine a database, and print what is wrong, each problem with its next step.

    It checks whether the database can be reached, its tables fit this release, a lock is held for long, runners are dead
    or stopped, executions are stuck, and clocks differ.

    Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage.
    """
    check_kept(url, why="there is nothing to examine: name a file or a server")
    found = []
    for finding in _findings(url, watch=watch, thorough=thorough):
        found.append(finding)
        if not as_object:
            _print(finding)
    is_well = all(finding.grade is not Grade.WRONG for finding in found)
    if as_object:
        print_document(sys.stdout, {"is_well": is_well, "findings": [asdict(finding) for finding in found]})
    click.get_current_context().exit(COMPLETED if is_well else FAILED)


def _findings(url: str, *, watch: float, thorough: bool) -> Iterator[Finding]:
    try:
        check_exists(url)
        inspection, store = inspection_of(url), store_of(url)
    except (Refused, CloacaException) as error:
        yield Finding(
            "database",
            Grade.WRONG,
            str(error),
            f"choose another with --db, or create it: {command_for(url, 'migrate')}",
        )
        return
    with closing(inspection), closing(store):
        yield from Examination(
            inspection, store, watch=watch, patience=PATIENCE_SECONDS, thorough=thorough,
            command=partial(command_for, url),
        ).findings()  # fmt: skip


def _print(finding: Finding) -> None:
    is_coloured = is_live_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
    grade = f"{finding.grade:<5}"
    click.echo(
        f"{click.style(grade, fg=_COLOURS[finding.grade]) if is_coloured else grade}  {finding.check:<11}  {printable(finding.text)}"
    )
    if finding.next_step is not None:
        click.echo(f"{'':<5}  {'':<11}  next: {printable(finding.next_step)}")
