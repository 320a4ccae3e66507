"""The entry point: the list of commands, and what becomes of their errors."""

from __future__ import annotations

from typing import Any

import click

from cloaca.cli import interrupts
from cloaca.cli.exits import Refused
from cloaca.cli.graph import graph
from cloaca.cli.output import prepare_streams
from cloaca.cli.run import run
from cloaca.cli.schedule import schedule
from cloaca.cli.worker import worker
from cloaca.cli.workflows import workflows
from cloaca.errors import CloacaException

COMMANDS = (graph, run, schedule, worker, workflows)

_EXAMPLE = """\b
Example:
  cloaca run etl.py --db sqlite:///etl.db
"""


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CloacaException as error:
            raise Refused(str(error)) from error
        except KeyboardInterrupt:
            interrupts.end_at_once()


@click.group(cls=_Commands, epilog=_EXAMPLE)
@click.version_option(package_name="pycloaca", message="cloaca %(version)s")
def cloaca() -> None:
    """Durable workflows: a DAG of Python functions that survives crashes."""


for _command in COMMANDS:
    cloaca.add_command(_command)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    prepare_streams()
    cloaca(prog_name="cloaca")
