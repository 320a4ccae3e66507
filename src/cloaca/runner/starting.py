"""Starting executions in this process, and waiting for them, from threads, event loops and task bodies."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast, overload

from cloaca.authoring import registry
from cloaca.authoring.keyword_suggestions import suggests_keywords
from cloaca.authoring.workflow import Workflow
from cloaca.engine.completions import ELSEWHERE, Finished
from cloaca.engine.engine import Engine
from cloaca.engine.events import Message, StartRequest
from cloaca.errors import IdempotencyError, RunnerError, WorkflowNotFoundError
from cloaca.executors.current import CurrentAttempt, current_attempt, raise_if_cancelled
from cloaca.runner.executions import Executions
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.inputs import Input, input_of, many, new_executions
from cloaca.runner.result import WorkflowResult
from cloaca.runner.waiting import Signal, by_real_time, check_no_callback, check_no_loop
from cloaca.runner.workflows import Workflows
from cloaca.store.rows import Existing

if TYPE_CHECKING:
    from cloaca.telemetry.observer import Observer

logger = logging.getLogger("cloaca")

_NOTHING: Any = object()


@suggests_keywords
class Starting(Executions):
    """The starting half of a runner: a request goes into the engine's inbox and is answered once it is durable."""

    _engine: Engine
    _inbox: queue.SimpleQueue[Message]
    _workflows: Workflows
    _observer: Observer | None

    # -- running ---------------------------------------------------------------------------------------------------

    def execute(
        self, workflow_name: str | Workflow, context: Input = None, *, check: bool = False
    ) -> WorkflowResult:
        """Start an execution and wait until it ends.

        A failed task is reported in the result; it is raised only with ``check=True``. If called in the body of a task, the
        body's slot is free during the wait, and a retried body finds the execution that it started before.

        Args:
            workflow_name: A name, or a built workflow, which is registered if its name is free.

        Raises:
            WorkflowNotFoundError: No workflow of this name is registered.
            WorkflowValidationError: The context does not match the workflow's ``workflow_params``.
            TypeError: A value in the context cannot be stored.
            RunnerError: Called on an event loop (use ``execute_async``), on the engine's own thread, in a forked
                child, or after ``shutdown``.
            DatabaseError: The start could not be stored.
            CommitUnknownError: The database was lost while it was being stored, and did not return for 30 s.
        """
        check_no_callback("execute")
        self._check_thread("execute", "await execute_async(...)")
        attempt = current_attempt.get()
        if attempt is None:
            result = self._execute(workflow_name, context)
        else:
            with _same_calls(attempt) as key:
                handle = self.start(workflow_name, context, idempotency_key=key)
            result = handle.result()
        if check:
            result.raise_for_status()
        return result

    def _execute(self, workflow: str | Workflow, context: Input) -> WorkflowResult:
        request = self._request(workflow, [context], None)
        execution_id, signal = request.executions[0].id, Signal()
        core = self._engine.core
        core.completions.wait(execution_id, signal.set)

        def answered(answer: object) -> None:
            if not core.holds(execution_id) and not isinstance(answer, BaseException):
                signal.set(ELSEWHERE)

        request.answer = answered
        self._put(request)
        ended = signal.wait(None)
        if isinstance(ended, Finished):
            return WorkflowResult(ended)
        return cast(WorkflowResult, self._waiting.wait(execution_id, None, signal=signal))

    @overload
    def start(self) -> None: ...
    @overload
    def start(
        self,
        workflow: str | Workflow,
        context: Input = None,
        *,
        idempotency_key: str | None = None,
        connection: Any = None,
    ) -> ExecutionHandle: ...
    def start(
        self,
        workflow: str | Workflow = _NOTHING,
        context: Input = None,
        *,
        idempotency_key: str | None = None,
        connection: Any = None,
    ) -> ExecutionHandle | None:
        """Start an execution and return once it is durable: whatever happens to this process, it will run.

        Args:
            workflow: A name or a built workflow. Without it nothing is started: a runner runs from its construction on,
                and code written for older versions calls ``start()`` to start the runner.
            idempotency_key: The same key always refers to the same execution of a workflow, even after a crash.
            connection: A ``psycopg.Connection`` or ``sqlite3.Connection`` to this database. The start becomes part of its
                transaction: the execution exists if and only if that commits, and whichever runner claims it runs it.

        Raises:
            IdempotencyError: The key was used with another input, or is not valid.
            TypeError: A value in the context cannot be stored, or the connection belongs to another driver.
            RunnerError: As for ``execute``, or the database is in memory, where no other connection can reach it.
            DatabaseError: The start could not be stored, or the connection is to a different file.
            CommitUnknownError: The database was lost while it was being stored, and did not return for 30 s.
            WorkflowNotFoundError, WorkflowValidationError: As for ``execute``.
        """
        if workflow is _NOTHING:
            self._check_open()
            return None
        self._check_thread("start", "await start_async(...)")
        if connection is not None:
            self._check_open()
            return self._enter(self._workflows.resolve(workflow), context, idempotency_key, connection)
        request = self._request(workflow, [context], idempotency_key)
        return self._answered(request, self._ask(request))[0]

    def start_many(self, workflow: str | Workflow, contexts: Iterable[Input]) -> list[ExecutionHandle]:
        """Start one execution for each context in a single transaction: either all of them exist or none.

        Raises:
            WorkflowNotFoundError, WorkflowValidationError, TypeError, RunnerError, DatabaseError: As for ``execute``.
        """
        self._check_thread("start_many", "await asyncio.to_thread(runner.start_many, ...)")
        request = self._request(workflow, many(contexts), None)
        return self._answered(request, self._ask(request)) if request.executions else []

    async def execute_async(
        self, workflow_name: str | Workflow, context: Input = None, *, check: bool = False
    ) -> WorkflowResult:
        """``execute`` for event loops and async bodies; a retried body finds the execution that it started before."""
        check_no_callback("execute_async")
        attempt = current_attempt.get()
        if attempt is None:
            handle = await self.start_async(workflow_name, context)
        else:
            with _same_calls(attempt) as key:
                handle = await self.start_async(workflow_name, context, idempotency_key=key)
        result = await handle
        if check:
            result.raise_for_status()
        return result

    async def start_async(
        self, workflow: str | Workflow, context: Input = None, *, idempotency_key: str | None = None
    ) -> ExecutionHandle:
        """``start`` for event loops."""
        import asyncio  # noqa: PLC0415 - only those who await pay for it

        self._before_use()
        raise_if_cancelled()
        request = self._request(workflow, [context], idempotency_key)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def arrive(answer: Any) -> None:
            if not answered.done():
                answered.set_result(answer)

        request.answer = lambda answer: cast("None", loop.call_soon_threadsafe(arrive, answer))
        self._put(request)
        with by_real_time(loop):
            answer = await answered
        if isinstance(answer, BaseException):
            raise answer
        return self._answered(request, answer)[0]

    # -- requests --------------------------------------------------------------------------------------------------

    def _request(
        self, workflow: str | Workflow, contexts: Iterable[Input], idempotency_key: str | None
    ) -> StartRequest:
        self._check_open()
        found = self._workflows.resolve(workflow)
        executions = new_executions(contexts, self._encoders, idempotency_key, workflow=found)
        request = StartRequest(found, found.version, executions)
        if self._observer is not None:
            request.origin = self._observer.origin()
        return request

    def _input_of(self, workflow: str, context: Input) -> dict[str, str]:
        found = self._workflows.find(workflow)
        if found is None:
            _say_who_fires(workflow)
        return input_of(context, self._encoders, workflow=found)

    def _ask(self, request: StartRequest) -> dict[str, Existing]:
        answered = Signal()
        request.answer = answered.set
        self._put(request)
        answer = answered.wait(None)
        if isinstance(answer, BaseException):
            raise answer
        return cast(dict[str, Existing], answer)

    def _put(self, request: StartRequest) -> None:
        self._inbox.put(request)
        if self._engine.ended is not None:
            self._engine.refuse_the_rest()

    def _answered(self, request: StartRequest, existing: dict[str, Existing]) -> list[ExecutionHandle]:
        return self._handles(request.workflow.name, request.executions, existing)

    # -- checks ----------------------------------------------------------------------------------------------------

    def _check_thread(self, method: str, instead: str) -> None:
        self._before_use()
        raise_if_cancelled()
        check_no_loop(method, instead)
        if threading.current_thread() is self._engine.thread:
            raise RunnerError(
                f"{method}() was called on the engine's own thread, which would wait for itself: call it on another"
            )

    def _check_open(self) -> None:
        """Raise if nothing can be started any more."""
        raise NotImplementedError


def _say_who_fires(workflow: str) -> None:
    try:
        registry.workflow(workflow)
    except WorkflowNotFoundError as error:
        logger.warning("a schedule fires only where its workflow is registered, and here %s", error)


@contextmanager
def _same_calls(attempt: CurrentAttempt) -> Iterator[str]:
    """The key of the next execution that a body starts; explains the error if it belongs to an execution of another input."""
    key = attempt.next_key()
    call = attempt.calls
    try:
        yield key
    except IdempotencyError as error:
        raise IdempotencyError(
            f"in an earlier run of task {attempt.job.task.id!r} call {call} of execute had another input: a body has to "
            "make the same calls in the same order with the same input, or to use start with a key of its own"
        ) from error
