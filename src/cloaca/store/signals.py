"""How a commit can fail to be one. None of these reaches a user; the engine answers each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cloaca.errors import DatabaseError


class CommitUnknown(Exception):  # noqa: N818 - it is a state of knowledge, not an error
    """The commit was asked for and its answer was lost or was an I/O error: it may have happened."""


class RunnerLost(Exception):  # noqa: N818
    """This runner was declared dead: nothing it owned is its own any more."""


def check_joined(runner: str, epoch: int, rows: Iterable[Sequence[Any]]) -> None:
    """See whether a runner, if there is one, is still among all that have joined, each an id and an epoch.

    Raises:
        RunnerLost: It is not.
    """
    if runner and (runner, epoch) not in {(row[0], row[1]) for row in rows}:
        raise RunnerLost


class Fenced(Exception):  # noqa: N818
    """Some executions of the batch belong to somebody else now; nothing was written."""

    def __init__(self, executions: set[str]) -> None:
        super().__init__(executions)
        self.executions = executions


class RowRefused(Exception):  # noqa: N818
    """The database refused the data of some row; nothing was written."""


class StoreUnavailable(Exception):  # noqa: N818
    """The database cannot be written now; nothing was written. ``error`` is what a start is refused with."""

    def __init__(self, error: DatabaseError) -> None:
        super().__init__(str(error))
        self.error = error
