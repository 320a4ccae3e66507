"""``cloaca schedule add``, ``update``, ``enable``, ``disable`` and ``delete``."""

from __future__ import annotations

import sys
from typing import Any

import click

from cloaca.cli.completion_values import complete_workflows
from cloaca.cli.confirmation import confirm
from cloaca.cli.context import read_context
from cloaca.cli.database import asking, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.options import json_option, yes_option
from cloaca.cli.schedule_documents import schedule_document
from cloaca.cli.schedule_options import (
    catch_up_option,
    found_schedule,
    moment_cell,
    schedule_argument,
    zone_option,
)
from cloaca.model.catchup import CatchUp
from cloaca.runner.client import Client

_EXAMPLES = {
    name: f"\b\nExample:\n  cloaca schedule {words}\n"
    for name, words in {
        "add": """add report "30 2 * * MON-FRI" --tz Europe/Berlin --instance south --context '{"region": "south"}'""",
        "update": 'update 019aaf1c-5c36 "0 3 * * *" --tz Europe/Berlin',
        "enable": "enable 019aaf1c-5c36",
        "disable": "disable 019aaf1c-5c36",
        "delete": "delete 019aaf1c-5c36 --yes",
    }.items()
}


@click.command(short_help="Run a workflow by the clock.", epilog=_EXAMPLES["add"])
@click.argument("workflow", shell_complete=complete_workflows)
@click.argument("expression")
@database_option
@zone_option
@catch_up_option
@click.option("--instance", metavar="NAME", help="A name, for one of several schedules of a workflow.")
@click.option("--context", metavar="JSON_OR_@FILE", help="What each execution starts with, a JSON object.")
@json_option
def add(
    workflow: str,
    *,
    expression: str,
    url: str,
    zone: str,
    catch_up: str | None,
    instance: str | None,
    context: str | None,
    as_object: bool,
) -> None:
    """Run WORKFLOW by the clock, from the next instant of the cron EXPRESSION on; "schedule preview" shows them.

    Runners in whose process the workflow is registered fire it.

    Exit codes: 0 added, 2 wrong usage, or an invalid expression, zone or name.
    """
    params = {} if context is None else read_context(context)
    policy = catch_up or CatchUp.SKIP.value
    with asking(url) as client:
        if instance is not None:
            id = client.register_workflow_instance(
                workflow, instance, expression, zone, params, catchup_policy=policy
            )
        else:
            from cloaca.schedules.cron import CronSchedule  # noqa: PLC0415 - loaded by those who have schedules

            id = client.add_cron_schedule(
                CronSchedule(workflow, expression, zone, context=params, catch_up=policy)
            )
        _print(client, id, as_object=as_object)


@click.command(short_help="Give a schedule another expression.", epilog=_EXAMPLES["update"])
@schedule_argument
@click.argument("expression")
@database_option
@click.option("--tz", "zone", metavar="ZONE", help="The new time zone of the expression.")
@catch_up_option
@json_option
def update(
    typed_id: str, *, expression: str, url: str, zone: str | None, catch_up: str | None, as_object: bool
) -> None:
    """Give a schedule another cron EXPRESSION, from the next instant on; zone and catch-up stay unless they are given.

    Exit codes: 0 changed, 2 wrong usage, there is no such schedule, or a trigger in code declares it.
    """
    with asking(url) as client:
        found = found_schedule(client, typed_id, url)
        client.update_cron_schedule(
            found["id"], expression, zone or found["timezone"], catchup_policy=catch_up
        )
        _print(client, found["id"], as_object=as_object)


@click.command(short_help="Switch a schedule on.", epilog=_EXAMPLES["enable"])
@schedule_argument
@database_option
@json_option
def enable(typed_id: str, *, url: str, as_object: bool) -> None:
    """Switch a schedule on, from the next instant on; what passed while it was off is left out.

    Exit codes: 0 done, 2 wrong usage, or there is no such schedule.
    """
    _switch(typed_id, url=url, on=True, as_object=as_object)


@click.command(short_help="Switch a schedule off.", epilog=_EXAMPLES["disable"])
@schedule_argument
@database_option
@json_option
def disable(typed_id: str, *, url: str, as_object: bool) -> None:
    """Switch a schedule off.

    Exit codes: 0 done, 2 wrong usage, or there is no such schedule.
    """
    _switch(typed_id, url=url, on=False, as_object=as_object)


@click.command(short_help="Remove a schedule.", epilog=_EXAMPLES["delete"])
@schedule_argument
@database_option
@yes_option
@json_option
def delete(typed_id: str, *, url: str, yes: bool, as_object: bool) -> None:
    """Remove a schedule; its history and its executions stay. On a terminal it asks first; otherwise --yes is required.

    Exit codes: 0 removed, 1 the answer was no, 2 wrong usage, or there is no such schedule.
    """
    with asking(url) as client:
        found = found_schedule(client, typed_id, url)
        confirm(f"Removing schedule {found['id']} of workflow {found['workflow_name']!r}", yes=yes)
        client.delete_cron_schedule(found["id"])
    if as_object:
        print_document(sys.stdout, {"deleted": [found["id"]]})
    else:
        click.echo(f"schedule {found['id']} is removed")


def _switch(typed: str, *, url: str, on: bool, as_object: bool) -> None:
    with asking(url) as client:
        id = found_schedule(client, typed, url)["id"]
        client.set_cron_schedule_enabled(id, on)
        _print(client, id, as_object=as_object)


def _print(client: Client, id: str, *, as_object: bool) -> None:
    found: dict[str, Any] = client.get_cron_schedule(id)
    if as_object:
        print_document(sys.stdout, schedule_document(found))
    elif found["enabled"]:
        next = moment_cell(found["next_run_at"])
        click.echo(
            f"schedule {id} of workflow {found['workflow_name']} is on: "
            + (f"next run {next} UTC" if next else "it never fires")
        )
    else:
        click.echo(f"schedule {id} of workflow {found['workflow_name']} is off")
