"""``cloaca show``: an execution as it stands, and what can be typed next."""

from __future__ import annotations

import sys

import click

from cloaca.cli.database import asking, database_option
from cloaca.cli.documents import execution_document, print_document
from cloaca.cli.execution_text import print_execution
from cloaca.cli.following import owner_trouble
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option

_EXAMPLE = """\b
Example:
  cloaca show 019aaf1c-5c36 --context
"""


@click.command(short_help="Show an execution: tasks, errors, context.", epilog=_EXAMPLE)
@execution_argument
@database_option
@click.option("--context", "with_values", is_flag=True, help="Show the values of the context too.")
@json_option
def show(typed_id: str, *, url: str, with_values: bool, as_object: bool) -> None:
    """Show the execution that ID, or an ID beginning with it, stands for: its tasks, its errors, its context.

    If it has failed, this shows what failed, where, and what to type next. With --json it prints one object with
    everything.

    Exit codes: 0 shown, 2 wrong usage, or there is no such execution.
    """
    with asking(url) as client:
        record = client.get_execution(resolved(client, typed_id))
        trouble = None if as_object else owner_trouble(client, record)
    if as_object:
        print_document(sys.stdout, execution_document(record))
    else:
        print_execution(record, sys.stdout, url=url, with_values=with_values, trouble=trouble)
