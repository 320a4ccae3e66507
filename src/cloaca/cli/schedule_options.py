"""Arguments and options of the commands on schedules, and how schedules are named and shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from cloaca.authoring.names import shown
from cloaca.cli.completion_values import complete_schedules
from cloaca.cli.database import command_for
from cloaca.cli.exit_codes import Refused
from cloaca.cli.formatting import moment_text
from cloaca.cli.ids import FEWEST
from cloaca.errors import ScheduleError
from cloaca.model.catchup import CatchUp
from cloaca.runner.schedules import Schedules

MOST = 10_000
"""Of schedules, among which a beginning of an id is looked for."""

schedule_argument = click.argument("typed_id", metavar="ID", shell_complete=complete_schedules)
zone_option = click.option(
    "--tz", "zone", metavar="ZONE", default="UTC", show_default=True, help="The time zone of the expression."
)
catch_up_option = click.option(
    "--catch-up",
    type=click.Choice([policy.value for policy in CatchUp]),
    help="What to do about missed runs.",
)
limit_option = click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, MOST),
    default=100,
    show_default=True,
    help="How many at most.",
)
offset_option = click.option(
    "--offset", metavar="N", type=click.IntRange(0), default=0, show_default=True, help="How many to skip."
)


def found_schedule(schedules: Schedules, typed: str, url: str) -> dict[str, Any]:
    """The schedule that an id, or the beginning of one, stands for.

    Raises:
        Refused: Too little is typed, several ids begin with it, or none does.
    """
    typed = typed.strip().lower()
    if len(typed) < FEWEST:
        raise Refused(f"ID {shown(typed)} is too short: type at least {FEWEST} characters of it")
    known = {one["id"]: one for one in schedules.list_cron_schedules(None, MOST)}
    found = [id for id in known if id.startswith(typed)]
    if len(found) > 1:
        raise Refused(f"ID {shown(typed)} begins several: type more of one of {', '.join(found[:5])}")
    if found:
        return known[found[0]]
    try:
        return schedules.get_cron_schedule(typed)
    except ScheduleError as error:
        raise Refused(
            f"there is no schedule {shown(typed)} in this database: {command_for(url, 'schedule', 'list')} has those there are"
        ) from error


def moment_cell(text: str | None) -> str:
    """A moment as tables have it."""
    return "" if text is None else moment_text(datetime.fromisoformat(text))


def switch_cell(one: dict[str, Any]) -> str:
    """Whether it is on."""
    return "on" if one["enabled"] else "off"
