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
    """Starts, finds and awaits executions in a database that runners in other processes work on.

    A client runs nothing itself, and workflows need not be registered or importable in its process. The tasks and
    dependencies of an execution are chosen by the runner that claims it first. If no runner knows its workflow, it waits.

    The client connects on first use, and creates the tables if there are none. It then holds one connection, and from the
    first wait on a second one that listens for notifications. Any number of threads may share a client.

    Args:
        database_url: As for ``DefaultRunner``, except that it cannot be in memory.
        schema: The PostgreSQL schema that holds the tables; ``cloaca`` by default.
        encoders: How to store values that are not JSON, as in ``DefaultRunnerConfig``.

    Raises:
        InvalidDatabaseUrl: The URL is malformed or of an unknown kind.
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
                f"{store.location} is visible only to this client, and nothing it starts would ever run: "
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
        """Start an execution and return once it is durable: a runner that knows the workflow will run it.

        On PostgreSQL runners are notified at once; on a SQLite file they look about once a second.

        Args:
            workflow: A name or a built workflow.
            idempotency_key: The same key always refers to the same execution of a workflow, in any process, even after a crash.
            connection: A ``psycopg.Connection`` or ``sqlite3.Connection`` to this database. The start becomes part of its
                transaction: the execution exists if and only if that commits.

        Raises:
            WorkflowValidationError: The name is not a valid workflow name, or the context does not match what the workflow
                declares, which is checked only if a built workflow is given.
            IdempotencyError: The key was used with another input, or is not valid.
            TypeError: A value in the context cannot be stored.
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
        """Start one execution for each context in a single transaction: either all of them exist or none.

        Raises:
            WorkflowValidationError, TypeError, RunnerError, DatabaseError: As for ``start``.
        """
        check_no_loop("start_many", "await asyncio.to_thread(client.start_many, ...)")
        self._before_use()
        return self._enter_many(workflow, contexts)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def result(self, execution_id: str, timeout: float | None = None) -> WorkflowResult:
        """Wait until an execution ends, whoever started it.

        Args:
            timeout: The longest time to wait, in seconds; ``None`` waits without limit.

        Raises:
            ExecutionNotFoundError: No execution has this id, or it was removed.
            WorkflowTimeoutError: It has not ended within the timeout; it continues to run.
            RunnerError: Called on an event loop (use ``result_async``), or the client was closed.
        """
        check_no_loop("result", "await result_async(...)")
        return self.get_handle(execution_id).result(timeout)

    async def result_async(self, execution_id: str) -> WorkflowResult:
        """``result`` for event loops; ``asyncio.timeout`` bounds the wait."""
        import asyncio  # noqa: PLC0415 - only those who await pay for it

        return await (await asyncio.to_thread(self.get_handle, execution_id))

    def wait(self, execution_id: str, timeout: float | None = None) -> bool:
        """Wait until an execution ends; false if it has not ended within ``timeout`` seconds.

        Raises:
            ExecutionNotFoundError, RunnerError: As for ``result``.
        """
        check_no_loop("wait", "await result_async(...)")
        return self.get_handle(execution_id).wait(timeout)

    def _watch(self, execution_id: str) -> None:
        with self._lock:
            is_told = not self._closed and self._store.listen(self._notice)
        if is_told:
            # An end that comes before anyone listens is announced to nobody.
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
                raise RunnerError("the client was closed: create another one")
            if not self._prepared:
                self._store.prepare()
                self._prepared = True

    def close(self) -> None:
        """Close the connections. Waiting callers get an error, and executions continue. It is safe to call this again."""
        if self._process != os.getpid():
            return
        with self._lock:
            self._closed = True
        self._completions.close(
            RunnerError("the client was closed: the execution continues, ask another client for its result")
        )
        self._store.close()

    def _leave(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._store.location!r})"
