"""Removing ended executions in transactions so small and so far apart that turns are not held up."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cloaca.model.retention import Rule
from cloaca.store.rows import BEHIND_ALL
from cloaca.store.steering import OldRow, SteeringTable

PAGE = 200
"""How many executions are read at a time."""

BATCH_EXECUTIONS, BATCH_ATTEMPTS = 20, 100
"""How much is removed in one transaction: about a millisecond of work."""

REST = 10
"""After each step, the pause that leaves the database to turns is this many times as long as the step took."""

LEAST_REST_SECONDS, MOST_REST_SECONDS = 0.001, 1.0
"""A step of so little work that takes longer than a tenth of a second has waited for a lock, and has held nobody up."""

COUNTED = 5_000
"""How many of the newest executions are counted at a time."""


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was removed, or would be in a dry run: executions, and their stored attempts."""

    executions: int
    attempts: int


class Pruning:
    """One pass over the executions of a database.

    If several run at once, in any number of processes, each execution is removed once. What a pass leaves when it ends early
    or its process dies, the next one removes.

    Args:
        removed: Receives the ids of removed executions.
        stopped: Ends the pass after the current transaction.
    """

    def __init__(
        self,
        table: SteeringTable,
        *,
        removed: Callable[[Sequence[str]], None],
        stopped: threading.Event | None = None,
        dry_run: bool = False,
    ) -> None:
        self._table = table
        self._removed = removed
        self._stopped = stopped or threading.Event()
        self._dry_run = dry_run
        self._began = time.monotonic()
        self._executions = self._attempts = 0

    def prune(
        self, *, ended_by: float | None = None, keep: int | None = None, settled_by: float = math.inf
    ) -> PruneReport:
        """Remove what ``Rule`` selects; of the newest ``keep`` executions, only those that had ended by ``ended_by``.

        Raises:
            DatabaseError: The database refuses; what was removed before stays removed.
        """
        self._began = time.monotonic()
        if not self._dry_run:
            self._finish_the_last_one()
        rule = Rule(
            -math.inf if ended_by is None else ended_by,
            0 if keep is None else self._place_of(keep),
            settled_by,
        )
        for page in self._pages(rule):
            going = [row for row in page if rule.removes(row)]
            counts = self._table.count_attempts([row.id for row in going]) if going else {}
            for batch in batches(going, counts):
                self._remove(batch, counts)
        return PruneReport(self._executions, self._attempts)

    def _place_of(self, keep: int) -> int:
        """The position in start order that has this many executions after it."""
        place: int | None = BEHIND_ALL
        while keep > 0 and place is not None:
            place = self._table.newest(min(keep, COUNTED), before=place)
            keep -= COUNTED
            self._rest()
        return place or 0

    def _pages(self, rule: Rule) -> Iterator[list[OldRow]]:
        """Old executions in start order. Clocks may have been wrong, so the last page is one with only young executions."""
        after = 0
        while not self._stopped.is_set():
            page = self._table.oldest(after=after, limit=PAGE)
            self._rest()
            yield page
            if len(page) < PAGE or not any(map(rule.may_remove_after, page)):
                return
            after = page[-1].seq

    def _remove(self, batch: list[OldRow], counts: dict[str, int]) -> None:
        if self._stopped.is_set():
            return
        ids = [row.id for row in batch]
        if not self._dry_run:
            is_large = sum(counts.get(id, 0) for id in ids) > BATCH_ATTEMPTS
            ids = self._table.remove(batch, is_large=is_large)
            self._removed(ids)
            self._rest()
            if is_large:
                self._remove_attempts(ids)
        self._executions += len(ids)
        self._attempts += sum(counts.get(id, 0) for id in ids)

    def _finish_the_last_one(self) -> None:
        self._remove_attempts(self._table.pruned())

    def _remove_attempts(self, executions: Sequence[str]) -> None:
        for execution in executions:
            while not self._stopped.is_set() and self._table.remove_attempts(execution, limit=BATCH_ATTEMPTS):
                self._rest()

    def _rest(self) -> None:
        """Leave the database to turns for a while."""
        took = time.monotonic() - self._began
        if not self._dry_run:
            self._stopped.wait(rest_after(took))
        self._began = time.monotonic()


def rest_after(seconds: float) -> float:
    """How long to leave the database to turns after a step that took so long."""
    return min(MOST_REST_SECONDS, max(LEAST_REST_SECONDS, REST * seconds))


def batches(rows: Sequence[OldRow], counts: dict[str, int]) -> Iterator[list[OldRow]]:
    """Groups of executions that are cheap to remove together; a large one is alone."""
    batch: list[OldRow] = []
    attempts = 0
    for row in rows:
        more = counts.get(row.id, 0)
        if batch and (len(batch) == BATCH_EXECUTIONS or attempts + more > BATCH_ATTEMPTS):
            yield batch
            batch, attempts = [], 0
        batch.append(row)
        attempts += more
    if batch:
        yield batch
