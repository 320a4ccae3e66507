"""Which executions this runner owns: joining, taking over from dead runners, claiming, leaving."""

from __future__ import annotations

import functools
import json
import logging
import math
import threading
from collections.abc import Callable, Iterable
from typing import assert_never

from cloaca.authoring.workflow import Workflow
from cloaca.engine.claim_size import ClaimSize
from cloaca.engine.core import Core
from cloaca.engine.events import Registered, WorkAnnounced, WorkflowsFound
from cloaca.engine.heartbeat import Heartbeat
from cloaca.engine.takeover import RELEASED_AT_ONCE, Takeover
from cloaca.engine.turn import Turn
from cloaca.errors import DatabaseError
from cloaca.executors.job import execution_cancelled
from cloaca.model.events import Failed, Failure
from cloaca.model.execution import ExecutionState
from cloaca.model.liveness import SECONDS_BETWEEN_PROOFS
from cloaca.model.restore import restore
from cloaca.model.rows import StoredAttempt
from cloaca.model.shown import times_text
from cloaca.model.states import TaskStatus
from cloaca.model.values import encode
from cloaca.model.view import View
from cloaca.store.rows import ClaimedExecution, Waiting
from cloaca.store.signals import CommitUnknown, RunnerLost, StoreUnavailable

logger = logging.getLogger("cloaca.engine")

CLAIMED_ALONE = 500


