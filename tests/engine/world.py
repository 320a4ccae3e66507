"""Runners, bodies and faults of one schedule, all moved by one source of chances."""

import contextlib
import queue
from collections import defaultdict

from cloaca.engine.core import Core
from cloaca.engine.engine import Engine
from cloaca.engine.events import NewExecution, StartRequest, Stop
from cloaca.engine.executors import Executors
from cloaca.errors import DatabaseError
from cloaca.model.values import encode, joined
from cloaca.store.signals import CommitUnknown, StoreUnavailable
from tests.engine.bench import SECONDS_BETWEEN_LOOKS, faulty_store, seconds_to_wait
from tests.engine.faults import Crash, Faults
from tests.engine.hands import HandClock, HandExecutor
from tests.engine.scenario import POISON
from tests.engine.steering import Steering

ENDLESS = ("hang", "late")


class Runner:
    """One runner, as if in a process of its own; ``bodies`` are the jobs whose bodies have begun and not ended."""

    def __init__(self, world, make_id):
        self.world = world
        self.store = faulty_store(world.database, world.faults)
        self.executor = HandExecutor(world.clock, slots=world.slots, submitted=self.submitted)
        self.inbox = queue.SimpleQueue()
        core = Core(
            self.store,
            Executors(self.executor, None),
            clock=world.clock,
            inbox=self.inbox,
            settings=world.settings,
        )
        find = world.workflows.get
        self.engine = Engine(core, find_workflow=find, make_id=make_id, pause=self.pause)
        self.engine.ownership._ask_for = self.ask_for
        self.bodies = []
        self.in_turn = False
        self.turn_began = 0
        """The number of the next verb as its turn began."""
        self.disturbed = False
        """Whether it was taken for dead, ended or died: what it ran may run again."""

        self.store.between = world.steer_between

    def submitted(self, jobs):
        self.world.witness.submitted(jobs, self.world.run_of, self)

    @property
    def is_outlived(self):
        """Whether another has declared it dead."""
        return not self.world.witness.rows(
            "select 1 from cloaca_runners where id = ? and epoch = 0", self.engine.core.runner
        )

    def ask_for(self, names):
        """Looking workflows up takes a thread; here it takes no time."""
        ownership = self.engine.ownership
        unknown = names - ownership._looked_up
        ownership._looked_up |= unknown
        if unknown:
            ownership._look_up(sorted(unknown))

    def pause(self, seconds):
        self.world.background()
        self.world.tick(seconds)

    @property
    def has_news(self):
        is_due = seconds_to_wait(self.engine) == 0
        return bool(self.engine.core.set_aside) or not self.inbox.empty() or is_due

    def messages(self, most):
        messages, self.engine.core.set_aside = self.engine.core.set_aside, []
        while not messages or len(messages) < most:
            try:
                messages.append(self.inbox.get_nowait())
            except queue.Empty:
                break
        return messages


class Asked:
    """A request and what was answered."""

    def __init__(self, runs, request, runner):
        self.runs = runs
        self.request = request
        self.runner = runner
        self.answers = []


