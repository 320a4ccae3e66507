"""``cloaca schedule list``, ``show`` and ``history``: what fires by the clock, and what has fired."""

from __future__ import annotations

import sys
from typing import Any

import click

from cloaca.cli.database import asking, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.formatting import value_text
from cloaca.cli.ids import is_id
from cloaca.cli.options import json_option
from cloaca.cli.plain_tables import print_pairs, print_table
from cloaca.cli.schedule_documents import schedule_document, schedule_fire_document
from cloaca.cli.schedule_options import (
    found_schedule,
    limit_option,
    moment_cell,
    offset_option,
    schedule_argument,
    switch_cell,
)

_EXAMPLE_OF_LIST = """\b
Example:
  cloaca schedule list --enabled
"""
_EXAMPLE_OF_SHOW = """\b
Example:
  cloaca schedule show 019aaf1c-5c36
"""
_EXAMPLE_OF_HISTORY = """\b
Example:
  cloaca schedule history 019aaf1c-5c36 --limit 10
"""


@click.command("list", short_help="List schedules.", epilog=_EXAMPLE_OF_LIST)
@database_option
@click.option("--enabled", "only_enabled", is_flag=True, help="Only those that are on.")
@limit_option
@offset_option
@json_option
def list_schedules(*, url: str, only_enabled: bool, limit: int, offset: int, as_object: bool) -> None:
    """List what fires by the clock, in the order of registration.

    Exit codes: 0 listed, 2 wrong usage.
    """
    with asking(url) as client:
        found = client.list_cron_schedules(only_enabled, limit, offset)
    if as_object:
        print_document(sys.stdout, {"schedules": list(map(schedule_document, found))})
        return
    header = ("schedule", "workflow", "instance", "expression", "timezone", "is", "next run (UTC)")
    print_table(sys.stdout, header, list(map(_row, found)))


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["id"],
        one["workflow_name"],
        one["instance_name"] or "",
        one["cron_expression"],
        one["timezone"],
        switch_cell(one),
        moment_cell(one["next_run_at"]),
    )


@click.command(short_help="Show a schedule.", epilog=_EXAMPLE_OF_SHOW)
@schedule_argument
@database_option
@json_option
def show(typed_id: str, *, url: str, as_object: bool) -> None:
    """Show a schedule: when it fires, with which context, and what happens to missed runs.

    Exit codes: 0 shown, 2 wrong usage, or there is no such schedule.
    """
    with asking(url) as client:
        found = found_schedule(client, typed_id, url)
    if as_object:
        print_document(sys.stdout, schedule_document(found))
        return
    print_pairs(
        sys.stdout,
        [
            ("schedule", found["id"]),
            ("workflow", found["workflow_name"]),
            ("instance", found["instance_name"] or "none"),
            ("expression", f"{found['cron_expression']} in {found['timezone']}"),
            ("is", switch_cell(found)),
            ("next run", moment_cell(found["next_run_at"]) or "none"),
            ("last run", moment_cell(found["last_run_at"]) or "none"),
            ("catch up", found["catchup_policy"]),
            ("context", value_text(found["params"])),
        ],
    )


@click.command(short_help="List what a schedule has fired.", epilog=_EXAMPLE_OF_HISTORY)
@schedule_argument
@database_option
@limit_option
@offset_option
@json_option
def history(typed_id: str, *, url: str, limit: int, offset: int, as_object: bool) -> None:
    """List what a schedule has fired, latest first: the instant it was due, when it fired, and the execution.

    That of a deleted schedule is kept: type its whole ID.

    Exit codes: 0 listed, 2 wrong usage, or there is no such schedule.
    """
    with asking(url) as client:
        id = typed_id if is_id(typed_id) else found_schedule(client, typed_id, url)["id"]
        fires = client.get_cron_execution_history(id, limit, offset)
    if as_object:
        print_document(sys.stdout, {"schedule_id": id, "fires": list(map(schedule_fire_document, fires))})
        return
    rows = [
        (moment_cell(fire["scheduled_time"]), moment_cell(fire["claimed_at"]), fire["workflow_execution_id"])
        for fire in fires
    ]
    print_table(sys.stdout, ("due (UTC)", "fired (UTC)", "execution"), rows)