class Ownership:
    """What one engine owns, and how it acquires and releases it.

    Args:
        find_workflow: May run user code; called on a thread of its own.
    """

    def __init__(
        self,
        core: Core,
        heartbeat: Heartbeat,
        find_workflow: Callable[[str], Workflow | None],
        make_id: Callable[[], str],
    ) -> None:
        self._core = core
        self._find_workflow = find_workflow
        self._make_id = make_id
        self.due = math.inf
        """When to look for dead runners and for executions without an owner."""
        self._looked_up: set[str] = set()
        self._renewing: set[str] = set()
        """Workflows that were registered again: none of their executions are claimed until the new version is loaded."""
        self._reported: set[str] = set()
        self._has_strays = False
        """Whether the database may hold executions that this runner owns but does not hold in memory."""
        self._is_announced = False
        self._claim_size = ClaimSize()
        self._takeover = Takeover(core, heartbeat)
        self._heartbeat = heartbeat

    # -- joining and leaving ---------------------------------------------------------------------------------------

    def join(self) -> None:
        """Register this runner in the database under a new id."""
        began = self._core.clock.monotonic()
        self._core.runner = self._make_id()
        self._core.store.join(self._core.runner, self._core.clock.now())
        self._heartbeat.wrote(began)
        self._core.backlog = True
        self._has_strays = False
        self.due = self._core.clock.monotonic()

    def leave(self) -> None:
        """Hand over what is left, which is charged to nobody, and leave the database."""
        store, runner = self._core.store, self._core.runner
        try:
            leaves_work = False
            while owned := store.owned_by(runner, limit=RELEASED_AT_ONCE):
                store.release(runner, [execution.id for execution in owned], now=self._core.clock.now())
                leaves_work = True
            store.announce(work=leaves_work)
            store.leave()
        except (DatabaseError, StoreUnavailable, RunnerLost, CommitUnknown) as error:
            logger.warning(
                "this runner could not hand over what it owns, the next runner will take it over: %s", error
            )
        self._core.live.clear()

    # -- patrols -----------------------------------------------------------------------------------------------------

    def look(self, turn: Turn, now: float) -> None:
        """If a patrol is due, take over from dead runners and claim what can run here."""
        if now < self.due:
            if self._core.backlog and self._has_room:
                self._attempt(lambda: self._claim(turn))
            return
        self.due = now + self._core.settings.patrol_seconds
        if self._has_strays:
            self._attempt(self._release_strays)
        self._attempt(self._take_over)
        self._attempt(self._look_for_waiting)
        if self._core.backlog:
            self._attempt(lambda: self._claim(turn))
        for duty in self._core.patrol_duties:
            self._attempt(duty)

    def _take_over(self) -> None:
        if self._takeover.look():
            # The next patrol either proves the death or refutes it.
            self.due = self._core.clock.monotonic() + SECONDS_BETWEEN_PROOFS

    @property
    def _has_room(self) -> bool:
        """Whether there is room for enough executions to be worth a claim's transaction."""
        return 2 * self._room >= self._most_claimed

    @property
    def _room(self) -> int:
        core = self._core
        return min(core.settings.window - len(core.live), self._most_claimed - core.executors.load)

    @property
    def _most_claimed(self) -> int:
        """How many executions to hold that other runners could run too: few, if there are other runners."""
        settings = self._core.settings
        few = settings.held_per_slot * self._core.executors.capacity
        most = few * self._claim_size.factor if self._core.crowded else max(few, CLAIMED_ALONE)
        return min(settings.window, most)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (DatabaseError, StoreUnavailable) as error:
            self._core.log.warning("looking for work failed, retrying in a moment: %s", error)
        except CommitUnknown as unknown:
            logger.warning(
                "the reply to a commit was lost, releasing whatever it may have claimed: %s", unknown
            )
            self._has_strays = True

    def receive(self, message: Registered | WorkAnnounced | WorkflowsFound) -> None:
        """Handle news about workflows or about work that has no owner."""
        match message:
            case Registered(name):
                self.registered(name)
            case WorkAnnounced():
                self.announced()
            case WorkflowsFound(workflows):
                self.introduced(workflows)
            case _:
                assert_never(message)

    def registered(self, name: str) -> None:
        """A workflow was registered: executions that wait for it may run now."""
        self._looked_up.discard(name)
        if name in self._core.latest:
            # Executions that start or are recovered from now on run the new code.
            self._renewing.add(name)
            self._ask_for({name})
        self.due = self._core.clock.monotonic()

    def announced(self) -> None:
        """There is work without an owner, perhaps of a workflow that is not known here yet."""
        self._core.backlog = self._is_announced = True
        if not self._core.plans:
            self.due = self._core.clock.monotonic()

    # -- claiming --------------------------------------------------------------------------------------------------

    def _claim(self, turn: Turn) -> None:
        """Claim as many of the executions that can run here as there is room for."""
        core = self._core
        room = self._room
        if room <= 0 or core.stopping or not core.plans:
            return
        new = [plan.structure for plan in core.latest.values() if not plan.stored]
        # The lease counts from before the claim: a process stopped before the reply arrives may own none of it by then.
        began = core.clock.monotonic()
        known = [one for one in core.known if one.workflow not in self._renewing]
        claimed = core.store.claim(known, structures=new, limit=room, now=core.clock.now())
        self._heartbeat.wrote(began)
        for plan in core.latest.values():
            plan.stored = True
        for execution in claimed:
            try:
                self._adopt(execution, turn)
            except Exception:
                logger.exception(
                    "execution %s cannot be restored from its rows and is left alone",
                    execution.id,
                    extra={"execution_id": execution.id},
                )
        core.backlog = len(claimed) == room
        self._claim_size.claimed(core.clock.monotonic(), is_full=core.backlog)
        if self._is_announced and not claimed:
            self._look_for_waiting()
        self._is_announced = False

    def _look_for_waiting(self) -> None:
        """Find out whether there is work, and look up the workflows of waiting executions that are not known here yet."""
        waiting = self._waiting()
        can_run = {one for one in waiting if self._core.can_run(one)}
        self._core.backlog = bool(can_run)
        self._ask_for({one.workflow for one in waiting if one not in can_run})

    def _waiting(self) -> list[Waiting]:
        store = self._core.store
        if self._core.settings.same_version:
            return store.waiting_versions()
        return [Waiting(workflow, structure, "") for workflow, structure in store.waiting_structures()]

    def _ask_for(self, names: set[str]) -> None:
        unknown = names - self._looked_up
        if unknown:
            self._looked_up |= unknown
            threading.Thread(target=self._look_up, args=(unknown,), name="cloaca-lookup", daemon=True).start()

    def _look_up(self, names: Iterable[str]) -> None:
        found: dict[str, Workflow | None] = {}
        for name in names:
            try:
                found[name] = self._find_workflow(name)
            except Exception:
                logger.exception("the registered workflow %r cannot be built: its executions wait", name)
                found[name] = None
        self._core.inbox.put(WorkflowsFound(found))

    def introduced(self, workflows: dict[str, Workflow | None]) -> None:
        """Workflows were looked up: executions that wait for them can be claimed."""
        self._renewing -= workflows.keys()
        for name, workflow in workflows.items():
            if workflow is not None:
                self._core.plan_of(workflow)
            self._attempt(functools.partial(self._report, name, workflow))
        self.due = self._core.clock.monotonic()

    def _report(self, name: str, workflow: Workflow | None) -> None:
        if workflow is None and name not in self._reported:
            self._reported.add(name)
            logger.warning("executions of workflow %r wait: it is not registered in this process", name)
        elif workflow is not None:
            waiting = [one for one in self._waiting() if one.workflow == name and not self._core.can_run(one)]
            if any(one.structure not in (workflow.graph.structure, "") for one in waiting):
                logger.warning(
                    "executions of workflow %r wait: they were started with different tasks, dependencies or rules than "
                    "those of the registered workflow", name,
                )  # fmt: skip
            elif waiting:
                logger.warning(
                    "executions of workflow %r wait: they were started with a version other than the registered "
                    "one, %s, and on_version_change is 'wait'", name, workflow.version,
                )  # fmt: skip

    def _adopt(self, execution: ClaimedExecution, turn: Turn) -> None:
        core = self._core
        if execution.id in core.live:
            # It was cancelled and retried, and this runner has not been notified yet.
            self._forget(execution.id, turn)
        plan = core.plans[core.plan_key(execution.structure, execution.version)]
        state = plan.state(
            execution.id, View.initial(_texts(execution.input)), owner=self._core.runner, fence=execution.fence,
            created_at=execution.created_at, started_at=execution.started_at, version=execution.version,
            round=(execution.round, execution.round_fence),
        )  # fmt: skip
        state.size = len(execution.input)
        decision = restore(state, execution.attempts, core.clock.now())
        exhausted = [
            node for node, suspect in state.suspects.items() if suspect.charges >= core.settings.crash_limit
        ]
        decision.ready = [node for node in decision.ready if node not in exhausted]
        core.adopt(state, decision, turn, timed_from=execution.timed_from)
        if core.observer is not None:
            core.observer.claimed(state.id, state.graph.name)
        for node in exhausted:
            self._charge(state, node, turn)

    def _forget(self, execution_id: str, turn: Turn) -> None:
        """Drop an execution that is held under a claim that has ended."""
        turn.drop({execution_id})
        self._core.live.pop(execution_id, None)
        self._core.paused.pop(execution_id, None)
        self._core.executors.drop(execution_id, execution_cancelled)
        self._core.completions.ended_elsewhere([execution_id])

    def _charge(self, state: ExecutionState, node: int, turn: Turn) -> None:
        """Fail a task that has crashed its process too often."""
        suspect, now = state.suspects[node], self._core.clock.now()
        state.status[node] = TaskStatus.READY
        event = Failed(node, suspect.attempt, _crash_failure(suspect), now, now, final=True)
        self._core.apply(state.id, event, turn)

    # -- releasing ---------------------------------------------------------------------------------------------------

    def give_back(self, execution_id: str) -> None:
        """Stop holding an execution of which nothing runs, so that any capable runner can claim it."""
        state = self._core.live.pop(execution_id, None)
        self._core.paused.pop(execution_id, None)
        if self._core.observer is not None and state is not None:
            self._core.observer.left(execution_id, state.graph.name, None)
        self._has_strays = True
        self.due = self._core.clock.monotonic()

    # -- reloading ---------------------------------------------------------------------------------------------------

    def reload(self, execution_id: str) -> None:
        """Discard the in-memory state of an execution. If this runner still owns it, it is claimed again."""
        about = {"execution_id": execution_id}
        logger.warning(
            "execution %s differs from what this runner expected: reading it again", execution_id, extra=about
        )
        self.give_back(execution_id)
        self._core.executors.drop(execution_id)

    def _release_strays(self) -> None:
        """Release what this runner owns but does not hold, so that it is claimed under a new fence."""
        store, live, runner = self._core.store, self._core.live, self._core.runner
        owned = store.owned_by(runner, limit=len(live) + RELEASED_AT_ONCE)
        strays = [execution.id for execution in owned if execution.id not in live]
        if strays:
            store.release(runner, strays, now=self._core.clock.now())
            store.announce(work=self._core.crowded)
        self._has_strays = len(owned) == len(live) + RELEASED_AT_ONCE


def _texts(stored: str) -> dict[str, str]:
    return {key: encode(value, key) for key, value in json.loads(stored).items()}


def _crash_failure(suspect: StoredAttempt) -> Failure:
    message = (
        f"its process died {times_text(suspect.charges)} while the task was running alone: run the body in a "
        "separate process, or find out why it crashes the interpreter"
    )
    return Failure("CrashLimitError", message, "")
