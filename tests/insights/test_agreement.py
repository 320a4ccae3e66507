"""Histories of executions that are steered, handed over and crashed at random, by clocks that are set back."""

import random
from contextlib import suppress

import pytest

from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.clock import new_id
from cloaca.errors import ExecutionStateError
from cloaca.insights.reading import read_stored
from cloaca.model.forking import kept
from cloaca.model.retry import RetryPolicy
from cloaca.model.steering import cancel, pause, resume, retry
from cloaca.store.steering import Fork
from tests.engine.scenario import make_dependencies, make_rule
from tests.insights.agreement import check_history

VERBS = (cancel, pause, pause, resume, resume, resume, retry, retry)


class Play:
    """A bench on which one source of chances decides what happens."""

    def __init__(self, bench, chance):
        self.bench = bench
        self.chance = chance
        self.executions = []
        self.hand = bench.hand()
        self.workflow = Workflow("w", tasks=self.tasks())
        self.hand.engine.ownership._find_workflow = lambda name: self.workflow

    def tasks(self):
        def body(context):
            if self.chance.random() < 0.25:
                raise OSError("no route")
            context[self.chance.choice("abc")] = self.chance.randrange(3)

        return [
            Task(
                body, id=task, dependencies=tuple(deps), trigger_rules=make_rule(self.chance, deps),
                retry=RetryPolicy(self.chance.randint(0, 2), initial_delay=self.chance.choice([0, 0.5])),
            )
            for task, deps in make_dependencies(self.chance).items()
        ]  # fmt: skip

    def step(self):
        kind = self.chance.randrange(12)
        if kind == 0 or not self.executions:
            self.executions.append(self.hand.start(self.workflow))
        elif kind < 5:
            self.end_some()
        elif kind < 9:
            self.steer()
        elif kind == 9:
            self.fork()
        elif kind == 10:
            self.bench.clock.start += self.chance.choice([-7.0, -0.5, 0.5, 3.0])
        else:
            self.replace()
        self.hand.turn()

    def end_some(self):
        for _ in range(self.chance.randint(1, 4)):
            job = self.hand.begin()
            if job is not None and not job.cancelled:
                self.hand.end(job)
            self.bench.clock.move(self.chance.choice([0.0, 0.01, 1.0]))
            self.hand.turn()

    def steer(self):
        with suppress(ExecutionStateError):
            verb = self.chance.choice(VERBS)
            self.bench.observer.steering.apply(self.chance.choice(self.executions), verb, self.now())

    def fork(self):
        stored = read_stored(self.bench.observer, self.chance.choice(self.executions))
        if stored.graph.ids:
            task = self.chance.choice(stored.graph.ids)
            attempts = kept(stored.graph, stored.attempts, from_task=task, edited=())
            fork = Fork(new_id(), stored.row.id, task, stored.row.input, attempts, self.now())
            self.bench.observer.steering.fork(fork)
            self.executions.append(fork.id)

    def replace(self):
        """Its runner dies, or hands over, and another one takes what it has left."""
        old = self.hand
        if self.chance.random() < 0.5:
            old.engine.ownership.leave()
        self.bench.crash(old)
        self.hand = self.bench.hand()
        self.hand.engine.core.plan_of(self.workflow)
        self.hand.take_over()
        self.hand.turn()

    def now(self):
        return self.bench.clock.now()


@pytest.mark.parametrize("number", range(4))
def test_a_history_tells_what_is_stored_in_an_order_that_can_have_been(bench, number):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown where it fails
    play = Play(bench, random.Random(seed))
    for _ in range(30):
        play.step()
        for execution in play.executions:
            check_history(bench.observer, execution)
