"""``cloaca watch``: follow an execution that others run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import click

from cloaca.cli.database import asking, database_option, without_password
from cloaca.cli.display import display_on
from cloaca.cli.documents import execution_document, print_document
from cloaca.cli.execution_text import next_commands
from cloaca.cli.exit_codes import COMPLETED, FAILED
from cloaca.cli.following import follow
from cloaca.cli.ids import resolved
from cloaca.cli.options import execution_argument, json_option
from cloaca.cli.outcome import print_outcome
from cloaca.insights import ExecutionRecord
from cloaca.model.states import Status

_EXAMPLE = """\b
Example:
  cloaca watch 019aaf1c-5c36
"""


@click.command(short_help="Follow an execution to its end.", epilog=_EXAMPLE)
@execution_argument
@database_option
@json_option
def watch(typed_id: str, *, url: str, as_object: bool) -> None:
    """Follow an execution to its end, whichever process runs it; Ctrl-C only stops watching.

    On a terminal it draws a live table, elsewhere it prints a line for each change. With --json these go to stderr, and one
    object to stdout at the end.

    Exit codes: 0 completed, 1 ended otherwise, 2 wrong usage, or there is no such execution, 130 Ctrl-C.
    """
    with asking(url) as client, display_on(sys.stderr if as_object else sys.stdout) as display:
        handle = client.get_handle(resolved(client, typed_id))
        since = max(_moments(client.get_execution(handle.execution_id)))
        with display.following(without_password(url), since + timedelta(microseconds=1)):
            record = follow(client, handle, display)
    if as_object:
        print_document(sys.stdout, execution_document(record))
    else:
        next = [(what[0].upper() + what[1:], command) for command, what in next_commands(record, url)]
        print_outcome(record, sys.stdout, next_commands=next)
    click.get_current_context().exit(COMPLETED if record.status is Status.COMPLETED else FAILED)


def _moments(record: ExecutionRecord) -> Iterator[datetime]:
    """What has happened so far, by the clocks of those to whom it happened: what comes later is news."""
    yield record.created_at
    for task in record.tasks.values():
        for attempt in task.attempts:
            yield from filter(None, (attempt.started_at, attempt.finished_at))
    if record.finished_at is not None:
        yield record.finished_at
