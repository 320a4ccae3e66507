"""The handle for a started execution."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

from cloaca.authoring.keyword_suggestions import suggests_keywords
from cloaca.errors import RunnerError, WorkflowTimeoutError
from cloaca.executors.current import is_on_event_loop, slot_lent
from cloaca.model.states import Status
from cloaca.runner.config import checked_timeout
from cloaca.runner.inputs import Input
from cloaca.runner.result import WorkflowResult
from cloaca.runner.waiting import check_no_callback

if TYPE_CHECKING:
    from cloaca.insights.entries import HistoryRecord
    from cloaca.insights.reasons import Explanation
    from cloaca.runner.waiting import Waiting


class Verbs(Protocol):
    """What a handle needs of a runner or client, by execution id."""

    def cancel(self, execution_id: str) -> None: ...
    def pause(self, execution_id: str) -> None: ...
    def resume(self, execution_id: str) -> None: ...
    def retry(self, execution_id: str) -> None: ...
    def delete(self, execution_id: str) -> None: ...
    def fork(self, execution_id: str, from_task: str, context: Input = None) -> ExecutionHandle: ...
    def get_history(self, execution_id: str) -> list[HistoryRecord]: ...
    def explain(self, execution_id: str) -> Explanation: ...


@suggests_keywords
class ExecutionHandle:
    """A handle for an execution that is durable, whatever happens to this process.

    ``handle.result()`` waits in any thread, ``await handle`` on any event loop.
    """

    __slots__ = ("_execution_id", "_executions", "_waiting", "_workflow_name")

    def __init__(self, execution_id: str, workflow_name: str, waiting: Waiting, executions: Verbs) -> None:
        self._execution_id = execution_id
        self._workflow_name = workflow_name
        self._waiting = waiting
        self._executions = executions

    @property
    def execution_id(self) -> str:
        """The id of the execution."""
        return self._execution_id

    @property
    def workflow_name(self) -> str:
        """The name of its workflow."""
        return self._workflow_name

    @property
    def status(self) -> Status:
        """Its current status."""
        return self._waiting.status(self._execution_id)

    def result(self, timeout: float | None = None) -> WorkflowResult:
        """Wait until the execution ends. If called in the body of a task, the body's slot is free during the wait.

        Args:
            timeout: The longest time to wait, in seconds; ``None`` waits without limit.

        Raises:
            WorkflowTimeoutError: It has not ended within the timeout; it continues to run.
            ExecutionNotFoundError: It was removed, or the transaction that starts it has not committed.
            RunnerError: The runner was shut down first, and the next runner continues the execution; or the call would
                block an event loop.
        """
        ended = self._ended("result", timeout)
        if ended is None:
            raise WorkflowTimeoutError(
                f"execution {self._execution_id} of {self._workflow_name!r} has not ended after {timeout:g} s: it continues to "
                "run, ask for its result again",
                timeout_seconds=timeout,
            )
        return ended

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the execution ends; false if it has not ended within ``timeout`` seconds.

        Raises:
            ExecutionNotFoundError, RunnerError: As for ``result``.
        """
        return self._ended("wait", timeout) is not None

    def cancel(self) -> None:
        """See ``DefaultRunner.cancel``."""
        self._executions.cancel(self._execution_id)

    def pause(self) -> None:
        """See ``DefaultRunner.pause``."""
        self._executions.pause(self._execution_id)

    def resume(self) -> None:
        """See ``DefaultRunner.resume``."""
        self._executions.resume(self._execution_id)

    def retry(self) -> None:
        """See ``DefaultRunner.retry``; ``result`` then waits for the end of the new round."""
        self._executions.retry(self._execution_id)

    def fork(self, from_task: str, context: Input = None) -> ExecutionHandle:
        """See ``DefaultRunner.fork``; returns a handle for the new execution."""
        return self._executions.fork(self._execution_id, from_task, context)

    def delete(self) -> None:
        """See ``DefaultRunner.delete``."""
        self._executions.delete(self._execution_id)

    def get_history(self) -> list[HistoryRecord]:
        """See ``DefaultRunner.get_history``."""
        return self._executions.get_history(self._execution_id)

    def explain(self) -> Explanation:
        """See ``DefaultRunner.explain``."""
        return self._executions.explain(self._execution_id)

    def _ended(self, method: str, timeout: float | None) -> WorkflowResult | None:
        timeout = checked_timeout(timeout)
        if timeout == 0 or is_on_event_loop():
            ended = self._waiting.wait(self._execution_id, 0)
            if ended is None and timeout != 0:
                raise RunnerError(f"{method}() would block the event loop of this thread: await the handle")
            return ended
        check_no_callback(method)
        with slot_lent():
            return self._waiting.wait(self._execution_id, timeout)

    def __await__(self) -> Generator[Any, None, WorkflowResult]:
        return self._awaited().__await__()

    async def _awaited(self) -> WorkflowResult:
        check_no_callback("await")
        with slot_lent():
            return await self._waiting.wait_async(self._execution_id)

    def __repr__(self) -> str:
        return f"ExecutionHandle({self._workflow_name!r}, {self._execution_id!r})"
