"""``cloaca resume``: let a paused execution go on."""

from __future__ import annotations

import click

from cloaca.cli.database import asking, command_for, database_option
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option
from cloaca.cli.steering_output import print_steered

_EXAMPLE = """\b
Example:
  cloaca resume 019aaf1c-5c36
"""


@click.command(short_help="Continue a paused execution.", epilog=_EXAMPLE)
@execution_argument
@database_option
@json_option
def resume(typed_id: str, *, url: str, as_object: bool) -> None:
    """Continue a paused execution. One that is not paused is left unchanged.

    Exit codes: 0 done, 2 wrong usage, there is no such execution, or it cannot be resumed.
    """
    with asking(url) as client:
        id = resolved(client, typed_id)
        client.resume(id)
        record = client.get_execution(id)
    print_steered(record, as_object=as_object, then=f"follow it with {command_for(url, 'watch', id)}")
