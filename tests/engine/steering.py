"""People who steer the executions of one world: from a runner's process, or from one that nobody hears of."""

import copy
from collections import Counter
from unittest.mock import patch

from cloaca.engine.completions import Completions
from cloaca.engine.events import Steered, WorkAnnounced
from cloaca.errors import DatabaseError, ExecutionNotFoundError, ExecutionStateError
from cloaca.runner import steering as api
from tests.engine.bench import faulty_store
from tests.engine.faults import Crash
from tests.engine.rounds import attempts_of, events_of, forked
from tests.engine.scenario import INITIAL_VALUES

VERBS = ("pause", "resume", "cancel", "retry", "fork", "delete")
FITTING = {
    "Pending": ("pause", "cancel"), "Running": ("pause", "pause", "cancel", "fork"), "Paused": ("resume", "resume", "cancel"),
    "Completed": ("fork", "fork", "delete"), "Failed": ("retry", "retry", "fork", "delete"),
    "Cancelled": ("retry", "retry", "retry", "delete"),
}  # fmt: skip
"""By status: what is done most of the time, the more often the more often it is named."""
MOST_FORKS = 3
LEADS_TO = {
    "pause": ("Paused",), "resume": ("Pending", "Running"), "cancel": ("Cancelled",), "retry": ("Pending", "Running"),
}  # fmt: skip


class Person(api.Steering):
    """One who steers through a store of their own; at times a database tells the runners, at times it cannot."""

    def __init__(self, world, store):
        self._world = world
        self._store = store
        self._encoders = None
        self._completions = Completions()

    def _before_use(self):
        pass

    def _now(self):
        return self._world.clock.now()

    def _steered(self, executions, *, work):
        super()._steered(executions, work=work)
        if self._world.random.random() < 0.3:
            for runner in self._world.runners:
                self._tell(runner, executions, work=work)

    def _tell(self, runner, executions, *, work):
        if work:
            runner.inbox.put(WorkAnnounced())
        if executions:
            runner.inbox.put(Steered(executions))

    def _handle(self, execution_id, workflow_name):
        return execution_id


class Insider(Person):
    """One who steers in a runner's process, which hears of it."""

    def __init__(self, world, runner):
        super().__init__(world, runner.store)
        self._runner = runner
        self._completions = runner.engine.core.completions

    def _steered(self, executions, *, work):
        super()._steered(executions, work=work)
        self._tell(self._runner, executions, work=work)
        for execution in executions:
            self._world.wait(self._runner, execution)


class Steering:
    """What is done to the executions of a world, and what became of it."""

    def __init__(self, world):
        self._world = world
        self.verbs = 0
        self.done = Counter()
        """By verb: how often it was answered without an error."""
        self._forks = 0
        self._outside = None

    # -- who -----------------------------------------------------------------------------------------------------------

    def from_inside(self, runner):
        """Somebody in a runner's process steers; a crash takes the process with it."""
        try:
            self._steer(Insider(self._world, runner))
        except Crash:
            self._world.crash(runner)

    def from_outside(self, *, faulty=True):
        """Somebody steers of whom no runner is told; a crash takes nothing else with it."""
        faults = self._world.faults
        coming = list(faults.coming)
        if not faulty:
            faults.coming.clear()
        try:
            self._steer(Person(self._world, self.outside))
        except Crash:
            self.outside.die()
            self._outside = None
        if not faulty:
            faults.coming.extend(coming)

    @property
    def outside(self):
        if self._outside is None:
            self._outside = faulty_store(self._world.database, self._world.faults)
        return self._outside

    def close(self):
        if self._outside is not None:
            self._outside.close()

    def resume_all(self):
        """Nobody holds anything any more."""
        person = Person(self._world, self.outside)
        for (execution,) in self._world.witness.rows(
            "select id from cloaca_executions where status = 'Paused'"
        ):
            person.resume(execution)
            self._note(execution)

    # -- what ----------------------------------------------------------------------------------------------------------

    def _steer(self, person):
        world = self._world
        found = world.witness.rows("select id, status, round from cloaca_executions order by id")
        found = [row for row in found if not world.run_of[row[0]].is_poisoned]
        if not found:
            return
        before = world.random.choice(found)
        verb = world.random.choice(VERBS if world.random.random() < 0.2 else FITTING[before[1]])
        number = self._note(before[0])
        in_doubt = set(world.witness.deleted)
        try:
            self._do(person, verb, before[0])
        except ExecutionStateError:
            # One that was deleted without an answer may be gone later, whatever is refused meanwhile.
            world.witness.deleted &= in_doubt
            self._see_unchanged(number, before)
        except ExecutionNotFoundError:
            world.witness.demand(number < self.verbs, "a verb did not find what is there", verb, before)
        except DatabaseError:
            return
        else:
            self.done[verb] += 1
            self._see_done(number, verb, before)

    def _note(self, execution):
        self._world.witness.steered_at[execution] = self.verbs
        self.verbs += 1
        return self.verbs

    def _do(self, person, verb, execution):
        if verb == "fork":
            self._fork(person, execution)
            return
        if verb == "delete":
            self._world.witness.deleting(execution)
        getattr(person, verb)(execution)

    def _fork(self, person, source):
        """The fork's model is made before the fork, which may be there although nobody is told so."""
        world, random = self._world, self._world.random
        run = world.run_of[source]
        graph = run.plan.workflow.graph
        from_task = random.choice([random.choice(graph.ids), graph.ids[graph.order[-1]]])
        edited = {key: copy.deepcopy(random.choice(INITIAL_VALUES)) for key in "abc" if random.random() < 0.3}
        attempts, events = attempts_of(world.witness, source), events_of(world.witness, source)
        made = forked(run, attempts, events, from_task, edited)
        if self._forks == MOST_FORKS:
            return
        self._forks += 1
        with patch.object(api, "new_id", lambda: world.new_id(made._replace(number=0))):
            person.fork(source, from_task, edited)

    # -- what became of it ---------------------------------------------------------------------------------------------

    def _row(self, execution):
        sql = "select id, status, round from cloaca_executions where id = ?"
        return self._world.witness.rows(sql, execution)

    def _see_unchanged(self, number, before):
        """Where nobody else has come between, what is refused changes nothing."""
        if number == self.verbs:
            self._world.witness.demand(self._row(before[0]) == [before], "refused, and not unchanged", before)

    def _see_done(self, number, verb, before):
        if number < self.verbs or verb == "fork":
            return
        found, demand = self._row(before[0]), self._world.witness.demand
        if verb == "delete":
            demand(not found, "deleted, and there", before)
            return
        [(_, status, round)] = found
        was_there = verb == "resume" and before[1] in ("Pending", "Running")
        demand(status in LEADS_TO[verb] or was_there, "a verb led elsewhere", verb, before, found)
        demand(round == before[2] + (verb == "retry"), "a round too many or too few", verb, before, found)
