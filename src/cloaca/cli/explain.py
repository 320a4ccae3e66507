"""``cloaca explain``: why an execution is not further."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict

import click

from cloaca.cli.database import asking, command_for, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option
from cloaca.cli.wording import printable

_EXAMPLE = """\b
Example:
  cloaca explain 019aaf1c-5c36
"""


@click.command(short_help="Say why an execution is not further.", epilog=_EXAMPLE)
@execution_argument
@database_option
@json_option
def explain(typed_id: str, *, url: str, as_object: bool) -> None:
    """Say what an execution and each of its tasks wait for, and which command helps.

    Exit codes: 0 said, 2 wrong usage, or there is no such execution.
    """
    with asking(url) as client:
        found = client.explain(resolved(client, typed_id))
    if as_object:
        reasons = [asdict(reason) for reason in found.reasons]
        print_document(
            sys.stdout, {"execution_id": found.execution_id, "status": found.status, "reasons": reasons}
        )
        return
    for reason in found.reasons:
        click.echo(printable(reason.text))
        if reason.next_step:
            click.echo(f"  {command_for(url, *shlex.split(reason.next_step)[1:])}")
