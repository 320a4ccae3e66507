"""Following an execution to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import click

from cloaca.cli.display import Display
from cloaca.cli.exit_codes import Refused
from cloaca.cli.formatting import printable
from cloaca.cli.progress import Tasks
from cloaca.errors import DatabaseError
from cloaca.insights import FOR_CAPACITY, FOR_RESUME, ExecutionRecord
from cloaca.insights.reasons import ReasonKind
from cloaca.model.states import Status
from cloaca.runner.executions import Executions
from cloaca.runner.handle import ExecutionHandle

LOOK_SECONDS = 0.15
QUIET_SECONDS = 2.0
"""How long nothing must have happened before the owner is checked."""

OUTAGE_SECONDS = 0.5
"""The pause after the database could not be read."""

REST = 10
"""After a read that was slow because the graph is large, the pause is this many times as long as the read."""


def follow(
    executions: Executions,
    handle: ExecutionHandle,
    display: Display,
    *,
    check: Callable[[ExecutionRecord], None] | None = None,
) -> ExecutionRecord:
    """Display an execution until it has ended, and return its record.

    Args:
        check: Called with every record that is read; may raise to stop following.
    """
    pause = 0.0
    news, outage = _News(executions), _Outage()
    while True:
        try:
            has_ended = handle.wait(pause)
            began = time.monotonic()
            record = executions.get_execution(handle.execution_id)
            shown = record if has_ended else news.completed(record)
        except DatabaseError as error:
            outage.wait(error)
            continue
        outage = _Outage()
        if check is not None and not has_ended:
            check(record)
        display.show(shown)
        if has_ended:
            return record
        pause = max(LOOK_SECONDS, REST * (time.monotonic() - began))


def owner_trouble(executions: Executions, record: ExecutionRecord) -> str | None:
    """Why nobody works on an execution although it has an owner; ``None`` if nothing seems wrong."""
    if record.status is not Status.RUNNING or record.waiting_for is not None:
        return None
    reasons = executions.explain(record.execution_id).reasons
    return next((reason.text for reason in reasons if reason.kind is ReasonKind.LEASE), None)


class _Outage:
    """Reports once that the execution cannot be seen at the moment, although it continues."""

    def __init__(self) -> None:
        self._is_told = False

    def wait(self, error: DatabaseError) -> None:
        if not self._is_told:
            click.echo(
                f"the database cannot be read at the moment, retrying: {printable(str(error))}", err=True
            )
        self._is_told = True
        time.sleep(OUTAGE_SECONDS)


class _News:
    """Checks the owner of an execution once nothing has happened for a while."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions
        self._tasks: Tasks | None = None
        self._quiet_since = 0.0
        self._trouble: str | None = None

    def completed(self, record: ExecutionRecord) -> ExecutionRecord:
        """The record, with the owner's trouble as what it waits for."""
        now = time.monotonic()
        if record.tasks != self._tasks:
            self._tasks, self._quiet_since, self._trouble = record.tasks, now, None
        elif now - self._quiet_since > QUIET_SECONDS:
            self._quiet_since = now
            self._trouble = owner_trouble(self._executions, record)
        return record if self._trouble is None else replace(record, waiting_for=self._trouble)


def check_goes_on_here(record: ExecutionRecord) -> None:
    """Refuse to follow an execution that would wait for another process.

    Raises:
        Refused: It waits for code that this process does not have.
    """
    if record.waiting_for not in (None, FOR_CAPACITY, FOR_RESUME):
        raise Refused(f"execution {record.execution_id} cannot continue here: {record.waiting_for}")
