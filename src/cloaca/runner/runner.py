"""The runner: what starts executions and waits for them. It chooses the store and the executors, and nothing else."""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self, cast

from cloaca.authoring import registry
from cloaca.authoring.workflow import Workflow
from cloaca.clock import SystemClock, new_id
from cloaca.engine.core import Core
from cloaca.engine.engine import Engine
from cloaca.engine.events import Message, NewExecution, Registered, StartRequest, Stop
from cloaca.engine.executors import Executor, Executors
from cloaca.errors import ConfigurationError, IdempotencyError, RunnerError
from cloaca.executors.current import CurrentAttempt, current_attempt
from cloaca.executors.threads import ThreadExecutor
from cloaca.insights import ExecutionRecord, ExecutionSummary, list_summaries, read_record
from cloaca.model.context import Context
from cloaca.model.values import encode, joined
from cloaca.runner.config import DefaultRunnerConfig, checked_timeout
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.result import WorkflowResult
from cloaca.runner.waiting import Signal, Waiting, is_on_event_loop
from cloaca.store.rows import Existing
from cloaca.store.sqlite.store import SqliteStore
from cloaca.store.url import parse_database_url

logger = logging.getLogger("cloaca")

Input = Context | Mapping[str, Any] | None


class DefaultRunner:
    """Runs workflows durably on one database, in this process.

    The constructor opens the database, brings its tables up to date, and at once takes over what runners that died
    have left. Any number of threads may share a runner.

    Args:
        database_url: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db`` or ``sqlite:///:memory:``;
            without one ``CLOACA_DATABASE_URL``, else ``sqlite:///cloaca.db``.

    Raises:
        InvalidDatabaseUrl: The URL has no known form.
        DatabaseError: The database cannot be opened or written.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("greeting"):
        ...     @cloaca.task
        ...     def greet(context):
        ...         context["greeting"] = f"hello {context['name']}"
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     runner.execute("greeting", {"name": "ada"})["greeting"]
        'hello ada'
    """

    def __init__(self, database_url: str | None = None, config: DefaultRunnerConfig | None = None) -> None:
        if config is not None and not isinstance(config, DefaultRunnerConfig):
            raise ConfigurationError(
                f"config is a {type(config).__name__}, not a DefaultRunnerConfig: "
                "write DefaultRunnerConfig(max_concurrent_tasks=8) or leave it out"
            )
        self._config = config or DefaultRunnerConfig()
        if database_url is None:
            database_url = os.environ.get("CLOACA_DATABASE_URL") or "sqlite:///cloaca.db"
        url = parse_database_url(database_url)
        self._process = os.getpid()
        self._closing = threading.Lock()
        self._closed = False
        self._renamed: dict[str, tuple[Workflow, Workflow]] = {}
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._store = SqliteStore(url)
        self._engine = self._assemble()
        core = self._engine.core
        self._waiting = Waiting(core.completions, self._store, core.live.__contains__, self._structure_of)
        try:
            self._engine.start()
        except BaseException:
            self._store.close()
            raise
        logger.info("runner %s works on %s", core.runner, url.text)
        self._unsubscribe = registry.subscribe(lambda name: self._inbox.put(Registered(name)))
        _running.add(self)

    def _assemble(self) -> Engine:
        clock, config, inbox = SystemClock(), self._config, self._inbox

        def make_async() -> Executor:
            # asyncio is loaded by those who have async bodies.
            from cloaca.executors.loop import LoopExecutor  # noqa: PLC0415

            slots = config.max_concurrent_async_tasks
            return LoopExecutor(slots=slots, clock=clock, deliver=inbox.put, encoders=config.encoders)

        threads = ThreadExecutor(
            slots=config.max_concurrent_tasks, clock=clock, deliver=inbox.put, encoders=config.encoders
        )
        core = Core(
            self._store,
            Executors(threads, make_async),
            clock=clock,
            inbox=inbox,
            settings=config.engine_settings(),
        )
        return Engine(core, find_workflow=self._find, make_id=new_id, pause=time.sleep)

    @staticmethod
    def with_config(database_url: str, config: DefaultRunnerConfig) -> DefaultRunner:
        """A runner with settings of its own."""
        return DefaultRunner(database_url, config)

    # -- running ---------------------------------------------------------------------------------------------------

    def execute(
        self, workflow: str | Workflow, context: Input = None, *, check: bool = False
    ) -> WorkflowResult:
        """Start an execution and wait for its end.

        A task that fails is reported in the result, not raised, unless ``check`` asks for it. Inside a body the slot
        is free while it waits, and a retried body finds the execution it started before.

        Raises:
            WorkflowNotFoundError: Nothing of this name is registered.
            TypeError: A value of the context cannot be stored.
            RunnerError: Called on an event loop (use ``execute_async``), on the engine's own thread, in a forked
                child, or after ``shutdown``.
            DatabaseError: The start could not be stored.
        """
        self._check_thread("execute", "await execute_async(...)")
        attempt = current_attempt.get()
        if attempt is None:
            result = self._execute(workflow, context)
        else:
            with _same_calls(attempt) as key:
                handle = self.start(workflow, context, idempotency_key=key)
            result = handle.result()
        if check:
            result.raise_for_status()
        return result

    def _execute(self, workflow: str | Workflow, context: Input) -> WorkflowResult:
        request = self._request(workflow, [context], None)
        execution_id, signal = request.executions[0].id, Signal()
        completions = self._engine.core.completions
        completions.wait(execution_id, signal.set)
        self._put(request)
        ended = signal.wait(1.0)
        if isinstance(ended, BaseException):
            raise ended
        if ended is not None:
            return WorkflowResult(ended)
        return cast(WorkflowResult, self._waiting.wait(execution_id, None, signal=signal))

    def start(
        self, workflow: str | Workflow, context: Input = None, *, idempotency_key: str | None = None
    ) -> ExecutionHandle:
        """Start an execution and return once it is durable: from then on it will be run, whatever happens here.

        Args:
            idempotency_key: The same key gives the same execution of a workflow, also after a crash.

        Raises:
            IdempotencyError: The key was used with another input, or is empty.
            WorkflowNotFoundError, TypeError, RunnerError, DatabaseError: As for ``execute``.
        """
        self._check_thread("start", "await start_async(...)")
        if idempotency_key is not None:
            _check_key(idempotency_key)
        request = self._request(workflow, [context], idempotency_key)
        existing = self._ask(request)
        return self._handles(request, existing)[0]

    def start_many(self, workflow: str | Workflow, contexts: Iterable[Input]) -> list[ExecutionHandle]:
        """Start one execution for each context, all in one transaction: all of them exist or none.

        Raises:
            WorkflowNotFoundError, TypeError, RunnerError, DatabaseError: As for ``execute``.
        """
        self._check_thread("start_many", "await asyncio.to_thread(runner.start_many, ...)")
        if isinstance(contexts, Context | Mapping | str) or not isinstance(contexts, Iterable):
            raise TypeError(
                f"start_many takes a list of contexts, not a {type(contexts).__name__}: for one execution write [context]"
            )
        request = self._request(workflow, contexts, None)
        return self._handles(request, self._ask(request)) if request.executions else []

    async def execute_async(
        self, workflow: str | Workflow, context: Input = None, *, check: bool = False
    ) -> WorkflowResult:
        """``execute`` for event loops, and inside async bodies, where a retried body finds what it started too."""
        attempt = current_attempt.get()
        if attempt is None:
            handle = await self.start_async(workflow, context)
        else:
            with _same_calls(attempt) as key:
                handle = await self.start_async(workflow, context, idempotency_key=key)
        result = await handle
        if check:
            result.raise_for_status()
        return result

    async def start_async(
        self, workflow: str | Workflow, context: Input = None, *, idempotency_key: str | None = None
    ) -> ExecutionHandle:
        """``start`` for event loops."""
        import asyncio  # noqa: PLC0415 - only those who await pay for it

        self._check_process()
        if idempotency_key is not None:
            _check_key(idempotency_key)
        request = self._request(workflow, [context], idempotency_key)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def arrive(answer: Any) -> None:
            if not answered.done():
                answered.set_result(answer)

        request.answer = lambda answer: cast("None", loop.call_soon_threadsafe(arrive, answer))
        self._put(request)
        answer = await answered
        if isinstance(answer, BaseException):
            raise answer
        return self._handles(request, answer)[0]

    def get_execution(self, execution_id: str) -> ExecutionRecord:
        """All that is stored of an execution.

        Raises:
            ExecutionNotFoundError: There is none of this id.
        """
        self._check_process()
        return read_record(self._store, execution_id, structure_of=self._structure_of)

    def list_executions(
        self,
        *,
        workflow_name: str | None = None,
        status: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[ExecutionSummary]:
        """Executions, newest first.

        Args:
            after: The id of the last execution of the page before.
        """
        self._check_process()
        return list_summaries(
            self._store, workflow_name=workflow_name, status=status, limit=limit, after=after
        )

    def get_handle(self, execution_id: str) -> ExecutionHandle:
        """A handle on an execution that was started before, here or elsewhere.

        Raises:
            ExecutionNotFoundError: There is none of this id.
        """
        record = self.get_execution(execution_id)
        return ExecutionHandle(execution_id, record.workflow_name, self._waiting)

    # -- requests --------------------------------------------------------------------------------------------------

    def _request(
        self, workflow: str | Workflow, contexts: Iterable[Input], idempotency_key: str | None
    ) -> StartRequest:
        if self._closed:
            raise RunnerError("the runner was shut down: make another one")
        found = self._resolve(workflow)
        encoders = self._config.encoders
        executions = []
        for context in contexts:
            texts = _texts(context, encoders)
            executions.append(NewExecution(new_id(), texts, joined(texts), idempotency_key))
        return StartRequest(found, found.version, executions)

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

    def _handles(self, request: StartRequest, existing: dict[str, Existing]) -> list[ExecutionHandle]:
        name, waiting = request.workflow.name, self._waiting
        handles = []
        for new in request.executions:
            earlier = existing.get(new.id)
            if earlier is not None and not _is_same_input(earlier.input, new.input):
                raise IdempotencyError(
                    f"idempotency key {new.idempotency_key!r} of workflow {name!r} belongs to execution {earlier.id}, "
                    "which has another input: use another key, or give the same input"
                )
            handles.append(ExecutionHandle(earlier.id if earlier else new.id, name, waiting))
        return handles

    # -- workflows -------------------------------------------------------------------------------------------------

    def _resolve(self, workflow: str | Workflow) -> Workflow:
        if isinstance(workflow, Workflow):
            if registry.find_workflow(workflow.name) is None:
                registry.register_workflow(workflow)
            return workflow
        if not isinstance(workflow, str):
            raise TypeError(f"a workflow is a name or a built Workflow, not a {type(workflow).__name__}")
        return self._named(workflow, registry.workflow(workflow))

    def _find(self, name: str) -> Workflow | None:
        found = registry.find_workflow(name)
        return None if found is None else self._named(name, found)

    def _named(self, name: str, workflow: Workflow) -> Workflow:
        """The workflow under the name it is registered as, which wins over its own."""
        if workflow.name == name:
            return workflow
        original, renamed = self._renamed.get(name, (None, None))
        if original is not workflow or renamed is None:
            renamed = Workflow(
                name, tasks=workflow.bound, description=workflow.description, tags=workflow.tags
            )
            self._renamed[name] = (workflow, renamed)
        return renamed

    def _structure_of(self, name: str) -> str | None:
        found = self._find(name)
        return None if found is None else found.graph.structure

    # -- checks ----------------------------------------------------------------------------------------------------

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise RunnerError(
                f"this runner belongs to process {self._process}, of which this one was forked: make a runner here"
            )

    def _check_thread(self, method: str, instead: str) -> None:
        self._check_process()
        if is_on_event_loop():
            raise RunnerError(f"{method}() would block the event loop of this thread: {instead}")
        if threading.current_thread() is self._engine.thread:
            raise RunnerError(
                f"{method}() was called on the engine's own thread, which would wait for itself: call it on another"
            )

    # -- ending ----------------------------------------------------------------------------------------------------

    def shutdown(self, timeout: float | None = None) -> None:
        """Let running bodies finish and hand the rest to the next runner on this database. Safe to call again.

        Args:
            timeout: Seconds to wait for bodies; without one ``shutdown_timeout_seconds`` of the configuration. Bodies
                that run longer are left to themselves and run again in the next runner.
        """
        timeout = checked_timeout(timeout)
        if timeout is None:
            timeout = self._config.shutdown_timeout_seconds
        if self._process != os.getpid():
            return
        with self._closing:
            if self._closed:
                return
            self._closed = True
        _running.discard(self)
        self._unsubscribe()
        self._inbox.put(Stop(timeout))
        if self._engine.thread is not None:
            self._engine.thread.join()
        self._engine.core.executors.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self.shutdown()
        return False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        import asyncio  # noqa: PLC0415 - only those who await pay for it

        await asyncio.to_thread(self.shutdown)
        return False

    def __repr__(self) -> str:
        return f"DefaultRunner({self._store.url.text!r})"


_running: weakref.WeakSet[DefaultRunner] = weakref.WeakSet()


def _shutdown_all_runners() -> None:
    for runner in list(_running):
        runner.shutdown()


atexit.register(_shutdown_all_runners)


@contextmanager
def _same_calls(attempt: CurrentAttempt) -> Iterator[str]:
    """The key of the next execution that a body starts, and what it means when it belongs to another one."""
    key = attempt.next_key()
    call = attempt.calls
    try:
        yield key
    except IdempotencyError as error:
        raise IdempotencyError(
            f"in an earlier run of task {attempt.job.task.id!r} call {call} of execute had another input: a body has to "
            "make the same calls in the same order with the same input, or to use start with a key of its own"
        ) from error


def _texts(context: Input, encoders: Any) -> dict[str, str]:
    if context is None:
        return {}
    if isinstance(context, Context):
        return context.texts()
    if not isinstance(context, Mapping):
        raise TypeError(f"a context is a Context, a mapping or None, not a {type(context).__name__}")
    for key in context:
        if not isinstance(key, str):
            raise TypeError(f"context keys are str: {key!r} is of type {type(key).__name__}")
    return {key: encode(value, key, encoders) for key, value in context.items()}


def _check_key(idempotency_key: Any) -> None:
    if not isinstance(idempotency_key, str) or not idempotency_key:
        raise IdempotencyError(
            f"idempotency_key={idempotency_key!r} must be a string that is not empty: leave it out to start anew"
        )


def _is_same_input(one: str, other: str) -> bool:
    if one == other:
        return True
    return json.dumps(json.loads(one), sort_keys=True) == json.dumps(json.loads(other), sort_keys=True)
