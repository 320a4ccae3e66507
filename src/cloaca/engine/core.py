"""What the parts of an engine share: its in-memory state, and the way an event reaches an execution."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cloaca.authoring.workflow import Workflow
from cloaca.clock import Clock
from cloaca.engine.callbacks import Callbacks, CalledBack, calls_for, views_for
from cloaca.engine.completions import Completions
from cloaca.engine.events import Message, StartRequest
from cloaca.engine.executors import Executors
from cloaca.engine.plan import Plan
from cloaca.engine.settings import EngineSettings
from cloaca.engine.throttled_log import ThrottledLog
from cloaca.engine.timers import Timers
from cloaca.engine.turn import Turn
from cloaca.executors.job import Job
from cloaca.model.events import Event, TimedOut
from cloaca.model.execution import Decision, ExecutionState, advance
from cloaca.model.values import Encoders
from cloaca.store.rows import Existing, Known, Waiting
from cloaca.store.store import Store

if TYPE_CHECKING:
    from cloaca.telemetry.observer import Observer

logger = logging.getLogger("cloaca.engine")

Due = tuple[str, Event]
"""An execution's id and the event that falls due for it."""


class Core:
    """The in-memory state of one engine; only the thread that runs a turn may touch it."""

    def __init__(
        self,
        store: Store,
        executors: Executors,
        *,
        clock: Clock,
        inbox: queue.SimpleQueue[Message],
        settings: EngineSettings,
        encoders: Encoders | None = None,
        make_callbacks: Callable[[Callable[[CalledBack], None], Encoders | None], Callbacks] = Callbacks,
        observer: Observer | None = None,
    ) -> None:
        self.store = store
        self.executors = executors
        self.clock = clock
        self.inbox = inbox
        self.settings = settings
        self.observer = observer
        self.log = ThrottledLog(clock)
        self.completions = Completions()
        self.callbacks = make_callbacks(inbox.put, encoders)
        self.runner = ""
        """The id under which this engine is registered in the database now."""
        self.live: dict[str, ExecutionState] = {}
        self.paused: dict[str, set[int]] = {}
        """By paused execution that is still held here: the ready nodes that are not handed out."""
        self.plans: dict[str, Plan] = {}
        """By ``plan_key``: what can run here."""
        self.latest: dict[str, Plan] = {}
        """By workflow name: the plan of an execution that was started without a structure."""
        self.timers: Timers[Due] = Timers()
        self.backlog = True
        """Whether the database may hold executions without an owner."""
        self.crowded = False
        """Whether other live runners share this database."""
        self.stopping = False
        self.patrol_duties: list[Callable[[], None]] = []
        """What else each patrol does; these may raise ``DatabaseError``."""
        self.set_aside: list[Message] = []
        """Messages for the next turn, taken before those of the inbox."""

    def plan_of(self, workflow: Workflow) -> Plan:
        """The plan of a workflow. Recovered executions run the latest plan of their structure."""
        structure = workflow.graph.structure
        key = self.plan_key(structure, workflow.version if self.settings.same_version else "")
        plan = self.plans.get(key)
        if plan is None or plan.workflow is not workflow:
            stored = plan is not None and plan.stored
            plan = self.plans[key] = Plan(workflow, self.settings)
            plan.stored = stored
        self.latest[workflow.name] = plan
        return plan

    def plan_key(self, structure: str, version: str) -> str:
        """What selects the plan of an execution: its structure, and its version where versions must match."""
        return f"{structure}/{version}" if self.settings.same_version else structure

    def plan(self, state: ExecutionState) -> Plan:
        """The plan by which an execution runs here."""
        return self.plans[self.plan_key(state.graph.structure, state.version)]

    def can_run(self, waiting: Waiting) -> bool:
        """Whether executions like this one can be claimed here."""
        if not waiting.structure:
            return waiting.workflow in self.latest
        if self.settings.same_version and not waiting.version:
            latest = self.latest.get(waiting.workflow)
            return latest is not None and latest.graph.structure == waiting.structure
        return self.plan_key(waiting.structure, waiting.version) in self.plans

    @property
    def known(self) -> list[Known]:
        """What this runner can claim."""
        known = [_known(plan, plan.graph.structure) for plan in self.plans.values()]
        if self.settings.same_version:
            any_version = [
                _known(plan, plan.graph.structure)._replace(only="") for plan in self.latest.values()
            ]
            known = [one._replace(only=one.version) for one in known] + any_version
        return known + [_known(plan, "") for plan in self.latest.values()]

    def apply(self, execution_id: str, event: Event, turn: Turn) -> None:
        """Apply an event to an execution if it is still held here."""
        state = self.live.get(execution_id)
        if state is not None and not self._is_void(state, event):
            decision = self.decide(state, event, self.clock.now(), turn)
            if isinstance(event, TimedOut) and decision.finish:
                self.executors.give_up(execution_id)

    def _is_void(self, state: ExecutionState, event: Event) -> bool:
        """Whether a timeout was replaced by a later one, or counts only once the execution is resumed."""
        return isinstance(event, TimedOut) and (
            state.id in self.paused or event.timed_from != state.timed_from
        )

    def decide(self, state: ExecutionState, event: Event, now: float, turn: Turn) -> Decision:
        """Apply an event to an execution and collect everything that follows from it."""
        plan = self.plan(state)
        views = views_for(plan, state, event) if plan.calling else None
        decision = advance(state, event, now)
        if views:
            turn.calls += calls_for(plan, state, event, decision.rows, views)
        self.decided(state, decision, turn)
        return decision

    def startable(self, jobs: list[Job]) -> list[Job]:
        """Those of the jobs that need not wait for a callback; the others return when their callbacks have."""
        return self.callbacks.startable(
            jobs, lambda job: self.live[job.execution_id].graph.dependencies[job.node]
        )

    def decided(self, state: ExecutionState, decision: Decision, turn: Turn) -> None:
        """Add a decision to the turn, with a job for each node that it makes ready."""
        turn.collect(state, decision)
        if decision.ready:
            self.hand_out(state, decision.ready, turn)

    def hand_out(self, state: ExecutionState, nodes: Iterable[int], turn: Turn) -> None:
        """Add a job for each of these ready nodes."""
        plan = self.plan(state)
        for node in nodes:
            job = self._job(plan, state, node)
            (turn.suspects if state.is_suspect(node) else turn.ready).append(job)

    def _job(self, plan: Plan, state: ExecutionState, node: int) -> Job:
        return Job(
            state.id, state.graph.name, node, state.attempts.get(node, 1), state.claim, plan.tasks[node],
            state.view(node), state.limits[node].timeout_seconds, state.round,
        )  # fmt: skip

    def expects(self, job: Job) -> bool:
        """Whether the outcome of a job would still be accepted."""
        state = self.live.get(job.execution_id)
        return state is not None and state.claim == job.claim and state.expects(job.node, job.attempt)

    def adopt(
        self, state: ExecutionState, decision: Decision, turn: Turn, *, timed_from: float | None = None
    ) -> None:
        """Hold an execution from now on."""
        self.live[state.id] = state
        self.decided(state, decision, turn)
        self.limit(state, state.started_at if timed_from is None else timed_from)

    def limit(self, state: ExecutionState, timed_from: float) -> None:
        """Set the execution's timeout; ``timed_from`` is the wall-clock time from which it counts."""
        limit, state.timed_from = self.settings.workflow_timeout_seconds, timed_from
        if limit is not None:
            due = self.clock.monotonic() + timed_from + limit - self.clock.now()
            self.timers.set(due, (state.id, TimedOut(limit, timed_from)))

    def holds(self, execution_id: str) -> bool:
        """Whether the end of an execution will be reported here."""
        return execution_id in self.live or self.callbacks.holds(execution_id)

    def refuse(self, request: StartRequest, error: BaseException) -> None:
        """Report that none of these executions was started, and forget them."""
        for new in request.executions:
            self.live.pop(new.id, None)
        self.answer_with(request, error)

    def answer_with(self, request: StartRequest, error: BaseException) -> None:
        """Report to all who wait for these executions that they cannot be waited for."""
        for new in request.executions:
            self.completions.fail(new.id, error)
        self.answer(request, error)

    def answer(self, request: StartRequest, answer: dict[str, Existing] | BaseException) -> None:
        """Answer a request. The caller may be gone by now, for example with an event loop that was closed."""
        if deliver := request.answer:
            # A request that is in doubt is answered before its turn is over.
            request.answer = None
            try:
                deliver(answer)
            except Exception:
                logger.exception(
                    "the answer to a start of workflow %r could not be delivered", request.workflow.name
                )


def _known(plan: Plan, stored: str) -> Known:
    return Known(plan.graph.name, stored, plan.graph.structure, plan.workflow.version)
