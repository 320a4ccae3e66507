"""``cloaca plan``: what a deploy would mean for the executions that have not ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict

import click

from cloaca.cli.database import check_exists, check_kept, check_tables, database_option
from cloaca.cli.documents import print_document
from cloaca.cli.exit_codes import COMPLETED, REFUSED
from cloaca.cli.formatting import counted, printable
from cloaca.cli.loading import load_all
from cloaca.cli.options import json_option
from cloaca.cli.output import kept_stdout
from cloaca.cli.targets import targets_argument
from cloaca.insights.service import Insights
from cloaca.insights.upgrade import TaskPlan, UpgradePlan, WorkflowPlan
from cloaca.runner.stores import store_of
from cloaca.runner.workflows import Workflows

_EXAMPLE = """\b
Examples:
  cloaca plan shop.flows --db postgresql://shop@db/shop
  cloaca plan orders.py refunds.py --on-version-change wait --json
"""

_VERBS = (
    ("keeps", "keeps its result"),
    ("runs_new", "runs the new code"),
    ("runs_same", "runs as before"),
    ("waits", "waits"),
)


@click.command(short_help="Show what a deploy would mean for unfinished executions.", epilog=_EXAMPLE)
@targets_argument
@database_option
@click.option(
    "--on-version-change",
    type=click.Choice(["continue", "wait"]),
    default="continue",
    show_default=True,
    help="The setting that the workers will have.",
)
@json_option
@click.pass_context
def plan(
    context: click.Context, *, targets: tuple[str, ...], url: str, on_version_change: str, as_object: bool
) -> None:
    """Compare the workflows that each FILE_OR_MODULE registers with the executions that have not ended.

    For each workflow and task it says in how many of them the task keeps its result, runs the new code, or waits: what was
    started with other tasks, dependencies or rules waits for the code that started it. Nothing is run or changed.

    Exit codes: 0 no execution would wait, 2 something would, wrong usage, or a database that cannot be used.
    """
    check_kept(url, why="a new database has no executions: name a file or a server")
    check_exists(url)
    check_tables(url)
    with kept_stdout() as stream:
        found = _found(targets, url, on_version_change)
        if as_object:
            print_document(
                stream, {"waits": sum(workflow.waits for workflow in found.workflows), **asdict(found)}
            )
        else:
            stream.writelines(f"{line}\n" for line in _lines(found))
    context.exit(REFUSED if found.waits else COMPLETED)


def _found(targets: tuple[str, ...], url: str, on_version_change: str) -> UpgradePlan:
    workflows = Workflows()
    given = {name: workflow for name in load_all(targets) if (workflow := workflows.find(name))}
    with closing(store_of(url)) as store:
        return Insights(store).plan(given, on_version_change=on_version_change)


def _lines(found: UpgradePlan) -> Iterator[str]:
    for workflow in found.workflows:
        yield f"{printable(workflow.workflow)}: {_headline(workflow)}"
        yield from (f"  {printable(why)}" for why in workflow.why)
        if workflow.live:
            yield from (f"  {printable(task.task)}: {_numbers(task, workflow)}" for task in workflow.tasks)
    yield (
        "some would wait: run them with the code that started them, or cancel them"
        if found.waits
        else "no execution would wait"
    )


def _headline(workflow: WorkflowPlan) -> str:
    if not workflow.live:
        return "no unfinished executions"
    parts = [counted(workflow.live, "unfinished execution")]
    if workflow.unchanged:
        parts.append(f"{workflow.unchanged:,} started with this code")
    if workflow.waits:
        parts.append(f"{workflow.waits:,} would wait")
    return ", ".join(parts)


def _numbers(task: TaskPlan, workflow: WorkflowPlan) -> str:
    """What becomes of a task, with how many of the executions where that is not all of them."""
    parts = []
    for name, verb in _VERBS:
        number = getattr(task, name)
        if number:
            parts.append(verb if number == workflow.live else f"{verb} in {number:,}")
    return ", ".join(parts) or "is in none of them"
