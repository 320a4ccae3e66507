"""``cloaca schedule``: what fires by the clock."""

from __future__ import annotations

import click

from cloaca.cli.schedule_changing import add, delete, disable, enable, update
from cloaca.cli.schedule_preview import preview
from cloaca.cli.schedule_reading import history, list_schedules, show


@click.group(short_help="List and change schedules.")
def schedule() -> None:
    """List and change schedules."""


for _command in (list_schedules, show, history, add, update, enable, disable, delete, preview):
    schedule.add_command(_command)
