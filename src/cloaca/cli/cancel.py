"""``cloaca cancel``: end an execution."""

from __future__ import annotations

import click

from cloaca.cli.database import asking, database_option
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option
from cloaca.cli.steering_output import print_steered

_EXAMPLE = """\b
Example:
  cloaca cancel 019aaf1c-5c36
"""


@click.command(short_help="Cancel an execution; completed tasks keep their results.", epilog=_EXAMPLE)
@execution_argument
@database_option
@json_option
def cancel(typed_id: str, *, url: str, as_object: bool) -> None:
    """Cancel an execution: completed tasks keep their results, running ones are told to stop, and no others start.

    A cancelled execution stays cancelled.

    Exit codes: 0 done, 2 wrong usage, there is no such execution, or it cannot be cancelled.
    """
    with asking(url) as client:
        id = resolved(client, typed_id)
        client.cancel(id)
        record = client.get_execution(id)
    print_steered(record, as_object=as_object)
