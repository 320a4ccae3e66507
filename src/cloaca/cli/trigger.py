"""``cloaca trigger``: the triggers that runners have declared, and what they have fired."""

from __future__ import annotations

import sys
from typing import Any

import click

from cloaca.authoring.names import listed, nearest, shown
from cloaca.cli.completion_values import complete_triggers
from cloaca.cli.database import asking, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.exit_codes import Refused
from cloaca.cli.options import json_option
from cloaca.cli.plain_tables import print_pairs, print_table
from cloaca.cli.schedule_documents import trigger_document, trigger_fire_document
from cloaca.cli.schedule_options import MOST, limit_option, moment_cell, offset_option, switch_cell
from cloaca.runner.client import Client

_name = click.argument("name", shell_complete=complete_triggers)


def _example(words: str) -> str:
    return f"\b\nExample:\n  cloaca trigger {words}\n"


@click.group(short_help="List and switch triggers.")
def trigger() -> None:
    """List and switch the triggers that code declares."""


@trigger.command("list", short_help="List triggers.", epilog=_example("list --enabled"))
@database_option
@click.option("--enabled", "only_enabled", is_flag=True, help="Only those that are on.")
@limit_option
@offset_option
@json_option
def list_triggers(*, url: str, only_enabled: bool, limit: int, offset: int, as_object: bool) -> None:
    """List the triggers that runners of this database have declared, in that order.

    Exit codes: 0 listed, 2 wrong usage.
    """
    with asking(url) as client:
        found = client.list_trigger_schedules(only_enabled, limit, offset)
    if as_object:
        print_document(sys.stdout, {"triggers": list(map(trigger_document, found))})
        return
    rows = [
        (
            one["trigger_name"],
            one["workflow_name"],
            _when(one),
            switch_cell(one),
            moment_cell(one["last_poll_at"]),
        )
        for one in found
    ]
    print_table(sys.stdout, ("trigger", "workflow", "when", "is", "last poll (UTC)"), rows)


@trigger.command(short_help="Show a trigger.", epilog=_example("show inbox"))
@_name
@database_option
@json_option
def show(name: str, *, url: str, as_object: bool) -> None:
    """Show a trigger: what it starts, and when it looks.

    Exit codes: 0 shown, 2 wrong usage, or there is no such trigger.
    """
    with asking(url) as client:
        found = _found(client, name)
    if as_object:
        print_document(sys.stdout, trigger_document(found))
        return
    print_pairs(
        sys.stdout,
        [
            ("trigger", found["trigger_name"]),
            ("workflow", found["workflow_name"]),
            ("when", _when(found)),
            ("is", switch_cell(found)),
            ("last poll", moment_cell(found["last_poll_at"]) or "none"),
            ("at once", "any number of its executions" if found["allow_concurrent"] else "one execution"),
        ],
    )


@trigger.command(short_help="Switch a trigger on.", epilog=_example("enable inbox"))
@_name
@database_option
@json_option
def enable(name: str, *, url: str, as_object: bool) -> None:
    """Switch a trigger on.

    Exit codes: 0 done, 2 wrong usage, or there is no such trigger.
    """
    _switch(name, url=url, on=True, as_object=as_object)


@trigger.command(short_help="Switch a trigger off.", epilog=_example("disable inbox"))
@_name
@database_option
@json_option
def disable(name: str, *, url: str, as_object: bool) -> None:
    """Switch a trigger off.

    Exit codes: 0 done, 2 wrong usage, or there is no such trigger.
    """
    _switch(name, url=url, on=False, as_object=as_object)


@trigger.command(short_help="List what a trigger has fired.", epilog=_example("history inbox --limit 10"))
@_name
@database_option
@limit_option
@offset_option
@json_option
def history(name: str, *, url: str, limit: int, offset: int, as_object: bool) -> None:
    """List what a trigger has fired, latest first, with the beginning and the end of each execution.

    Exit codes: 0 listed, 2 wrong usage, or there is no such trigger.
    """
    with asking(url) as client:
        _found(client, name)
        fires = client.get_trigger_execution_history(name, limit, offset)
    if as_object:
        print_document(sys.stdout, {"trigger": name, "fires": list(map(trigger_fire_document, fires))})
        return
    rows = [
        (
            moment_cell(fire["created_at"]),
            fire["workflow_execution_id"],
            moment_cell(fire["started_at"]),
            moment_cell(fire["completed_at"]),
        )
        for fire in fires
    ]
    print_table(sys.stdout, ("fired (UTC)", "execution", "started (UTC)", "ended (UTC)"), rows)


def _found(client: Client, name: str) -> dict[str, Any]:
    found = client.get_trigger_schedule(name)
    if found is None:
        names = [one["trigger_name"] for one in client.list_trigger_schedules(None, MOST)]
        hint = nearest(name, names) or (
            f"there are {listed(names)}" if names else "a runner declares what its code has"
        )
        raise Refused(f"there is no trigger {shown(name)} in this database: {hint}")
    return found


def _switch(name: str, *, url: str, on: bool, as_object: bool) -> None:
    with asking(url) as client:
        _found(client, name)
        client.set_trigger_enabled(name, on)
        found = _found(client, name)
    if as_object:
        print_document(sys.stdout, trigger_document(found))
    else:
        click.echo(f"trigger {name} of workflow {found['workflow_name']} is {switch_cell(found)}")


def _when(one: dict[str, Any]) -> str:
    if one["poll_interval_ms"] is None:
        return f"{one['cron_expression']} in {one['timezone']}"
    return f"polled every {one['poll_interval_ms'] / 1000:g} s"
