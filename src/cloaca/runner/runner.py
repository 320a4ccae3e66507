"""The runner: starts executions and waits for them. It only wires up the store, the engine and the executors."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cloaca.authoring import registry
from cloaca.authoring.keyword_suggestions import suggests_keywords
from cloaca.clock import Clock, SystemClock, new_id
from cloaca.engine.core import Core
from cloaca.engine.engine import Engine
from cloaca.engine.events import AfterTurn, Message, Registered, Steered, Stop, WorkAnnounced
from cloaca.engine.executors import Executor, Executors
from cloaca.engine.settings import EngineSettings
from cloaca.errors import (
    ConfigurationError,
    DatabaseError,
    InvalidDatabaseUrl,
    RunnerError,
    SchemaError,
)
from cloaca.executors.current import current_attempt
from cloaca.executors.threads import ThreadExecutor
from cloaca.model.shown import kind_of
from cloaca.runner import logs
from cloaca.runner.config import ALIASES, SETTINGS, DefaultRunnerConfig, checked_timeout
from cloaca.runner.schedules import Schedules
from cloaca.runner.scheduling import Scheduling
from cloaca.runner.starting import Starting
from cloaca.runner.stores import store_of
from cloaca.runner.telemetry import attach, observer_of
from cloaca.runner.waiting import Signal
from cloaca.runner.workflows import Workflows
from cloaca.store.postgres.names import check_name

if TYPE_CHECKING:
    from cloaca.executors.loop import LoopExecutor
    from cloaca.runner.retention import Retention

logger = logging.getLogger("cloaca")

LOOK_AGAIN_SECONDS = 0.5
"""How often a caller that waits for the engine checks whether it has ended."""


@suggests_keywords
class DefaultRunner(Starting, Schedules):
    """Runs workflows durably on one database, in this process.

    The constructor opens the database, creates or migrates its tables, and takes over the executions of runners that have
    died. Any number of threads may share a runner.

    Args:
        database_url: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db``, ``sqlite:///:memory:`` or
            ``postgresql://user:password@host:5432/database``. Defaults to ``CLOACA_DATABASE_URL``, or to
            ``sqlite:///cloaca.db`` if that is not set.
        schema: The PostgreSQL schema that holds the tables; ``cloaca`` by default.

    Raises:
        InvalidDatabaseUrl: The URL is malformed or of an unknown kind.
        DatabaseError: The database cannot be opened or written. Connecting to a server fails after five seconds.

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

    @staticmethod
    def _advice_on_keyword(keyword: str) -> str:
        is_setting = keyword in SETTINGS or keyword in ALIASES
        return f"it is a setting, write config=DefaultRunnerConfig({keyword}=...)" if is_setting else ""

    def __init__(
        self,
        database_url: str | None = None,
        config: DefaultRunnerConfig | None = None,
        *,
        schema: str | None = None,
    ) -> None:
        if config is not None and not isinstance(config, DefaultRunnerConfig):
            raise ConfigurationError(
                f"config is {kind_of(config)}, not a DefaultRunnerConfig: "
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
        self._scheduling = self._make_scheduling()
        self._retention: Retention | None = None
        core.patrol_duties.append(self._patrol)
        super().__init__(
            self._store,
            core.completions,
            is_live=core.holds,
            code_of=self._workflows.code_of,
            limit_of=self._workflows.limit_of,
            encoders=self._config.encoders,
        )
        self._open()
        logger.info("runner %s works on %s", core.runner, self._store.location)
        logs.warn_of_no_bound(logger, self._config)
        self._unsubscribe = registry.subscribe(self._registered)
        _running.add(self)
        self._detach = attach(self._observer, core)

    def _make_scheduling(self) -> Scheduling:
        core = self._engine.core
        return Scheduling(
            self._store, self._config, clock=core.clock, runner=lambda: core.runner,
            started=lambda: self._inbox.put(WorkAnnounced()), spawn=self._spawn_poll,
            observer=self._observer,
        )  # fmt: skip

    def _open(self) -> None:
        try:
            self._store.prepare()
            self._engine.start()
            self._store.listen(self._notice)
        except BaseException:
            self._store.close()
            raise

    def _patrol(self) -> None:
        if self._retention is None and self._config.removes_old:
            # Needed only where a retention setting is given.
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
        """Another process has announced executions that ended or were changed there, or new work."""
        if ended:
            self._engine.core.completions.ended_elsewhere(ended)
            self._inbox.put(Steered(ended))
        else:
            self._inbox.put(WorkAnnounced())

    # The methods below are overridden by ``cloaca.testing``.

    def _make_clock(self) -> Clock:
        return SystemClock()

    def _loop_executor(self) -> type[LoopExecutor]:
        # asyncio is needed only for async bodies.
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
        """A runner with its own settings."""
        return DefaultRunner(database_url, config)

    @staticmethod
    def with_schema(database_url: str, schema: str) -> DefaultRunner:
        """A runner on a PostgreSQL schema that belongs to the role in the URL; the schema is created if it is missing.

        Runners on different schemas share nothing. To separate tenants by role as well, see ``DatabaseAdmin``.

        Args:
            schema: Letters, digits and underscores, starting with a letter, at most 63 characters, not a reserved name.

        Raises:
            SchemaError: The name is not allowed, or the schema cannot be set up: the server cannot be reached within
                five seconds, the schema belongs to another role, or the role may not create it.
            InvalidDatabaseUrl, ConfigurationError: The URL is not a PostgreSQL URL, or one of its options is not valid.
        """
        check_name(schema, what="Schema")
        try:
            return DefaultRunner(database_url, schema=schema)
        except InvalidDatabaseUrl:
            raise
        except DatabaseError as error:
            raise SchemaError(f"Failed to set up schema {schema!r}: {error}") from error

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
            self._inbox.put(AfterTurn(lambda: seen.set(True)))
            # An engine that ends meanwhile releases everything.
            while not seen.wait(LOOK_AGAIN_SECONDS) and self._engine.ended is None:
                pass

    def _now(self) -> float:
        return self._engine.core.clock.now()

    def _check_open(self) -> None:
        if self._closed:
            raise RunnerError("the runner was shut down: create another one")

    # -- ending ----------------------------------------------------------------------------------------------------

    def shutdown(self, timeout: float | None = None) -> None:
        """Let running bodies finish, and hand the rest to the next runner on this database. It is safe to call this again.

        Args:
            timeout: Seconds to wait for running bodies; defaults to the setting ``shutdown_timeout_seconds``. Bodies that
                run longer are abandoned, and run again in the next runner.

        Raises:
            RunnerError: Called in the body of a task of this runner.
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
        # Concurrent callers return once the runner has ended.
        with self._closing:
            if not self._closed:
                self._closed = True
                self._end(timeout)

    stop = shutdown

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
        """Whether the runner accepts work: false after ``shutdown``, or if its engine has stopped because of an error."""
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
