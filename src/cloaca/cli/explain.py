"""``cloaca explain``: what an execution is waiting for."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, replace

import click

from cloaca.cli.database import asking, command_for, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.formatting import printable
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option

_EXAMPLE = """\b
Example:
  cloaca explain 019aaf1c-5c36
"""


@click.command(short_help="Show what an execution is waiting for.", epilog=_EXAMPLE)
@execution_argument
@database_option
@json_option
def explain(typed_id: str, *, url: str, as_object: bool) -> None:
    """Show what an execution and each of its tasks wait for, and which command helps.

    Exit codes: 0 shown, 2 wrong usage, or there is no such execution.
    """
    with asking(url) as client:
        found = client.explain(resolved(client, typed_id))
    reasons = [replace(reason, next_step=_typed(reason.next_step, url)) for reason in found.reasons]
    if as_object:
        print_document(
            sys.stdout,
            {
                "execution_id": found.execution_id,
                "status": found.status,
                "reasons": list(map(asdict, reasons)),
            },
        )
        return
    for reason in reasons:
        click.echo(printable(reason.text))
        if reason.next_step:
            click.echo(f"  {reason.next_step}")


def _typed(next_step: str | None, url: str) -> str | None:
    """A command with the database that was asked."""
    return None if next_step is None else command_for(url, *shlex.split(next_step)[1:])
