"""The starts of a batch that lost, and the size of a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from cloaca.store.rows import Batch, Existing, StartRow, unowned


def losers_of(
    db: sqlite3.Connection, batch: Batch, *, sql: Mapping[str, str], enter: Callable[[StartRow], Existing]
) -> dict[str, Existing]:
    """Which starts of a batch lost, and to which executions.

    Args:
        enter: Starts, in a transaction of its own, an execution of which nothing exists.
    """
    losers = {}
    for row in batch.starts:
        if row.idempotency_key is not None:
            found = db.execute(sql["find_by_key"], (row.workflow, row.idempotency_key)).fetchone()
            if found is None:
                # The execution it lost to was removed since the turn was committed.
                losers[row.id] = enter(unowned(row))
                continue
            if found[0] != row.id:
                losers[row.id] = Existing(*found)
                continue
        if db.execute(sql["find_started"], (row.id, row.owner, row.fence)).fetchone() is None:
            # It was committed before this runner was declared dead, and continues under another claim.
            losers[row.id] = Existing(row.id, row.input)
    return losers


def bytes_of(batch: Batch) -> int:
    """Roughly how many bytes it writes."""
    return sum(len(row.delta or "") + 200 for row in batch.settles) + sum(
        len(row.input) + 300 for row in batch.starts
    )
