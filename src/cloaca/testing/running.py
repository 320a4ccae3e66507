"""Running one workflow inline: the engine of the runner, without its threads, with a clock that moves by itself."""

from __future__ import annotations

import math
import queue
from collections.abc import Callable

from cloaca.authoring import registry
from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.workflow import Workflow
from cloaca.clock import new_id
from cloaca.engine.completions import Finished, News
from cloaca.engine.core import Core
from cloaca.engine.engine import Engine
from cloaca.engine.events import Message, StartRequest, Stop
from cloaca.engine.executors import Executor, Executors
from cloaca.errors import ConfigurationError, RunnerError
from cloaca.model.shown import shown
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.runner.inputs import Input, new_execution
from cloaca.runner.result import WorkflowResult
from cloaca.runner.stores import store_of
from cloaca.runner.waiting import check_no_loop
from cloaca.runner.workflows import Workflows
from cloaca.testing.clock import Clock
from cloaca.testing.cooperative import InlineClock
from cloaca.testing.failing import Fail, Failures, Replace, replaced
from cloaca.testing.inline import Escape, InlineBodies, InlineCallbacks, InlineLoop

ONLY_ID = "00000000-0000-7000-8000-000000000001"
"""The same in every run, and so is the jitter of its retries, which is derived from it."""


def run(
    workflow: str | Workflow | WorkflowBuilder,
    data: Input = None,
    *,
    fail: Fail | None = None,
    replace: Replace | None = None,
    config: DefaultRunnerConfig | None = None,
    clock: Clock | None = None,
    check: bool = False,
) -> WorkflowResult:
    """Run a workflow on the calling thread, and return its result.

    This uses the runner's own engine, on a private database in memory. Its clock stands still while bodies run, and moves
    by itself to whatever is due next. Retries, ``defer_until``, ``asyncio.sleep`` and timeouts of hours therefore take no
    time, and ``result.tasks[id].attempts`` shows when they happened. Bodies run one at a time, in the order in which they
    become ready, and otherwise in the order they were added: two runs are identical.

    Args:
        workflow: A registered name, a built workflow, or a builder. This does not register it.
        data: The initial context.
        fail: By task id, what its attempts raise instead of running the body, first to last: exceptions, exception
            classes, or ``None`` for an attempt whose body runs. Attempts beyond the list run the body.
        replace: By task id, functions to call instead of the bodies; the tasks are otherwise unchanged.
        config: Settings, of which retries, timeouts, slots and encoders apply here.
        clock: A clock that the test can read and stubs can move; by default each run starts on 1 January 2024.
        check: Raise an error if the execution fails, as ``execute`` does.

    Raises:
        WorkflowNotFoundError: No workflow of this name is registered.
        TaskNotFoundError: ``fail`` or ``replace`` names a task that the workflow does not have.
        ConfigurationError: ``fail``, ``replace``, ``config`` or ``clock`` is not valid.
        TypeError: A value in the data cannot be stored, or the workflow is of another type.
        RunnerError: Called on an event loop.

    Example:
        >>> import cloaca
        >>> from cloaca.testing import isolated_registry, run
        >>> with isolated_registry(), cloaca.WorkflowBuilder("etl") as etl:
        ...     @cloaca.task(retry_attempts=3, retry_delay_ms=600_000, retry_backoff="fixed", retry_jitter=False)
        ...     def load(context):
        ...         context["rows"] = 3
        >>> result = run(etl, fail={"load": [ConnectionError(), TimeoutError]})
        >>> result["rows"], [f"{attempt.started_at:%H:%M}" for attempt in result.tasks["load"].attempts]
        (3, ['00:00', '00:10', '00:20'])
    """
    _check("config", config, DefaultRunnerConfig)
    _check("clock", clock, Clock)
    check_no_loop("run", "await asyncio.to_thread(cloaca.testing.run, ...)")
    built = replaced(_built(workflow), {} if replace is None else replace)
    failures = Failures(built, {} if fail is None else fail)
    inline = _Inline(config or DefaultRunnerConfig(), failures, clock or Clock())
    result = WorkflowResult(inline.run(built, data))
    if check:
        result.raise_for_status()
    return result


def _check(option: str, given: object, kind: type) -> None:
    if given is not None and not isinstance(given, kind):
        raise ConfigurationError(
            f"{option}={shown(given)} must be a {kind.__name__}: write {option}={kind.__name__}(...)"
        )


