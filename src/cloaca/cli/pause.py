"""``cloaca pause``: hold an execution."""

from __future__ import annotations

import click

from cloaca.cli.database import asking, command_for, database_option
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option
from cloaca.cli.steering_output import print_steered

_EXAMPLE = """\b
Example:
  cloaca pause 019aaf1c-5c36
"""


@click.command(short_help="Pause an execution until it is resumed.", epilog=_EXAMPLE)
@execution_argument
@database_option
@json_option
def pause(typed_id: str, *, url: str, as_object: bool) -> None:
    """Pause an execution: running tasks finish and are stored, and no others start until it is resumed.

    Exit codes: 0 done, 2 wrong usage, there is no such execution, or it cannot be paused.
    """
    with asking(url) as client:
        id = resolved(client, typed_id)
        client.pause(id)
        record = client.get_execution(id)
    print_steered(record, as_object=as_object, then=f"resume it with {command_for(url, 'resume', id)}")
