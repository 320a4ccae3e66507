"""Following an execution to its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from cloaca.cli.display import Display
from cloaca.cli.exits import Refused
from cloaca.errors import DatabaseError
from cloaca.insights import FOR_CAPACITY, FOR_RESUME, ExecutionRecord
from cloaca.runner.executions import Executions
from cloaca.runner.handle import ExecutionHandle

LOOK_SECONDS = 0.15
REST = 10
"""A look that was slow, because the graph is large, is followed by a rest this many times as long."""


def follow(
    executions: Executions,
    handle: ExecutionHandle,
    display: Display,
    *,
    check: Callable[[ExecutionRecord], None] | None = None,
) -> ExecutionRecord:
    """Show an execution until it has ended, and return what is then stored of it.

    Args:
        check: Called with what each look finds; what it raises ends the following.
    """
    pause = 0.0
    while not handle.wait(pause):
        began = time.monotonic()
        try:
            record = executions.get_execution(handle.execution_id)
        except DatabaseError:
            continue  # the execution goes on although it cannot be seen for the moment
        if check is not None:
            check(record)
        display.show(record)
        pause = max(LOOK_SECONDS, REST * (time.monotonic() - began))
    record = executions.get_execution(handle.execution_id)
    display.show(record)
    return record


def check_goes_on_here(record: ExecutionRecord) -> None:
    """Refuse to follow what would wait for somebody else.

    Raises:
        Refused: It waits for code that this process does not have.
    """
    if record.waiting_for not in (None, FOR_CAPACITY, FOR_RESUME):
        raise Refused(f"execution {record.execution_id} cannot go on here: {record.waiting_for}")
