"""``cloaca fork``: a new execution that goes on from a task of another."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from cloaca.authoring.names import shown
from cloaca.cli.completion_values import complete_tasks
from cloaca.cli.database import asking, command_for, database_option
from cloaca.cli.documents import print_document, summary_document
from cloaca.cli.exit_codes import Refused
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option
from cloaca.cli.watch import watch

_EXAMPLE = """\b
Example:
  cloaca fork 019aaf1c-5c36 load --set 'limit=10' --wait
"""


@click.command(short_help="Start a new execution from a task of another.", epilog=_EXAMPLE)
@execution_argument
@click.argument("task", shell_complete=complete_tasks)
@database_option
@click.option(
    "--set", "edits", metavar="KEY=JSON", multiple=True, help="Set a key of the context to this value."
)
@click.option("--wait", is_flag=True, help="Follow it to its end, as watch does.")
@json_option
def fork(typed_id: str, *, task: str, url: str, edits: tuple[str, ...], wait: bool, as_object: bool) -> None:
    """Start a new execution from TASK of another one; TASK and all tasks after it run, the others keep their results.

    The other execution is left unchanged. --set may be repeated; tasks see its values, whichever task wrote the key.

    Exit codes: 0 started, or with --wait completed, 1 with --wait ended otherwise, 2 wrong usage, or there is no such
    execution or task.
    """
    context = dict(map(_edit, edits))
    with asking(url) as client:
        made = client.fork(resolved(client, typed_id), task, context)
        record = client.get_execution(made.execution_id)
    id = record.execution_id
    if wait:
        click.echo(f"execution {id} was forked from {typed_id} at task {task}", err=True)
        click.get_current_context().invoke(watch, typed_id=id, url=url, as_object=as_object)
    elif as_object:
        print_document(sys.stdout, summary_document(record))
    else:
        click.echo(f"execution {id} is {record.status}: follow it with {command_for(url, 'watch', id)}")


def _edit(typed: str) -> tuple[str, Any]:
    key, equals, text = typed.partition("=")
    if not (key and equals):
        raise Refused(f"--set {shown(typed)} must be KEY=JSON: --set limit=10, --set 'name=\"ada\"'")
    try:
        return key, json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(
            f"--set {shown(typed)}: its value is not JSON ({error}): write a text in quotes, --set '{key}=\"...\"'"
        ) from error
