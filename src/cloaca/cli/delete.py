"""``cloaca delete``: remove an execution that has ended."""

from __future__ import annotations

import sys

import click

from cloaca.cli.confirmation import confirm
from cloaca.cli.database import asking, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option, yes_option

_EXAMPLE = """\b
Example:
  cloaca delete 019aaf1c-5c36 --yes
"""


@click.command(short_help="Remove an execution that has ended.", epilog=_EXAMPLE)
@execution_argument
@database_option
@yes_option
@json_option
def delete(typed_id: str, *, url: str, yes: bool, as_object: bool) -> None:
    """Remove an execution that has ended, with everything stored about it; this cannot be undone.

    On a terminal it asks first; otherwise --yes is required.

    Exit codes: 0 removed, 1 the answer was no, 2 wrong usage, there is no such execution, or it has not ended.
    """
    with asking(url) as client:
        handle = client.get_handle(resolved(client, typed_id))
        confirm(f"Removing execution {handle.execution_id} of workflow {handle.workflow_name!r}", yes=yes)
        handle.delete()
    if as_object:
        print_document(sys.stdout, {"deleted": [handle.execution_id]})
    else:
        click.echo(f"execution {handle.execution_id} is removed")
