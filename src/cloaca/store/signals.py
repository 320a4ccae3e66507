"""The ways in which a commit can fail. The engine handles each of them; none reaches a user."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cloaca.errors import DatabaseError


class CommitUnknown(Exception):  # noqa: N818 - it is a state of knowledge, not an error
    """The reply to a commit was lost, or was an I/O error: it may have happened."""


class RunnerLost(Exception):  # noqa: N818
    """This runner was declared dead, and no longer owns anything."""


def check_joined(runner: str, epoch: int, rows: Iterable[Sequence[Any]]) -> None:
    """Check that a runner, if there is one, is still among those that have joined, given as pairs of id and epoch.

    Raises:
        RunnerLost: It is not.
    """
    if runner and (runner, epoch) not in {(row[0], row[1]) for row in rows}:
        raise RunnerLost


class Fenced(Exception):  # noqa: N818
    """Some executions of the batch have another owner now; nothing was written."""

    def __init__(self, executions: set[str]) -> None:
        super().__init__(executions)
        self.executions = executions


class RowRefused(Exception):  # noqa: N818
    """The database refused the data of some row; nothing was written."""


class StoreUnavailable(Exception):  # noqa: N818
    """The database cannot be written now, and nothing was written. Starts are refused with ``error``."""

    def __init__(self, error: DatabaseError) -> None:
        super().__init__(str(error))
        self.error = error
