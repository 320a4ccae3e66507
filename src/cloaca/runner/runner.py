"""The runner: what starts executions and waits for them. It chooses the store and the executors, and nothing else."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from cloaca.authoring import registry
from cloaca.authoring.keywords import names_nearest
from cloaca.authoring.workflow import Workflow
from cloaca.clock import Clock, SystemClock, new_id
from cloaca.engine.completions import ELSEWHERE, Finished
from cloaca.engine.core import Core
from cloaca.engine.engine import Engine
from cloaca.engine.events import Look, Message, Registered, StartRequest, Steered, Stop, WorkAnnounced
from cloaca.engine.executors import Executor, Executors
from cloaca.engine.plan import EngineSettings
from cloaca.errors import (
    ConfigurationError,
    DatabaseError,
    IdempotencyError,
    InvalidDatabaseUrl,
    RunnerError,
    SchemaError,
)
from cloaca.executors.current import CurrentAttempt, current_attempt, raise_if_cancelled
from cloaca.executors.threads import ThreadExecutor
from cloaca.runner import logs
from cloaca.runner.config import DefaultRunnerConfig, checked_timeout
from cloaca.runner.executions import Executions
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.inputs import Input, input_of, many, new_execution
from cloaca.runner.result import WorkflowResult
from cloaca.runner.schedules import Schedules
from cloaca.runner.scheduling import Scheduling
from cloaca.runner.stores import store_of
from cloaca.runner.telemetry import attach, observer_of
from cloaca.runner.waiting import Signal, check_no_callback, check_no_loop
from cloaca.runner.workflows import Workflows
from cloaca.store.postgres.names import check_name
from cloaca.store.rows import Existing

if TYPE_CHECKING:
    from cloaca.executors.loop import LoopExecutor
    from cloaca.runner.retention import Retention

logger = logging.getLogger("cloaca")

LOOK_AGAIN_SECONDS = 0.5
"""How often somebody who waits for the engine sees whether it has ended."""


@names_nearest
class DefaultRunner(Executions, Schedules):
    """Runs workflows durably on one database, in this process.

    The constructor opens the database, brings its tables up to date, and at once takes over what runners that died
    have left. Any number of threads may share a runner.

    Args:
        database_url: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db``, ``sqlite:///:memory:`` or
            ``postgresql://user:password@host:5432/database``; without one ``CLOACA_DATABASE_URL``, else
            ``sqlite:///cloaca.db``.
        schema: Of a PostgreSQL database: where the tables lie, ``cloaca`` without one.

    Raises:
        InvalidDatabaseUrl: The URL has no known form.
        DatabaseError: The database cannot be opened or written; a server is tried for at most five seconds.

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

    _noun = "runner"
    _scheduling: Scheduling

    def __init__(
        self,
        database_url: str | None = None,
        config: DefaultRunnerConfig | None = None,
        *,
        schema: str | None = None,
    ) -> None:
        if config is not None and not isinstance(config, DefaultRunnerConfig):
            raise ConfigurationError(
                f"config is a {type(config).__name__}, not a DefaultRunnerConfig: "
                "write DefaultRunnerConfig(max_concurrent_tasks=8) or leave it out"
            )
        self._config = config or DefaultRunnerConfig()
        self._closing = threading.Lock()
        self._closed = False
        logs.configure(logger, self._config)
        settings = self._config.engine_settings()
        self._workflows = Workflows(
            same_version=settings.same_version, task_timeout_seconds=settings.task_timeout_seconds
        )
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._store = store_of(database_url, schema=schema)
        self._observer = observer_of(self._config)
        self._engine = self._assemble(settings)
        core = self._engine.core
        self._scheduling = Scheduling(
            self._store, self._config, clock=core.clock, runner=lambda: core.runner,
            started=lambda: self._inbox.put(WorkAnnounced()), spawn=self._spawn_poll,
            observer=self._observer,
        )  # fmt: skip
        self._retention: Retention | None = None
        core.patrolled = self._patrol
        super().__init__(
            self._store,
            core.completions,
            is_live=core.holds,
            code_of=self._workflows.code_of,
            limit_of=self._workflows.limit_of,
            encoders=self._config.encoders,
        )
        try:
            self._store.prepare()
            self._engine.start()
            self._store.listen(self._notice)
        except BaseException:
            self._store.close()
            raise
        logger.info("runner %s works on %s", core.runner, self._store.location)
        logs.warn_of_no_bound(logger, self._config)
        self._unsubscribe = registry.subscribe(self._registered)
        _running.add(self)
        self._detach = attach(self._observer, core)

    def _patrol(self) -> None:
        if self._retention is None and self._config.removes_old:
            # Loaded by those who remove something.
            from cloaca.runner.retention import Retention  # noqa: PLC0415

            core = self._engine.core
            self._retention = Retention(self._store, self._config, clock=core.clock, removed=self._forget)
        if self._retention is not None:
            self._retention.look()
        self._scheduling.look()

    def _registered(self, name: str) -> None:
        self._inbox.put(Registered(name))
        self._scheduling.registered()

    def _notice(self, ended: Sequence[str]) -> None:
        """Another process has announced what ended or was changed there, or that there is work."""
        if ended:
            self._engine.core.completions.ended_elsewhere(ended)
            self._inbox.put(Steered(ended))
        else:
            self._inbox.put(WorkAnnounced())

    # What follows is overridden by ``cloaca.testing``.

    def _make_clock(self) -> Clock:
        return SystemClock()

    def _loop_executor(self) -> type[LoopExecutor]:
        # asyncio is loaded by those who have async bodies.
        from cloaca.executors.loop import LoopExecutor  # noqa: PLC0415

        return LoopExecutor

    def _spawn_poll(self, poll: Callable[[], None], name: str) -> None:
        threading.Thread(target=poll, name=name, daemon=True).start()

    def _assemble(self, settings: EngineSettings) -> Engine:
        clock, config, inbox, observer = self._make_clock(), self._config, self._inbox, self._observer

        def make_async() -> Executor:
            slots = config.max_concurrent_async_tasks
            return self._loop_executor()(
                slots=slots, clock=clock, deliver=inbox.put, encoders=config.encoders, observer=observer
            )

        threads = ThreadExecutor(
            slots=config.max_concurrent_tasks, clock=clock, deliver=inbox.put, encoders=config.encoders,
            settle=lambda outcome: engine.deliver(outcome),  # noqa: PLW0108 - the engine is made below
            observer=observer,
        )  # fmt: skip
        core = Core(
            self._store,
            Executors(threads, make_async),
            clock=clock,
            inbox=inbox,
            settings=settings,
            encoders=config.encoders,
            observer=observer,
        )
        engine = Engine(core, find_workflow=self._workflows.find, make_id=new_id, pause=time.sleep)
        return engine

    @staticmethod
    def with_config(database_url: str, config: DefaultRunnerConfig) -> DefaultRunner:
        """A runner with settings of its own."""
        return DefaultRunner(database_url, config)

    @staticmethod
    def with_schema(database_url: str, schema: str) -> DefaultRunner:
        """A runner on a schema of a PostgreSQL database that belongs to the URL's role; it is created where it is missing.

        Runners on different schemas share nothing. For roles that are kept apart too see ``DatabaseAdmin``.

        Args:
            schema: Letters, digits and underscores, beginning with a letter, at most 63, and no reserved name.

        Raises:
            SchemaError: The name is not allowed, or the schema cannot be set up: the server cannot be reached within
                five seconds, the schema belongs to another role, or the role may not create it.
            InvalidDatabaseUrl, ConfigurationError: It is no PostgreSQL URL, or its options cannot be.
        """
        check_name(schema, what="Schema")
        try:
            return DefaultRunner(database_url, schema=schema)
        except InvalidDatabaseUrl:
            raise
        except DatabaseError as error:
            raise SchemaError(f"Failed to set up schema {schema!r}: {error}") from error

    # -- running ---------------------------------------------------------------------------------------------------

    def execute(
        self, workflow_name: str | Workflow, context: Input = None, *, check: bool = False
    ) -> WorkflowResult:
        """Start an execution and wait for its end.

        A task that fails is reported in the result, not raised, unless ``check`` asks for it. Inside a body the slot
        is free while it waits, and a retried body finds the execution it started before.

        Args:
            workflow_name: Or a built workflow, which is registered on the way if its name is free.

        Raises:
            WorkflowNotFoundError: Nothing of this name is registered.
            WorkflowValidationError: The context is not what the workflow's ``workflow_params`` declare.
            TypeError: A value of the context cannot be stored.
            RunnerError: Called on an event loop (use ``execute_async``), on the engine's own thread, in a forked
                child, or after ``shutdown``.
            DatabaseError: The start could not be stored.
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

    def start(
        self,
        workflow: str | Workflow,
        context: Input = None,
        *,
        idempotency_key: str | None = None,
        connection: Any = None,
    ) -> ExecutionHandle:
        """Start an execution and return once it is durable: from then on it will be run, whatever happens here.

        Args:
            idempotency_key: The same key gives the same execution of a workflow, also after a crash.
            connection: A ``psycopg.Connection`` or ``sqlite3.Connection`` to this database. The start then joins its
                transaction: the execution exists if and only if that commits, and whichever runner claims it runs it.

        Raises:
            IdempotencyError: The key was used with another input, or cannot be one.
            TypeError: A value of the context cannot be stored, or the connection is another driver's.
            RunnerError: As for ``execute``, or the database is in memory, to which no connection leads.
            DatabaseError: The start could not be stored, or the connection leads to another file.
            WorkflowNotFoundError, WorkflowValidationError: As for ``execute``.
        """
        self._check_thread("start", "await start_async(...)")
        if connection is not None:
            self._check_open()
            return self._enter(self._workflows.resolve(workflow), context, idempotency_key, connection)
        request = self._request(workflow, [context], idempotency_key)
        return self._answered(request, self._ask(request))[0]

    def start_many(self, workflow: str | Workflow, contexts: Iterable[Input]) -> list[ExecutionHandle]:
        """Start one execution for each context, all in one transaction: all of them exist or none.

        Raises:
            WorkflowNotFoundError, WorkflowValidationError, TypeError, RunnerError, DatabaseError: As for ``execute``.
        """
        self._check_thread("start_many", "await asyncio.to_thread(runner.start_many, ...)")
        request = self._request(workflow, many(contexts), None)
        return self._answered(request, self._ask(request)) if request.executions else []

    async def execute_async(
        self, workflow_name: str | Workflow, context: Input = None, *, check: bool = False
    ) -> WorkflowResult:
        """``execute`` for event loops, and inside async bodies, where a retried body finds what it started too."""
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
        executions = [
            new_execution(context, self._encoders, idempotency_key, workflow=found) for context in contexts
        ]
        request = StartRequest(found, found.version, executions)
        if self._observer is not None:
            request.origin = self._observer.origin()
        return request

    def _input_of(self, workflow: str, context: Input) -> dict[str, str]:
        return input_of(context, self._encoders, workflow=self._workflows.find(workflow))

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

    def _before_change(self) -> None:
        self._before_use()
        self._check_open()

    def _steered(self, executions: Sequence[str], *, work: bool) -> None:
        super()._steered(executions, work=work)
        if work:
            self._inbox.put(WorkAnnounced())
        if executions:
            self._inbox.put(Steered(executions))
            seen = Signal()
            self._inbox.put(Look(lambda: seen.set(True)))
            # An engine that ends meanwhile gives everything back.
            while not seen.wait(LOOK_AGAIN_SECONDS) and self._engine.ended is None:
                pass

    def _now(self) -> float:
        return self._engine.core.clock.now()

    def _check_open(self) -> None:
        if self._closed:
            raise RunnerError("the runner was shut down: make another one")

    def _check_thread(self, method: str, instead: str) -> None:
        self._before_use()
        raise_if_cancelled()
        check_no_loop(method, instead)
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

        Raises:
            RunnerError: Called in a body of this runner.
        """
        timeout = checked_timeout(timeout)
        if timeout is None:
            timeout = self._config.shutdown_timeout_seconds
        if self._process != os.getpid():
            return
        attempt = current_attempt.get()
        if attempt is not None and attempt.job.execution_id in self._engine.core.live:
            raise RunnerError(
                "shutdown() was called in a body of this runner, which would wait for itself: call it outside"
            )
        # Whoever calls meanwhile returns when it has ended.
        with self._closing:
            if not self._closed:
                self._closed = True
                self._end(timeout)

    def _end(self, timeout: float) -> None:
        _running.discard(self)
        self._unsubscribe()
        self._scheduling.stop()
        if self._retention is not None:
            self._retention.stop()
        self._inbox.put(Stop(timeout))
        if self._engine.thread is not None:
            self._engine.thread.join()
        self._engine.core.executors.close()
        self._detach()
        self._store.close()

    @property
    def is_running(self) -> bool:
        """Whether it takes work: false once it was shut down, or its engine has stopped on an error."""
        return not self._closed and self._engine.ended is None

    def _leave(self) -> None:
        self.shutdown()

    def __repr__(self) -> str:
        return f"DefaultRunner({self._store.location!r})"


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
