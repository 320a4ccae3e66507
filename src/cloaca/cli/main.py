"""The entry point: the list of commands, each loaded on use, and the handling of their errors."""

from __future__ import annotations

import errno
import importlib
from contextlib import suppress
from typing import Any, NamedTuple

import click

from cloaca.authoring.names import nearest, shown
from cloaca.cli import interrupts
from cloaca.cli.exit_codes import REFUSED, TERMINATED, Refused
from cloaca.cli.output import prepare_streams
from cloaca.errors import CloacaException


class Entry(NamedTuple):
    """A command: its module in this package, its name there, and its description in the list."""

    module: str
    attribute: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Run workflows": {
        "run": Entry("run", "run", "Run a workflow."),
        "worker": Entry("worker", "worker", "Run what other processes start, until SIGTERM."),
    },
    "Inspect executions": {
        "list": Entry("listing", "list_executions", "List executions, newest first."),
        "show": Entry("show", "show", "Show an execution: tasks, errors, context."),
        "watch": Entry("watch", "watch", "Follow an execution to its end."),
        "explain": Entry("explain", "explain", "Show what an execution is waiting for."),
        "history": Entry("history", "history", "Show what happened to an execution."),
        "diff": Entry("diff", "diff", "Compare two executions."),
    },
    "Steer executions": {
        "cancel": Entry("cancel", "cancel", "Cancel an execution; completed tasks keep their results."),
        "pause": Entry("pause", "pause", "Pause an execution until it is resumed."),
        "resume": Entry("resume", "resume", "Continue a paused execution."),
        "retry": Entry("retry", "retry", "Run the failed tasks of an execution again."),
        "fork": Entry("fork", "fork", "Start a new execution from a task of another."),
        "delete": Entry("delete", "delete", "Remove an execution that has ended."),
    },
    "Inspect workflows": {
        "workflows": Entry("workflows", "workflows", "Show what a file or module registers."),
        "plan": Entry("plan", "plan", "Show what a deploy would mean for unfinished executions."),
        "graph": Entry("graph", "graph", "Draw a workflow."),
    },
    "Manage schedules and triggers": {
        "schedule": Entry("schedule", "schedule", "List and change schedules."),
        "trigger": Entry("trigger", "trigger", "List and switch triggers."),
    },
    "Maintain a database": {
        "doctor": Entry("doctor", "doctor", "Check a database and its runners for problems."),
        "migrate": Entry("migrate", "migrate", "Bring a database's tables up to date."),
        "prune": Entry("prune", "prune", "Remove executions that ended long ago."),
        "completion": Entry("completion", "completion", "Print the script that lets a shell complete."),
    },
}
"""By the heading they are listed under."""

ENTRIES = {name: entry for entries in SECTIONS.values() for name, entry in entries.items()}

_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

_EXAMPLE = """\b
Example:
  cloaca run etl.py --db sqlite:///etl.db
"""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        entry = ENTRIES.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"cloaca.cli.{entry.module}"), entry.attribute
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in ENTRIES and not args[0].startswith("-") and not ctx.resilient_parsing:
            hint = nearest(args[0], ENTRIES) or "cloaca --help lists them"
            raise Refused(f"there is no command {shown(args[0])}: {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands without loading any."""
        widest = max(map(len, ENTRIES))
        for heading, entries in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(widest), entry.help) for name, entry in entries.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CloacaException as error:
            raise Refused(str(error)) from error
        except interrupts.Terminated:
            interrupts.end_at_once(TERMINATED)
        except KeyboardInterrupt:
            interrupts.end_at_once()


@click.group(cls=_Commands, epilog=_EXAMPLE)
@click.version_option(package_name="pycloaca", message="cloaca %(version)s")
def cloaca() -> None:
    """Durable workflows: a DAG of Python functions that survives crashes."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    prepare_streams()
    try:
        cloaca(prog_name="cloaca")
    except OSError as error:
        # An error without a file name comes from writing to a stream. A closed pipe is handled by click.
        if error.errno not in _OUTPUT_ERRORS or error.filename is not None:
            raise
        with suppress(OSError):
            click.echo(f"Error: the output cannot be written: {error.strerror}: write it elsewhere", err=True)
        interrupts.end_at_once(REFUSED)
