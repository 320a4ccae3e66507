"""A started execution, as its starter holds it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from cloaca.errors import WorkflowTimeoutError
from cloaca.model.states import Status
from cloaca.runner.result import WorkflowResult

if TYPE_CHECKING:
    from cloaca.runner.waiting import Waiting


class ExecutionHandle:
    """An execution that exists, whatever happens to this process from now on.

    ``handle.result()`` waits for its end from any thread, ``await handle`` from any event loop.
    """

    __slots__ = ("_execution_id", "_waiting", "_workflow_name")

    def __init__(self, execution_id: str, workflow_name: str, waiting: Waiting) -> None:
        self._execution_id = execution_id
        self._workflow_name = workflow_name
        self._waiting = waiting

    @property
    def execution_id(self) -> str:
        """The id under which the database keeps it."""
        return self._execution_id

    @property
    def workflow_name(self) -> str:
        """The name of its workflow."""
        return self._workflow_name

    @property
    def status(self) -> Status:
        """Its status now."""
        return self._waiting.status(self._execution_id)

    def result(self, timeout: float | None = None) -> WorkflowResult:
        """Wait for the end.

        Args:
            timeout: Seconds to wait at most; ``None`` waits as long as it takes.

        Raises:
            WorkflowTimeoutError: It has not ended by then; it goes on.
            RunnerError: The runner was shut down first; the execution goes on in the next one.
        """
        ended = self._waiting.wait(self._execution_id, timeout)
        if ended is None:
            raise WorkflowTimeoutError(
                f"execution {self._execution_id} of {self._workflow_name!r} has not ended after {timeout:g} s: it goes "
                "on, ask for its result again",
                timeout_seconds=timeout,
            )
        return ended

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; false if it has not come within so many seconds."""
        return self._waiting.wait(self._execution_id, timeout) is not None

    def __await__(self) -> Generator[Any, None, WorkflowResult]:
        return self._waiting.wait_async(self._execution_id).__await__()

    def __repr__(self) -> str:
        return f"ExecutionHandle({self._workflow_name!r}, {self._execution_id!r})"
