"""Rows of a batch, with everything that a test does not care about filled in."""

from cloaca.model.rows import AttemptRow, FinishRow
from cloaca.store.rows import Batch, Known, RunningRow, StartRow, Structure

NOW = 1_000_000.0
GRAPH = Structure("s", "w", '{"tasks": {"a": []}}')
KNOWN = [Known("w", "s", "s", "v")]


def start(id, owner=None, *, fence=None, workflow="w", structure="s", key=None, input="{}"):
    status = "Pending" if owner is None else "Running"
    fence = int(owner is not None) if fence is None else fence
    began = None if owner is None else NOW
    return StartRow(id, workflow, structure, "v", status, owner, fence, input, key, NOW, began)


def settle(
    id, owner, *, task="a", attempt=1, fence=1, status="Completed", delta="{}", error=None, reason=None
):
    return AttemptRow(id, task, attempt, status, delta, error, reason, NOW, NOW + 1, None, owner, fence)


def running(id, owner, *, task="a", attempt=1, fence=1, alone=False):
    return RunningRow(id, task, attempt, NOW, alone, False, owner, fence)


def finish(id, owner, *, fence=1, status="Completed", error=None):
    return FinishRow(status, error, NOW + 2, id, owner, fence)


def batch_of(*rows):
    batch = Batch()
    lists = {
        Structure: batch.structures,
        StartRow: batch.starts,
        AttemptRow: batch.settles,
        RunningRow: batch.running,
        FinishRow: batch.finishes,
    }
    for row in rows:
        lists[type(row)].append(row)
    return batch


def shown(store, id):
    """An execution and its attempts, as far as a turn changes them."""
    row = store.read_execution(id)
    attempts = [(attempt.task, attempt.attempt, attempt.status) for attempt in store.read_attempts(id)]
    return row and (row.status, row.owner, row.fence, attempts)