class World:
    """Everything of one schedule. Nothing in it happens by itself: see ``act`` and ``settle_down``."""

    def __init__(self, random, database, witness, *, faulty=True):
        self.random = random
        self.is_steered = random.random() < 0.7
        self.is_faulty = faulty
        self.database = database
        self.witness = witness
        self.clock = HandClock()
        self.faults = Faults()
        self.faults.refused = (POISON,)
        self.runners = []
        self.asked = []
        self.outcomes = []
        self.delivered = []
        self.ran = defaultdict(list)
        """By execution, round, task and attempt: the runners in which its body began."""
        self.crashes = 0
        self.steering = Steering(self)
        self._ids = self._names = 0

    def populate(self, scenario):
        self.scenario = scenario
        self.settings, self.slots = scenario.settings, scenario.slots
        self.workflows = {plan.workflow.name: plan.workflow for plan in scenario.plans}
        self.run_of = {}
        self.unstarted = list(scenario.runs)
        self.join()

    # -- runners -------------------------------------------------------------------------------------------------------

    def make_id(self):
        self._names += 1
        return f"r{self._names}"

    def join(self):
        """Start a runner; it may fail to, or die of it."""
        runner = Runner(self, self.make_id)
        try:
            runner.engine.ownership.join()
        except (Crash, StoreUnavailable, CommitUnknown, DatabaseError):
            runner.store.die()
            return
        self.runners.append(runner)

    def crash(self, runner):
        self.crashes += 1
        runner.disturbed = True
        self.runners.remove(runner)
        runner.store.die()
        self.outcomes = [(to, outcome) for to, outcome in self.outcomes if to is not runner]

    def turn(self, runner, messages):
        runner.in_turn, runner.turn_began = True, self.steering.verbs
        try:
            runner.engine.turn(messages)
        except Crash:
            self.crash(runner)
        runner.in_turn = False

    def shut_down(self, runner):
        """A clean end: what runs is handed over; until then its bodies go on."""
        runner.disturbed = runner.in_turn = True
        try:
            runner.engine.turn([Stop(0)])
            runner.engine._hand_over(Stop(0))
        except Crash:
            self.crash(runner)
            return
        self.runners.remove(runner)
        self.outcomes = [(to, outcome) for to, outcome in self.outcomes if to is not runner]
        for message in runner.engine._take_all():
            if isinstance(message, StartRequest):
                message.answer(RuntimeError("shut down"))
        runner.store.look_dead()
        runner.store.close()

    def look_for_the_dead(self, runner):
        """Look as often as it takes to prove their death."""
        for _ in range(runner.store.looks_for_death):
            self.tick(SECONDS_BETWEEN_LOOKS)
            self.turn(runner, [])

    # -- requests ------------------------------------------------------------------------------------------------------

    def ask(self, runs, runner):
        made = [self.new_execution(run) for run in runs]
        asked = Asked(runs, StartRequest(runs[0].plan.workflow, "v", made), runner)
        asked.request.answer = lambda answer: self.answered(asked, answer)
        self.asked.append(asked)
        for new in made:
            self.wait(runner, new.id)
        runner.inbox.put(asked.request)

    def wait(self, runner, execution):
        """Somebody in a runner's process waits for the end of an execution."""
        runner.engine.core.completions.wait(execution, lambda news: self.witness.told(execution, news))

    def new_execution(self, run):
        execution = self.new_id(run)
        texts = {key: encode(value, key) for key, value in run.initial.items()}
        return NewExecution(execution, texts, joined(texts), f"k{run.number}" if run.number % 2 else None)

    def new_id(self, run):
        self._ids += 1
        execution = f"e{self._ids}"
        self.run_of[execution] = run
        return execution

    def answered(self, asked, answer):
        asked.answers.append(answer)
        self.witness.answered(asked, answer)

    # -- bodies --------------------------------------------------------------------------------------------------------

    def fate(self, job):
        return self.run_of[job.execution_id].fate(job.node, job.attempt)

    def begin(self, job):
        """Called as a body begins; says how it is to end."""
        return self.fate(job)

    def take(self, runner):
        job = runner.executor.take()
        if job is not None:
            key = job.execution_id, job.round, job.task.id, job.attempt
            self.witness.began(job, runner, self.ran[key], self.is_poisoned)
            self.ran[key].append(runner)
            runner.bodies.append(job)
        return job

    def is_poisoned(self, execution):
        """Whether the database refuses what it leaves.

        If it cannot be read just then, all of the execution is read again later: until then its rows say what was, and
        what was never committed runs again.
        """
        return self.run_of[execution].is_poisoned

    def can_end(self, job):
        fate = self.fate(job)
        over = self.clock.monotonic() - job.started > job.timeout_seconds + 1e-6
        return fate != "hang" and (fate != "late" or over)

    def end(self, runner, job):
        if self.fate(job) == "kill" and not job.cancelled:
            self.kill(runner)
            return
        runner.bodies.remove(job)
        self.outcomes.append((runner, runner.executor.end(job)))

    def kill(self, runner):
        if runner.in_turn:
            raise Crash
        self.crash(runner)

    def deliver(self, number):
        runner, outcome = self.outcomes.pop(number)
        runner.inbox.put(outcome)
        self.delivered.append(outcome)

    def deliver_again(self):
        """An outcome comes twice, or comes to the runner that has taken over."""
        if self.delivered and self.runners:
            self.random.choice(self.runners).inbox.put(self.random.choice(self.delivered[-3:]))

    # -- time ----------------------------------------------------------------------------------------------------------

    def tick(self, seconds):
        """Let time pass. A body that is to end by itself does so before its limit."""
        for runner in sorted(self.runners, key=lambda runner: runner.in_turn):
            for job in list(runner.bodies):
                over = job.started + job.timeout_seconds - self.clock.monotonic() - seconds < 1e-6
                if (
                    over
                    and self.fate(job) not in ENDLESS
                    and job in runner.bodies
                    and not job.cancelled
                    and runner in self.runners
                ):
                    self.end(runner, job)
        self.clock.move(seconds)

    @contextlib.contextmanager
    def calm(self):
        """Nobody steers, and nothing fails."""
        before, self.is_steered = self.is_steered, False
        yield
        self.is_steered = before

    def steer_between(self, *, chance=0.02):
        """Others steer while a runner is about to read."""
        if self.is_steered and self.is_faulty and self.random.random() < chance:
            self.steering.from_outside(faulty=False)

    def background(self):
        """What goes on while a turn waits: bodies begin and end, messages come, others steer."""
        self.steer_between(chance=0.1)
        for _ in range(self.random.randint(0, 2)):
            runner = self.random.choice(self.runners) if self.runners else None
            if runner is None:
                return
            if self.random.random() < 0.5:
                self.take(runner)
            elif self.outcomes:
                self.deliver(self.random.randrange(len(self.outcomes)))
            elif self.unstarted:
                self.start_some(runner)

    def start_some(self, runner):
        first = self.random.choice(self.unstarted)
        alike = [
            run
            for run in self.unstarted
            if run.plan is first.plan and run is not first and not run.number % 2
        ]
        runs = [first, *alike[: self.random.randint(0, 2)]] if not first.number % 2 else [first]
        self.unstarted = [run for run in self.unstarted if run not in runs]
        self.ask(runs, runner)
