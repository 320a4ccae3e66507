"""``cloaca run``: run a workflow to its end, or resume an execution."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TextIO

import click

from cloaca.cli import interrupts
from cloaca.cli.context import read_context
from cloaca.cli.database import (
    check_exists,
    command_for,
    database_option,
    is_kept,
    opened,
    option_for,
    without_password,
)
from cloaca.cli.display import Display, display_on
from cloaca.cli.documents import execution_document, print_document
from cloaca.cli.exit_codes import COMPLETED, FAILED, Refused
from cloaca.cli.following import check_goes_on_here, follow
from cloaca.cli.ids import resolved
from cloaca.cli.loading import Loaded, load
from cloaca.cli.outcome import print_outcome
from cloaca.cli.output import kept_stdout
from cloaca.cli.targets import target_argument
from cloaca.insights import ExecutionRecord
from cloaca.model.states import Status
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.runner import DefaultRunner

_EXAMPLE = """\b
Examples:
  cloaca run etl.py --context '{"limit": 10}'
  cloaca run shop.flows nightly --db sqlite:///shop.db --json
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What was typed; ``workflow`` is filled in if it was omitted."""

    target: str
    workflow: str | None
    url: str
    context: str | None
    resume: str | None

    def command(self, *, resume: str | None) -> str:
        """The command, quoted for a shell, that resumes an execution or starts another one."""
        options = option_for(self.url)
        if resume is not None:
            options += ["--resume", resume]
        elif self.context is not None:
            options += ["--context", self.context]
        names = [self.target, *([] if self.workflow is None else [self.workflow])]
        if any(name.startswith("-") for name in names):
            return shlex.join(["cloaca", "run", *options, "--", *names])
        return shlex.join(["cloaca", "run", *names, *options])


@click.command(short_help="Run a workflow.", epilog=_EXAMPLE)
@target_argument
@click.argument("workflow", required=False)
@database_option
@click.option("--context", metavar="JSON_OR_@FILE", help="The initial context, a JSON object.")
@click.option("--resume", metavar="ID", help="Resume this execution, or show its result.")
@click.option("--json", "as_object", is_flag=True, help="Print the result as one JSON object.")
def run(
    target: str, workflow: str | None, url: str, context: str | None, resume: str | None, *, as_object: bool
) -> None:
    """Run a workflow of FILE_OR_MODULE to its end.

    WORKFLOW may be omitted if there is only one. Ctrl-C, or SIGTERM, hands the execution over to the next runner and
    prints the command that resumes it; a second one stops immediately.

    Exit codes: 0 completed, 1 ended otherwise, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
    """
    order = Order(target, workflow, url, context, resume)
    given = _checked(order)
    with (
        interrupts.heeding_sigterm(),
        _streams(as_object=as_object) as (progress, result),
        display_on(progress) as display,
    ):
        loaded = load(target)
        order = replace(order, workflow=loaded.pick(workflow) if workflow or not resume else None)
        # Before the runner is created, because a runner takes over what it finds at once.
        began = datetime.now(UTC) if resume else None
        with opened(url) as runner:
            record = _carried_out(order, given, loaded, runner, display, began=began)
            _print(order, record, result, as_object=as_object)
    click.get_current_context().exit(COMPLETED if record.status is Status.COMPLETED else FAILED)


def _checked(order: Order) -> dict[str, Any]:
    """The initial context, after checks that need nothing loaded."""
    if order.resume is not None:
        if not order.resume.strip():
            raise Refused(f"--resume is {order.resume!r}: give the id of an execution, as it was printed")
        if order.context is not None:
            raise Refused(
                "--context cannot be given with --resume: an execution keeps the context it was started with"
            )
        check_exists(order.url)
    return {} if order.context is None else read_context(order.context)


@contextmanager
def _streams(*, as_object: bool) -> Iterator[tuple[TextIO, TextIO]]:
    """Where to write progress, and where the result."""
    if not as_object:
        yield sys.stdout, sys.stdout
        return
    with kept_stdout() as kept:
        yield sys.stderr, kept


def _carried_out(
    order: Order,
    given: dict[str, Any],
    loaded: Loaded,
    runner: DefaultRunner,
    display: Display,
    *,
    began: datetime | None,
) -> ExecutionRecord:
    handle: ExecutionHandle | None = None
    try:
        with interrupts.held():
            handle = _handle(order, given, loaded, runner)
        with display.following(without_password(order.url), began):
            return follow(runner, handle, display, check=check_goes_on_here)
    except KeyboardInterrupt:
        interrupts.next_ends_at_once()
        _say_how_to_go_on(order, handle)
        raise


def _handle(order: Order, given: dict[str, Any], loaded: Loaded, runner: DefaultRunner) -> ExecutionHandle:
    if order.resume is None:
        assert order.workflow is not None  # noqa: S101 - it was chosen
        return runner.start(order.workflow, given)
    handle = runner.get_handle(resolved(runner, order.resume))
    if order.workflow not in (None, handle.workflow_name):
        raise Refused(
            f"execution {order.resume} is of workflow {handle.workflow_name!r}, not of {order.workflow!r}: "
            "leave the name out"
        )
    if handle.workflow_name not in loaded.names:
        raise Refused(
            f"execution {order.resume} is of workflow {handle.workflow_name!r}, which {order.target} does not "
            "register: name the file that does"
        )
    return handle


def _say_how_to_go_on(order: Order, handle: ExecutionHandle | None) -> None:
    if handle is None:
        click.echo("\nInterrupted before anything was started.", err=True)
    elif not is_kept(order.url):
        click.echo("\nInterrupted. The database was in memory: nothing is kept.", err=True)
    else:
        command = replace(order, workflow=handle.workflow_name).command(resume=handle.execution_id)
        click.echo(f"\nInterrupted. Completed tasks are kept; resume with:\n  {command}", err=True)


def _print(order: Order, record: ExecutionRecord, stream: TextIO, *, as_object: bool) -> None:
    if as_object:
        print_document(stream, execution_document(record))
        return
    print_outcome(record, stream, next_commands=list(_next_commands(order, record)))


def _next_commands(order: Order, record: ExecutionRecord) -> Iterator[tuple[str, str]]:
    id = record.execution_id
    named = replace(order, workflow=record.workflow_name)
    again = named.command(resume=id)
    if is_kept(order.url):
        # There may be no other process to run it.
        yield (
            "Run the tasks that did not complete again, and keep the others",
            f"{command_for(order.url, 'retry', id)} && {again}",
        )
        yield "Show this result again", again
    yield "Start another execution", named.command(resume=None)
