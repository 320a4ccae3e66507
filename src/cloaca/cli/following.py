"""Following an execution to its end."""

from __future__ import annotations

import time

from cloaca.cli.display import Display
from cloaca.cli.exits import Refused
from cloaca.errors import DatabaseError
from cloaca.insights import FOR_CAPACITY, FOR_RESUME, ExecutionRecord
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.runner import DefaultRunner

LOOK_SECONDS = 0.15
REST = 10
"""A look that was slow, because the graph is large, is followed by a rest this many times as long."""


def follow(runner: DefaultRunner, handle: ExecutionHandle, display: Display) -> ExecutionRecord:
    """Show an execution until it has ended, and return what is then stored of it.

    Raises:
        Refused: It waits for code that this process does not have.
    """
    pause = 0.0
    while not handle.wait(pause):
        began = time.monotonic()
        try:
            record = runner.get_execution(handle.execution_id)
        except DatabaseError:
            continue  # the execution goes on although it cannot be seen for the moment
        if record.waiting_for not in (None, FOR_CAPACITY, FOR_RESUME):
            raise Refused(f"execution {record.execution_id} cannot go on here: {record.waiting_for}")
        display.show(record)
        pause = max(LOOK_SECONDS, REST * (time.monotonic() - began))
    record = runner.get_execution(handle.execution_id)
    display.show(record)
    return record
