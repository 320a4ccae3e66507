"""Starting executions, and waiting for them, from a process that runs none."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cloaca.authoring.keyword_suggestions import suggests_keywords
from cloaca.authoring.workflow import Workflow
from cloaca.engine.completions import Completions
from cloaca.errors import ConfigurationError, RunnerError
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.runner.executions import Executions
from cloaca.runner.handle import ExecutionHandle
from cloaca.runner.inputs import Input
from cloaca.runner.result import WorkflowResult
from cloaca.runner.schedules import Schedules
from cloaca.runner.stores import store_of
from cloaca.runner.waiting import POLL_SECONDS, check_no_loop


@suggests_keywords
class Client(Executions, Schedules):
    """Starts, finds and awaits the executions of a database that runners elsewhere work on.

    It runs nothing itself, and workflows need not be registered or importable in its process: the runner that claims
    an execution first decides with which tasks and dependencies it goes on. A name that no runner knows waits.

    Nothing is connected until the first use, which also makes the tables where there are none. From then on it holds
    one connection, and from the first wait on a second that listens. Any number of threads may share a client.

    Args:
        database_url: As for ``DefaultRunner``, but not in memory.
        schema: Of a PostgreSQL database: where the tables lie, ``cloaca`` without one.
        encoders: What to do with values that are not JSON, as in ``DefaultRunnerConfig``.

    Raises:
        InvalidDatabaseUrl: The URL has no known form.
        ConfigurationError: The database is in memory, where no runner would see what is started.

    Example:
        >>> import cloaca
        >>> with cloaca.Client("sqlite:///app.db") as client:
        ...     handle = client.start("greeting", {"name": "ada"}, idempotency_key="ada")
        ...     print(handle.status)
        Pending
    """

    _noun = "client"

    def __init__(
        self,
        database_url: str | None = None,
        *,
        schema: str | None = None,
        encoders: Mapping[type, Callable[[Any], Any]] | None = None,
    ) -> None:
        store = store_of(database_url, schema=schema)
        if not store.is_shared:
            raise ConfigurationError(
                f"{store.location} is seen by nobody but this client, and nothing that it starts would ever run: "
                "give the URL of a file or of a PostgreSQL database that a runner works on"
            )
        self._completions = Completions()
        self._lock = threading.Lock()
        self._prepared = self._closed = False
        self._listens = threading.Event()
        super().__init__(
            store,
            self._completions,
            is_live=lambda _: False,
            code_of=None,
            encoders=DefaultRunnerConfig(encoders=encoders).encoders,
            watch=self._watch,
        )

    # -- starting --------------------------------------------------------------------------------------------------

    def start(
        self,
        workflow: str | Workflow,
        context: Input = None,
        *,
        idempotency_key: str | None = None,
        connection: Any = None,
    ) -> ExecutionHandle:
        """Start an execution and return once it is durable: from then on a runner that knows the workflow will run it.

        Runners on PostgreSQL are told at once, those on a SQLite file look about once a second.

        Args:
            workflow: Its name, or what was built.
            idempotency_key: The same key gives the same execution of a workflow, in any process, also after a crash.
            connection: A ``psycopg.Connection`` or ``sqlite3.Connection`` to this database. The start then joins its
                transaction: the execution exists if and only if that commits.

        Raises:
            WorkflowValidationError: No workflow can have this name, or the context is not what the workflow declares,
                which is known only where it is given itself.
            IdempotencyError: The key was used with another input, or cannot be one.
            TypeError: A value of the context cannot be stored.
            RunnerError: Called on an event loop (use ``start_async``), in a forked child, or after ``close``.
            DatabaseError: The start could not be stored.
        """
        check_no_loop("start", "await start_async(...)")
        return self._start(workflow, context, idempotency_key, connection)

    def _start(
        self, workflow: str | Workflow, context: Input, idempotency_key: str | None, connection: Any
    ) -> ExecutionHandle:
        self._before_use()
        return self._enter(workflow, context, idempotency_key, connection)

    async def start_async(
        self, workflow: str | Workflow, context: Input = None, *, idempotency_key: str | None = None
    ) -> ExecutionHandle:
        """``start`` for event loops."""
        import asyncio  # noqa: PLC0415 - only those who await pay for it

        return await asyncio.to_thread(self._start, workflow, context, idempotency_key, None)

    def start_many(self, workflow: str | Workflow, contexts: Iterable[Input]) -> list[ExecutionHandle]:
        """Start one execution for each context, all in one transaction: all of them exist or none.

        Raises:
            WorkflowValidationError, TypeError, RunnerError, DatabaseError: As for ``start``.
        """
        check_no_loop("start_many", "await asyncio.to_thread(client.start_many, ...)")
        self._before_use()
        return self._enter_many(workflow, contexts)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def result(self, execution_id: str, timeout: float | None = None) -> WorkflowResult:
        """Wait for the end of an execution, whoever started it.

        Args:
            timeout: Seconds to wait at most; ``None`` waits as long as it takes.

        Raises:
            ExecutionNotFoundError: There is none of this id, or not any more.
            WorkflowTimeoutError: It has not ended by then; it goes on.
            RunnerError: Called on an event loop (use ``result_async``), or the client was closed.
        """
        check_no_loop("result", "await result_async(...)")
        return self.get_handle(execution_id).result(timeout)

    async def result_async(self, execution_id: str) -> WorkflowResult:
        """``result`` for event loops; ``asyncio.timeout`` bounds the wait."""
        import asyncio  # noqa: PLC0415 - only those who await pay for it

        return await (await asyncio.to_thread(self.get_handle, execution_id))

    def wait(self, execution_id: str, timeout: float | None = None) -> bool:
        """Wait for the end of an execution; false if it has not come within so many seconds.

        Raises:
            ExecutionNotFoundError, RunnerError: As for ``result``.
        """
        check_no_loop("wait", "await result_async(...)")
        return self.get_handle(execution_id).wait(timeout)

    def _watch(self, execution_id: str) -> None:
        with self._lock:
            is_told = not self._closed and self._store.listen(self._notice)
        if is_told:
            # What ends before somebody listens is announced to nobody.
            self._listens.wait(POLL_SECONDS)
        self._store.watch(execution_id)

    def _notice(self, ended: Sequence[str]) -> None:
        self._listens.set()
        self._completions.ended_elsewhere(ended)

    # -- beginning and ending --------------------------------------------------------------------------------------

    def _before_use(self) -> None:
        super()._before_use()
        with self._lock:
            if self._closed:
                raise RunnerError("the client was closed: make another one")
            if not self._prepared:
                self._store.prepare()
                self._prepared = True

    def close(self) -> None:
        """Close the connections; whoever waits is told, and what was started goes on. Safe to call again."""
        if self._process != os.getpid():
            return
        with self._lock:
            self._closed = True
        self._completions.close(
            RunnerError("the client was closed: the execution goes on, ask another client for its result")
        )
        self._store.close()

    def _leave(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._store.location!r})"
