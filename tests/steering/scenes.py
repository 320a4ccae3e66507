"""Executions in every state there is, and the verbs as somebody else's process does them."""

from cloaca.engine.events import Steered
from cloaca.model import steering
from cloaca.model.retry import RetryPolicy
from cloaca.store.rows import StartRow
from tests.engine.bench import workflow

VERBS = {
    "cancel": steering.cancel,
    "pause": steering.pause,
    "resume": steering.resume,
    "retry": steering.retry,
}


class Fragile:
    """Two tasks in a row; the first fails as long as ``fails``."""

    def __init__(self, *, retry_attempts=0):
        self.fails = False
        policy = RetryPolicy(retry_attempts, initial_delay=60.0, max_delay=60.0, with_jitter=False)
        first = {"function": self.body, "retry": policy}
        self.workflow = workflow("w", {"a": first, "b": lambda context: {"b": 2}}, b="a")

    def body(self, context):
        if self.fails:
            raise ValueError("no")
        context["a"] = 1


class Scene:
    """One execution, the runner that may hold it, and who steers."""

    def __init__(self, bench, *, in_process):
        self.bench = bench
        self.hand = bench.hand()
        self.in_process = in_process
        self.code = Fragile()
        self.jobs = []
        """Of bodies that run."""

    def steer(self, verb):
        """Let somebody steer; in the owner's process its engine has learned of it when this returns."""
        applied = self.bench.observer.steering.apply(self.execution, VERBS[verb], self.bench.clock.now())
        if self.in_process:
            self.hand.turn(Steered([self.execution]))
        return applied

    def started(self):
        self.execution = self.hand.start(self.code.workflow)

    def begin(self):
        self.jobs.append(self.hand.begin())

    def end(self):
        for job in self.jobs:
            self.hand.end(job)
        self.jobs.clear()
        self.hand.turn()

    def run(self):
        """Let all bodies end, and all that is due by then."""
        self.end()
        for _ in range(3):
            self.bench.clock.move(61)
            self.hand.turn()
            self.hand.run()

    @property
    def row(self):
        return self.bench.execution(self.execution)

    @property
    def status(self):
        return self.row.status if self.row else None

    @property
    def attempts(self):
        return self.bench.attempts(self.execution)

    @property
    def events(self):
        return [event.kind for event in self.bench.observer.steering.events(self.execution)]


def unclaimed(scene):
    scene.hand.core.plans.clear()
    scene.hand.core.latest.clear()
    scene.execution = "e-unclaimed"
    now = scene.bench.clock.now()
    scene.bench.observer.enter(
        StartRow(scene.execution, "w", "", "", "Pending", None, 0, "{}", None, now, None)
    )


def ready(scene):
    scene.started()


def running(scene):
    scene.started()
    scene.begin()


def retrying(scene):
    scene.code = Fragile(retry_attempts=1)
    scene.code.fails = True
    scene.started()
    scene.begin()
    scene.end()
    scene.code.fails = False


def handed_over(scene):
    """Nobody owns it: its runner has left in the middle."""
    scene.started()
    scene.begin()
    scene.end()
    scene.hand.engine.ownership.leave()
    scene.bench.hands.remove(scene.hand)
    scene.hand.store.die()
    scene.hand = scene.bench.hand()


def paused_while_it_runs(scene):
    running(scene)
    scene.steer("pause")


def paused_at_rest(scene):
    ready(scene)
    scene.steer("pause")
    scene.bench.clock.move(2)
    scene.hand.turn()
    scene.hand.turn()


def completed(scene):
    scene.started()
    scene.hand.run()


def failed(scene):
    scene.code.fails = True
    scene.started()
    scene.hand.run()
    scene.code.fails = False


def cancelled(scene):
    running(scene)
    scene.steer("cancel")
    scene.end()


OPEN = [unclaimed, ready, running, retrying, handed_over]
PAUSED = [paused_while_it_runs, paused_at_rest]
ENDED = [completed, failed, cancelled]
