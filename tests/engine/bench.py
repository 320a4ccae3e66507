"""One database and runners that are driven by hand, one step at a time."""

import itertools
import queue

from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.engine.core import Core
from cloaca.engine.engine import Engine
from cloaca.engine.events import NewExecution, StartRequest
from cloaca.engine.executors import Executors
from cloaca.engine.settings import EngineSettings
from cloaca.model.liveness import SECONDS_BETWEEN_PROOFS
from cloaca.model.values import encode, joined
from tests.engine.faults import Faults
from tests.engine.faulty_postgres import FaultyPostgresStore
from tests.engine.faulty_sqlite import FaultySqliteStore
from tests.engine.hands import HandClock, HandExecutor

ids = itertools.count(1)

SECONDS_BETWEEN_LOOKS = SECONDS_BETWEEN_PROOFS + 0.001
"""A little more than a look waits for: a clock that is moved by so much may land just before it, since it is a float."""


def faulty_store(database, faults=None):
    """A store on this database that fails where the faults say so."""
    stores = {"sqlite": FaultySqliteStore, "postgres": FaultyPostgresStore}
    return stores[database.kind](database, faults)


def workflow(name, bodies, **dependencies):
    """``bodies`` by task id, each a function of the context or a task's options; the rest says what depends on what."""
    tasks = []
    for id, body in bodies.items():
        options = body if isinstance(body, dict) else {"function": body}
        tasks.append(Task(id=id, dependencies=tuple(dependencies.get(id, "").split()), **options))
    return Workflow(name, tasks=tasks)


def chain(*ids, **options):
    """Tasks one after the other that do nothing."""
    bodies = {id: {"function": lambda context: None, **options} for id in ids}
    return workflow("chain", bodies, **dict(itertools.pairwise(reversed(ids))))


def seconds_to_wait(engine):
    """How long the engine would wait for a message now."""
    return max(0.0, engine._due - engine.core.clock.monotonic())


class Hand:
    """A runner; ``turn`` takes everything that waits unless it is told otherwise."""

    def __init__(self, bench, *, slots=4, **settings):
        self.bench = bench
        self.store = faulty_store(bench.database, bench.faults)
        self.executor = HandExecutor(bench.clock, slots=slots)
        self.inbox = queue.SimpleQueue()
        executors = Executors(self.executor, None)
        self.core = Core(
            self.store, executors, clock=bench.clock, inbox=self.inbox, settings=EngineSettings(**settings)
        )
        self.pauses = []
        self.engine = Engine(
            self.core, find_workflow=lambda name: None, make_id=lambda: f"r{next(ids)}", pause=self.pause
        )
        self.engine.ownership.join()
        self.turn()

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.bench.clock.move(seconds)
        self.bench.paused(self)

    def turn(self, *messages):
        self.engine.turn([*messages, *self.engine._take_all()])

    def take_over(self):
        """Look as often as it takes to prove that those are dead who look so, and take what they owned."""
        for _ in range(self.store.looks_for_death):
            self.bench.clock.move(SECONDS_BETWEEN_LOOKS)
            self.turn()

    def ask(self, workflow, *inputs, key=None):
        """Put a request into the inbox; its answer comes into the list that is returned."""
        made = []
        for data in inputs or ({},):
            texts = {name: encode(value, name) for name, value in data.items()}
            made.append(NewExecution(f"e{next(ids)}", texts, joined(texts), key))
        answers = []
        self.inbox.put(StartRequest(workflow, "v", made, answers.append))
        return [new.id for new in made], answers

    def start(self, workflow, *inputs, key=None):
        """Start executions with a turn of their own; returns the id of the first."""
        executions, answers = self.ask(workflow, *inputs, key=key)
        self.turn()
        assert answers == [{}]
        return executions[0]

    def begin(self):
        """Let a body begin."""
        return self.executor.take()

    def end(self, job):
        """Let a body end, and its outcome arrive."""
        outcome = self.executor.end(job)
        self.inbox.put(outcome)
        return outcome

    def run(self, turns=100):
        """Run bodies one at a time, each with a turn of its own, until none is left and nothing is due."""
        for _ in range(turns):
            job = self.begin()
            if job is not None:
                self.end(job)
            elif seconds_to_wait(self.engine) > 0:
                return
            self.turn()

    def submitted(self):
        return [(job.task.id, job.attempt) for job in self.executor.jobs]


class Bench:
    """A database, its clock and its faults."""

    def __init__(self, database):
        self.database = database
        self.clock = HandClock()
        self.faults = Faults()
        self.observer = database.store()
        self.hands = []
        self.paused = lambda hand: None

    def hand(self, **settings):
        self.hands.append(Hand(self, **settings))
        return self.hands[-1]

    def crash(self, hand):
        self.hands.remove(hand)
        hand.store.die()

    def fail(self, *faults):
        self.faults.coming.extend(faults)

    def execution(self, id):
        return self.observer.read_execution(id)

    def attempts(self, id):
        return [(row.task, row.attempt, row.status) for row in self.observer.read_attempts(id)]

    def commits(self, work):
        """How many transactions ``work`` takes."""
        before = self.faults.commits
        work()
        return self.faults.commits - before

    def close(self):
        for hand in self.hands:
            hand.store.die()
        self.observer.close()