def _built(workflow: str | Workflow | WorkflowBuilder) -> Workflow:
    if isinstance(workflow, WorkflowBuilder):
        return workflow.build()
    return workflow if isinstance(workflow, Workflow) else Workflows().resolve(workflow)


class _Inline:
    """One execution with everything it needs."""

    def __init__(self, config: DefaultRunnerConfig, failures: Failures, clock: Clock) -> None:
        self._config = config
        self._failures = failures
        self._escape = Escape()
        self._clock = InlineClock(clock)
        self._inbox = _Inbox(self._step, self._let_time_pass)
        self._store = store_of("sqlite:///:memory:")
        self._bodies = InlineBodies(
            failures=failures, escape=self._escape, clock=self._clock, slots=config.max_concurrent_tasks,
            deliver=self._inbox.put, encoders=config.encoders,
        )  # fmt: skip
        self._loop: InlineLoop | None = None
        self._executors = Executors(self._bodies, self._make_loop)
        self._ended: News | None = None

    def run(self, workflow: Workflow, data: Input) -> Finished:
        """Run it to its end."""
        new = new_execution(data, self._config.encoders, workflow=workflow)._replace(id=ONLY_ID)
        self._store.prepare()
        try:
            engine = self._engine()
            engine.ownership.join()
            engine.core.completions.wait(new.id, self._end)
            self._inbox.put(StartRequest(workflow, workflow.version, [new]))
            engine.run()
            self._clock.close()
            self._executors.close()
        finally:
            self._store.close()
        return self._outcome()

    def _outcome(self) -> Finished:
        if self._escape.error is not None:
            raise self._escape.error
        if isinstance(self._ended, BaseException):
            raise self._ended
        assert isinstance(self._ended, Finished)  # noqa: S101 - the engine ends after it
        return self._ended

    def _engine(self) -> Engine:
        # There are no other runners to watch, or to show a heartbeat to.
        alone = self._config.engine_settings()._replace(
            heartbeat_seconds=math.inf, lease_seconds=math.inf, patrol_seconds=math.inf
        )
        core = Core(
            self._store, self._executors, clock=self._clock, inbox=self._inbox, settings=alone,
            encoders=self._config.encoders, make_callbacks=self._make_callbacks,
        )  # fmt: skip
        return Engine(core, find_workflow=registry.find_workflow, make_id=new_id, pause=self._pause)

    def _make_callbacks(self, *arguments: object) -> InlineCallbacks:
        self._callbacks = InlineCallbacks(*arguments, escape=self._escape)
        return self._callbacks

    def _make_loop(self) -> Executor:
        self._loop = InlineLoop(
            failures=self._failures, escape=self._escape, clock=self._clock, deliver=self._inbox.put,
            slots=self._config.max_concurrent_async_tasks, encoders=self._config.encoders,
        )  # fmt: skip
        return self._loop

    def _end(self, news: News) -> None:
        self._ended = news
        self._inbox.put(Stop(0.0))

    def _pause(self, seconds: float) -> None:
        self._clock.move_to(self._clock.monotonic() + seconds)

    # -- what happens while the engine waits -----------------------------------------------------------------------

    def _step(self) -> bool:
        """Do the next thing that is due at the current time; false if there is none."""
        stepped = self._callbacks.step() or self._bodies.step()
        if not stepped and self._loop is not None:
            self._loop.step()
        if self._escape.error is not None:
            self._inbox.put(Stop(0.0))
        return stepped

    def _let_time_pass(self, timeout: float) -> None:
        now, loop = self._clock.monotonic(), self._loop
        due = min(now + timeout, self._clock.next_due, math.inf if loop is None else loop.next_due)
        if loop is not None and loop.waits_outside:
            due = min(due, now + loop.wait_outside(due - now))
        elif due == math.inf:
            raise RunnerError("nothing will ever happen in this run: please report this as a fault of cloaca")
        self._clock.move_to(due)


class _Inbox(queue.SimpleQueue[Message]):
    """The inbox of the engine. Everything else happens when the engine waits for messages."""

    def __init__(self, step: Callable[[], bool], let_time_pass: Callable[[float], None]) -> None:
        super().__init__()
        self._step = step
        self._let_time_pass = let_time_pass

    def get(self, block: bool = True, timeout: float | None = None) -> Message:  # noqa: FBT001, FBT002, ARG002 - as it is called
        """The next message; raises ``queue.Empty`` if only time has passed."""
        while self.empty() and self._step():
            pass
        if self.empty():
            self._let_time_pass(math.inf if timeout is None else timeout)
        return self.get_nowait()
