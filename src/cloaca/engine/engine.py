"""The engine: an inbox, and turns that drain it, decide, commit and act, one turn at a time.

A decision is durable before anything acts on it, and one transaction makes many decisions durable. Events that arrive
while a turn commits are queued, and the next turn takes them all. A lone execution therefore pays one commit per task;
under load, hundreds of tasks share one.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, assert_never

from cloaca.authoring.workflow import Workflow
from cloaca.clock import new_id
from cloaca.engine.callbacks import CalledBack
from cloaca.engine.commit import Committer
from cloaca.engine.completions import Finished
from cloaca.engine.core import Core
from cloaca.engine.events import (
    AfterTurn,
    Message,
    NewExecution,
    Registered,
    StartRequest,
    Steered,
    Stop,
    Wake,
    WorkAnnounced,
    WorkflowsFound,
)
from cloaca.engine.heartbeat import Heartbeat
from cloaca.engine.ownership import Ownership
from cloaca.engine.plan import Plan
from cloaca.engine.steering import Steering
from cloaca.engine.surplus import Surplus
from cloaca.engine.suspects import Suspects
from cloaca.engine.turn import Turn
from cloaca.engine.watchdog import Watchdog
from cloaca.errors import DatabaseError, RunnerError
from cloaca.executors.job import Outcome, lease_lost, mark_ready, timeout_failure
from cloaca.model.events import Failed, RetryDue, Succeeded
from cloaca.model.execution import ExecutionState, begin
from cloaca.model.rows import FinishRow
from cloaca.model.view import View
from cloaca.store.rows import StartRow
from cloaca.store.signals import CommitUnknown, RunnerLost, StoreUnavailable

logger = logging.getLogger("cloaca.engine")

EVENTS_PER_TURN = 1000
BYTES_PER_TURN = 8 << 20


class Engine:
    """Runs executions on a store, with executors for the task bodies.

    Tests drive the engine by hand: ``turn`` takes messages and needs no thread; ``run`` is the loop around it. One turn runs
    at a time, on whichever thread holds ``_turning``: the engine's own, or that of a body that has just returned.

    Args:
        inbox: Where executors put outcomes, and everyone else puts messages.
        find_workflow: Looks up a workflow by name. It may run user code and is never called during a turn.
        pause: Sleeps for the given seconds between two attempts at a commit.
    """

    def __init__(
        self,
        core: Core,
        *,
        find_workflow: Callable[[str], Workflow | None],
        make_id: Callable[[], str] = new_id,
        pause: Callable[[float], None],
    ) -> None:
        self.core = core
        self.watchdog = Watchdog(core)
        self.suspects = Suspects(core, self.watchdog)
        self.heartbeat = Heartbeat(core)
        self.ownership = Ownership(core, self.heartbeat, find_workflow, make_id)
        self.steering = Steering(core, self.ownership, self.suspects)
        core.patrol_duties += [self.steering.patrol, Surplus(core, self.ownership).patrol]
        make_committer = _committer_that_tells() if core.observer else Committer
        self.committer = make_committer(core, self.ownership, self.suspects, self.steering, pause)
        self._pause = pause
        self.thread: threading.Thread | None = None
        self.ended: BaseException | None = None
        """Why the engine has ended; ``None`` while it runs."""
        self._stop: Stop | None = None
        self._turning = threading.Lock()
        """Held by the thread that runs a turn; all state of the engine is accessed under it."""
        self._sleeps_until = -math.inf
        self._broken: BaseException | None = None
        """The error of a turn that ran on another thread."""
        self._taken: list[Message] = []
        """The messages of the current turn."""

    # -- the loop --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Join the database and start the loop on its own thread.

        Raises:
            DatabaseError: The database cannot be written.
        """
        try:
            self.ownership.join()
        except StoreUnavailable as unavailable:
            raise unavailable.error from unavailable
        except CommitUnknown as unknown:
            raise DatabaseError(f"the runner could not be registered in the database: {unknown}") from unknown
        self.thread = threading.Thread(target=self.run, name="cloaca-engine", daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Run turns until a ``Stop`` arrives."""
        error = RunnerError(
            "the runner was shut down: the next runner on this database continues its executions"
        )
        try:
            with self._turning:
                self.turn(())
            while self._stop is None:
                self._take_turn(self._wait())
            self._hand_over(self._stop)
        except BaseException as broken:
            logger.exception("the engine stopped: the next runner on this database continues its executions")
            self.core.store.drop_liveness_lock()
            error = RunnerError(f"the engine stopped because of an internal error: {broken!r}")
            raise
        finally:
            self.ended = error
            self.core.callbacks.close()
            self.core.completions.close(error)
            # A turn that failed has answered nobody yet. Requests that were answered before are not answered twice.
            self.core.set_aside = self._taken + self.core.set_aside
            self.refuse_the_rest()

    def deliver(self, outcome: Outcome) -> None:
        """Run a turn for this outcome on the calling thread if no turn is running; otherwise put it into the inbox.

        In a chain of tasks this saves a switch to the engine's thread, which takes as long as a short body. Call it only
        after the body has returned, where waiting for a commit delays nothing else.
        """
        inbox = self.core.inbox
        if self._pauses or not inbox.empty() or not self._turning.acquire(blocking=False):
            inbox.put(outcome)
            return
        try:
            if self._goes_on:
                self._turn_from(outcome)
            else:
                inbox.put(outcome)
        except BaseException as broken:
            self._broken = broken
        finally:
            if not self._goes_on or self.core.set_aside or self._due < self._sleeps_until:
                inbox.put(Wake())
            self._turning.release()

    @property
    def _pauses(self) -> bool:
        """Whether a turn ends with a pause that gives task bodies time to run."""
        return self.core.crowded and self.core.store.pause_when_crowded > 0

    @property
    def _goes_on(self) -> bool:
        return self._stop is None and self._broken is None and self.ended is None

    def _take_turn(self, message: Message | None) -> None:
        with self._turning:
            if self._goes_on:
                self._turn_from(message)
            elif message is not None:
                self.core.set_aside.append(message)
            if self._broken is not None:
                raise self._broken

    def _turn_from(self, message: Message | None) -> None:
        self._taken = self._drained(message)
        self.turn(self._taken)
        self._taken = []

    def _wait(self) -> Message | None:
        """The next message, or ``None`` once something is due."""
        with self._turning:
            self._sleeps_until = -math.inf if self.core.set_aside else self._due
        try:
            return self.core.inbox.get(timeout=max(0.0, self._sleeps_until - self.core.clock.monotonic()))
        except queue.Empty:
            return None

    def _drained(self, message: Message | None) -> list[Message]:
        """This message and those waiting in the inbox, up to a limit."""
        messages, self.core.set_aside = self.core.set_aside, []
        if message is not None:
            messages.append(message)
        inbox, size = self.core.inbox, 0
        while len(messages) < EVENTS_PER_TURN and size < BYTES_PER_TURN and not inbox.empty():
            another = inbox.get_nowait()
            messages.append(another)
            size += _size(another)
        return messages

    @property
    def _due(self) -> float:
        """When there is work to do even if no message arrives."""
        return min(
            self.core.timers.next_due,
            self.watchdog.due,
            self.ownership.due,
            self.suspects.due,
            self.heartbeat.due,
        )

    # -- a turn ----------------------------------------------------------------------------------------------------

    def turn(self, messages: Iterable[Message]) -> None:
        """Decide on these messages and on what is due, commit the decisions, then act on them."""
        turn = Turn()
        for message in messages:
            self._receive(message, turn)
        # The messages come first: a body that ended within its limit counts even if its timer is due in this turn.
        now = self.core.clock.monotonic()
        due = self.core.timers.pop_due(now)
        # A retry that falls due is submitted without a commit, which would reveal that the execution was steered meanwhile.
        self.steering.heard({id for id, event in due if isinstance(event, RetryDue)}, turn)
        for execution_id, event in due:
            self.core.apply(execution_id, event, turn)
        self.watchdog.look(turn, now)
        try:
            self.ownership.look(turn, now)
            if not turn.batch:
                self.heartbeat.beat(now)
        except RunnerLost:
            self.committer.start_over(turn)
        self.steering.withhold(turn)
        self.suspects.look(turn)
        if turn.batch:
            self.committer.commit(turn)
            self.heartbeat.wrote(now)
        self._act(turn)
        for call in turn.afterwards:
            call()
        if self._pauses and turn.batch:
            self._pause(self.core.store.pause_when_crowded)

    def _receive(self, message: Message, turn: Turn) -> None:
        match message:
            case Outcome():
                self._settle(message, turn)
            case StartRequest():
                self._start(message, turn)
            case CalledBack():
                self._called_back(message, turn)
            case Wake():
                pass
            case Registered() | WorkAnnounced() | WorkflowsFound():
                self.ownership.receive(message)
            case Steered(executions):
                self.steering.heard(executions, turn)
            case AfterTurn(call):
                turn.afterwards.append(call)
            case Stop():
                self._stop, self.core.stopping = message, True
            case _:
                assert_never(message)

    def _settle(self, outcome: Outcome, turn: Turn) -> None:
        job = outcome.job
        self.suspects.ended(job)
        state = self.core.live.get(job.execution_id)
        if state is not None and state.claim == job.claim:
            self.core.decide(state, _event_of(outcome), outcome.finished_at, turn)

    def _called_back(self, done: CalledBack, turn: Turn) -> None:
        held, finished = self.core.callbacks.returned(done)
        self.steering.called_back(done.execution_id)
        turn.ready += [job for job in held if self.core.expects(job)]
        if finished is not None:
            self.core.completions.resolve(finished)

    # -- starting --------------------------------------------------------------------------------------------------

    def _start(self, request: StartRequest, turn: Turn) -> None:
        if self._stop:
            self.core.refuse(
                request, RunnerError("the runner is being shut down: start the execution on another one")
            )
            return
        plan = self.core.plan_of(request.workflow)
        if not plan.stored:
            turn.batch.structures.append(plan.structure)
            turn.plans.append(plan)
        now = self.core.clock.now()
        room = self._room_for_starts(turn)
        for number, new in enumerate(request.executions):
            owned = number < room
            turn.batch.starts.append(self._start_row(request, plan, new, now, owned=owned))
            if owned:
                self._begin(request, plan, new, now, turn)
        if len(request.executions) > room:
            self.core.backlog = turn.leaves_work = True
        turn.starting.append(request)

    def _room_for_starts(self, turn: Turn) -> int:
        """How many new executions this runner keeps; the rest is left to other runners that can run them at once."""
        core = self.core
        room = core.settings.window - len(core.live)
        if core.crowded:
            room = min(
                room,
                core.settings.held_per_slot * core.executors.capacity - core.executors.load - len(turn.ready),
            )
        return max(0, room)

    def _start_row(
        self, request: StartRequest, plan: Plan, new: NewExecution, now: float, *, owned: bool
    ) -> StartRow:
        return StartRow(
            new.id, plan.graph.name, plan.graph.structure, request.version, "Running" if owned else "Pending",
            self.core.runner if owned else None, int(owned), new.input, new.idempotency_key, now,
            now if owned else None,
        )  # fmt: skip

    def _begin(self, request: StartRequest, plan: Plan, new: NewExecution, now: float, turn: Turn) -> None:
        state = plan.state(
            new.id, View.initial(new.texts), owner=self.core.runner, fence=1, created_at=now, started_at=now,
            version=request.version,
        )  # fmt: skip
        state.size = len(new.input)
        self.core.adopt(state, begin(state), turn)

    # -- acting ----------------------------------------------------------------------------------------------------

    def _act(self, turn: Turn) -> None:
        """Carry out what the commit has confirmed."""
        for plan in turn.plans:
            plan.stored = True
        if turn.retries:
            offset = self.core.clock.monotonic() - self.core.clock.now()
            for due, state, node, attempt in turn.retries:
                self.core.timers.set(due + offset, (state.id, RetryDue(node, attempt)))
        self.core.callbacks.call(turn.calls)
        self.steering.withhold(turn)
        if turn.ready and not self._stop and (startable := self.core.startable(turn.ready)):
            self.watchdog.expect(startable)
            if self.core.observer is not None:
                mark_ready(startable, self.core.clock.monotonic())
            self.core.executors.submit(startable)
        self.suspects.act(turn)
        for request in turn.starting:
            self.core.answer(request, self.committer.losers)
        self.core.store.announce(work=turn.leaves_work and self.core.crowded)
        for state, row in turn.finished:
            self.core.live.pop(state.id, None)
            self.core.paused.pop(state.id, None)
            finished = _finished(state, row)
            if not self.core.callbacks.tells_later(finished):
                self.core.completions.resolve(finished)
        self.steering.let_go(turn)

    # -- ending ----------------------------------------------------------------------------------------------------

    def _hand_over(self, stop: Stop) -> None:
        """Let running bodies finish within the timeout, and leave the rest to the next owner."""
        self.core.executors.drain()
        deadline = self.core.clock.monotonic() + stop.timeout
        while not self._is_idle and (left := deadline - self.core.clock.monotonic()) > 0:
            try:
                self.turn([self.core.inbox.get(timeout=min(left, 0.05))])
            except queue.Empty:
                self.turn(())
        self.turn(self._take_all())
        for job in self.core.executors.running():
            job.interrupt(lease_lost)
        self.ownership.leave()

    @property
    def _is_idle(self) -> bool:
        return self.core.executors.idle and self.core.callbacks.idle

    def _take_all(self) -> list[Message]:
        messages, self.core.set_aside = self.core.set_aside, []
        try:
            while True:
                messages.append(self.core.inbox.get_nowait())
        except queue.Empty:
            return messages

    def refuse_the_rest(self) -> None:
        """Refuse the starts left in the inbox of an engine that has ended."""
        for message in self._take_all():
            if isinstance(message, StartRequest) and self.ended is not None:
                self.core.refuse(message, self.ended)


def _committer_that_tells() -> type[Committer]:
    from cloaca.engine.telemetry import ObservedCommitter  # noqa: PLC0415 - loaded by those who have telemetry

    return ObservedCommitter


def _size(message: Any) -> int:
    if isinstance(message, Outcome):
        return len(message.delta.text) if message.delta else 0
    return message.size if isinstance(message, StartRequest) else 0


def _event_of(outcome: Outcome) -> Succeeded | Failed:
    job = outcome.job
    if outcome.finished_at - job.started_at > job.timeout_seconds:
        return Failed(job.node, job.attempt, timeout_failure(job), job.started_at, outcome.finished_at)
    if outcome.delta is not None:
        return Succeeded(job.node, job.attempt, outcome.delta, job.started_at, outcome.finished_at)
    assert outcome.failure is not None  # noqa: S101 - an outcome holds one of the two
    return Failed(job.node, job.attempt, outcome.failure, job.started_at, outcome.finished_at)


def _finished(state: ExecutionState, row: FinishRow) -> Finished:
    return Finished(
        state.id, state.graph, state.version, row.status, row.error, state.started_at, row.finished_at,
        state.final_view(), state.history, state.size + 300 * len(state.history),
    )  # fmt: skip
