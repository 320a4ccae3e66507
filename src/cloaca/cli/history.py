"""``cloaca history``: what happened to an execution."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from cloaca.cli.database import asking, database_option
from cloaca.cli.documents import print_document, time_text
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option
from cloaca.cli.plain_tables import print_table

_EXAMPLE = """\b
Example:
  cloaca history 019aaf1c-5c36
"""


@click.command(short_help="Show what happened to an execution.", epilog=_EXAMPLE)
@execution_argument
@database_option
@json_option
def history(typed_id: str, *, url: str, as_object: bool) -> None:
    """Show what happened to an execution, in order: its starts and ends, those of its attempts, and how it was steered.

    Exit codes: 0 shown, 2 wrong usage, or there is no such execution.
    """
    with asking(url) as client:
        id = resolved(client, typed_id)
        records = client.get_history(id)
    if as_object:
        told = [
            {
                "number": record.number,
                "at": time_text(record.at),
                "kind": record.kind,
                "task": record.task,
                "attempt": record.attempt,
                "text": record.text,
                "details": record.details,
            }
            for record in records
        ]
        print_document(sys.stdout, {"execution_id": id, "history": told})
        return
    rows = [(str(record.number), _exact(record.at), record.kind, record.text) for record in records]
    print_table(sys.stdout, ("", "at (UTC)", "what", ""), rows, wraps=True)


def _exact(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
