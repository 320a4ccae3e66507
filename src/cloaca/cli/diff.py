"""``cloaca diff``: where two executions differ."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from cloaca.cli.completion_values import complete_ids
from cloaca.cli.database import asking, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.exit_codes import COMPLETED, FAILED
from cloaca.cli.formatting import shortened
from cloaca.cli.ids import resolved
from cloaca.cli.options import json_option
from cloaca.cli.plain_tables import print_table
from cloaca.insights.difference import Difference

_EXAMPLE = """\b
Example:
  cloaca diff 019aaf1c-5c36 019aaf1d-7e02
"""


@click.command(short_help="Compare two executions.", epilog=_EXAMPLE)
@click.argument("a", metavar="A", shell_complete=complete_ids)
@click.argument("b", metavar="B", shell_complete=complete_ids)
@database_option
@json_option
def diff(a: str, *, b: str, url: str, as_object: bool) -> None:
    """Show the first difference between the executions A and B, then all of them: inputs first, then task by task.

    Exit codes: 0 they do not differ, 1 they do, 2 wrong usage, or there is no such execution.
    """
    with asking(url) as client:
        found = client.diff(resolved(client, a), resolved(client, b))
    if as_object:
        places = [asdict(one) | {"text": one.text} for one in found.differences]
        print_document(sys.stdout, {"a": found.a, "b": found.b, "differences": places})
    elif found.first is None:
        click.echo("they do not differ")
    else:
        click.echo(f"first difference: {shortened(found.first.text)}\n")
        print_table(sys.stdout, ("what", "task", "key", "A", "B"), list(map(_row, found.differences)))
    click.get_current_context().exit(FAILED if found else COMPLETED)


def _row(one: Difference) -> tuple[str, ...]:
    return one.kind, one.task or "", one.key or "", one.a or "", one.b or ""
