"""``cloaca list``: executions, a page at a time."""

from __future__ import annotations

import sys

import click

from cloaca.cli.completion_values import complete_ids, complete_workflows
from cloaca.cli.database import asking, command_for, database_option
from cloaca.cli.documents import print_document, summary_document
from cloaca.cli.formatting import duration_text, moment_text
from cloaca.cli.ids import resolved
from cloaca.cli.options import json_option
from cloaca.cli.plain_tables import print_table
from cloaca.insights import ExecutionSummary
from cloaca.model.states import Status

_EXAMPLE = """\b
Example:
  cloaca list --workflow orders --status Failed --limit 50
"""

_HEADER = ("execution", "workflow", "status", "created (UTC)", "took", "error")


@click.command("list", short_help="List executions, newest first.", epilog=_EXAMPLE)
@database_option
@click.option("--workflow", metavar="NAME", shell_complete=complete_workflows, help="Of this workflow only.")
@click.option(
    "--status", type=click.Choice(list(map(str, Status)), case_sensitive=False), help="Of this status only."
)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many at most.",
)
@click.option(
    "--after", metavar="ID", shell_complete=complete_ids, help="Those before this one: the next page."
)
@click.option("--ids", "only_ids", is_flag=True, help="Print nothing but the ids, one a line.")
@json_option
def list_executions(
    *,
    url: str,
    workflow: str | None,
    status: str | None,
    limit: int,
    after: str | None,
    only_ids: bool,
    as_object: bool,
) -> None:
    """List executions, newest first.

    Where there are more, stderr has the command that lists the next ones; with --json "next" is what --after takes.

    Exit codes: 0 listed, 2 wrong usage.
    """
    with asking(url) as client:
        found = client.list_executions(
            workflow_name=workflow,
            status=status,
            limit=limit + 1,
            after=resolved(client, after) if after else None,
        )
    page = found[:limit]
    following = page[-1].execution_id if len(found) > limit else None
    if as_object:
        print_document(sys.stdout, {"executions": list(map(summary_document, page)), "next": following})
        return
    if only_ids:
        sys.stdout.writelines(f"{one.execution_id}\n" for one in page)
        return
    print_table(sys.stdout, _HEADER, list(map(_row, page)))
    if following:
        filters = {"--workflow": workflow, "--status": status, "--limit": str(limit), "--after": following}
        words = [word for name, value in filters.items() if value is not None for word in (name, value)]
        click.echo(f"\nThere are more:\n  {command_for(url, 'list', *words)}", err=True)


def _row(summary: ExecutionSummary) -> tuple[str, ...]:
    took = ""
    if summary.finished_at is not None:
        took = duration_text(summary.finished_at - (summary.started_at or summary.created_at))
    return (
        summary.execution_id,
        summary.workflow_name,
        summary.status,
        moment_text(summary.created_at),
        took,
        summary.error_message or "",
    )
