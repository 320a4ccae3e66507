"""``cloaca retry``: run again what failed of an execution."""

from __future__ import annotations

import click

from cloaca.cli.database import asking, command_for, database_option
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option
from cloaca.cli.steering_output import print_steered

_EXAMPLE = """\b
Example:
  cloaca retry 019aaf1c-5c36
"""


@click.command(short_help="Run the failed tasks of an execution again.", epilog=_EXAMPLE)
@execution_argument
@database_option
@json_option
def retry(typed_id: str, *, url: str, as_object: bool) -> None:
    """Open the next round of an execution that failed or was cancelled.

    Tasks that failed, and those that were skipped because of them, run again; completed tasks keep their results.

    Exit codes: 0 done, 2 wrong usage, there is no such execution, or it cannot be retried.
    """
    with asking(url) as client:
        id = resolved(client, typed_id)
        client.retry(id)
        record = client.get_execution(id)
    print_steered(record, as_object=as_object, then=f"follow it with {command_for(url, 'watch', id)}")
