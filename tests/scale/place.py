"""One database that is measured, and whoever reads, steers and runs there."""

from __future__ import annotations

import itertools
import time
from collections import deque
from contextlib import ExitStack

import cloaca
from cloaca.clock import new_id
from cloaca.runner.stores import store_of
from cloaca.schedules.firing import ClockFiring
from tests.scale.contents import WORKFLOWS, Contents, flow

RUNNER = "runner"


def id_of(number: int) -> str:
    """The id of the execution of a number, as it was filled in."""
    return f"{number // 65536:08x}-{number % 65536:04x}-7000-8000-{number:012x}"


class Place:
    """A database of so many executions."""

    def __init__(self, url: str, size: int, made: Contents, stack: ExitStack) -> None:
        self.size = size
        self.client = stack.enter_context(cloaca.Client(url))
        self.store = store_of(url)
        stack.callback(self.store.close)
        self.store.prepare()
        self.store.join(RUNNER, time.time())
        self.known = made.known
        self.structures = made.structures
        self.table = self.store.steering
        self.schedules = self.store.schedules
        self.firing = ClockFiring(
            self.schedules,
            needs=lambda: [flow(number) for number in range(WORKFLOWS)],
            make_id=new_id,
            most=1,
        )
        self.middle = id_of(size // 2)
        self.numbers = itertools.count()
        self.pruned = 0
        """Up to which place in the order of starts."""
        self._ids = {status: self._newest(status) for status in ("Completed", "Failed", "Running", "Paused")}
        self._ids["unknown"] = self._newest("Pending", workflow="gone-1")
        self.keyed = deque(number for number in range(size - 400, size) if number % 2 == 0)

    def _newest(self, status: str, workflow: str | None = None) -> deque[str]:
        found = self.client.list_executions(status=status, workflow_name=workflow, limit=20)
        return deque(one.execution_id for one in found)

    def one(self, kind: str) -> str:
        """An execution of a kind, another one each time until all had their turn."""
        self._ids[kind].rotate()
        return self._ids[kind][0]
