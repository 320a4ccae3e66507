"""Runners whose turns a test takes one by one, so that it can put any two of them into any order."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from contextlib import closing
from typing import ClassVar

from cloaca.authoring import registry
from cloaca.clock import SystemClock, new_id
from cloaca.engine.core import Core
from cloaca.engine.engine import Engine
from cloaca.engine.events import Answer, Message, NewExecution, StartRequest
from cloaca.engine.executors import Executors
from cloaca.engine.settings import EngineSettings
from cloaca.executors.body import call_body, delta_of
from cloaca.executors.job import Interruption, Job, Outcome
from cloaca.executors.slots import Slots
from cloaca.insights import read_record
from cloaca.model.context import Context
from cloaca.model.values import encode, joined
from cloaca.store.sqlite.connection import connect, migrate
from cloaca.store.sqlite.store import SqliteStore
from cloaca.store.url import SqliteUrl
from tests.crash.processes import Site
from tests.crash.shapes import START, Recorder, Shape
from tests.crash.sqlite_audit import install_audit


class EagerExecutor:
    """Runs a body in the moment in which it is submitted; its outcome waits until the test hands it in."""

    def __init__(self) -> None:
        self.slots = Slots(100, SystemClock())
        self.outcomes: list[Outcome] = []

    @property
    def idle(self) -> bool:
        return self.slots.idle

    @property
    def delivered(self) -> bool:
        return not self.outcomes

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            context = Context.over(job.view, None)
            job.started_at = SystemClock.now()
            delta = delta_of(job, context, call_body(job, context))
            self.outcomes.append(Outcome(job, delta, None, job.started_at))

    def submit_exclusively(self, job: Job) -> None:
        self.submit([job])

    def drop(self, execution_id: str, why: Interruption) -> None:
        pass

    def abandon(self, job: Job, why: Interruption) -> None:
        pass

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass


class HandRunner:
    """A runner without threads. Bodies run when they are submitted; ``settle`` hands their outcomes in.

    None of them tidies up when it dies: ``made`` has all of them, for whoever closes their connections in the end.
    """

    made: ClassVar[list[HandRunner]] = []

    def __init__(self, site: Site, shape: Shape) -> None:
        self.made.append(self)
        self.journal = site.journal
        self._executor = EagerExecutor()
        url = SqliteUrl(site.database)
        with closing(connect(url)) as db:
            migrate(db, url)
            install_audit(db)
        Recorder(site.journal, site.url).register(shape)
        self.workflow = registry.workflow(shape.name)
        self.store = SqliteStore(url)
        core = Core(
            self.store, Executors(self._executor, lambda: self._executor), clock=SystemClock(),
            inbox=queue.SimpleQueue(), settings=EngineSettings(),
        )  # fmt: skip
        self.engine = Engine(core, find_workflow=registry.find_workflow, pause=lambda _: None)
        core.plan_of(self.workflow)
        self.engine.ownership.join()
        self.turn()

    @property
    def id(self) -> str:
        return self.engine.core.runner

    def turn(self, *messages: Message) -> None:
        """Take one turn."""
        self.engine.turn(messages)

    def look(self) -> None:
        """Take a turn in which it is time to look for dead runners and for work."""
        self.engine.ownership.due = 0.0
        self.turn()

    def settle(self) -> None:
        """Take a turn with the outcomes of all bodies that have run."""
        outcomes, self._executor.outcomes = self._executor.outcomes, []
        self.turn(*outcomes)

    def start(self) -> str:
        """Start an execution, acknowledge it in the journal, and run its first bodies."""
        texts = {key: encode(value, key) for key, value in START.items()}
        new = NewExecution(new_id(), texts, joined(texts), None)
        self.turn(StartRequest(self.workflow, self.workflow.version, [new], self._acknowledge(new.id)))
        return new.id

    def _acknowledge(self, execution: str) -> Answer:
        return lambda _: self.journal.write("acknowledged", execution, workflow=self.workflow.name)

    def finish(self) -> None:
        """Go on until nothing is left to do here, or for as long as nothing can be left."""
        self.look()
        for _ in range(2 * len(self.workflow.graph)):
            self.settle()

    def note_results(self) -> None:
        """Write down what the database tells of each execution."""
        for row in self.store.list_executions(workflow=None, status=None, after=None, limit=100):
            record = read_record(self.store, row.id, code_of=lambda _: None)
            context, status = record.context.to_dict(), str(record.status)
            self.journal.write("result", row.id, workflow=row.workflow, status=status, context=context)

    def hand_over(self) -> None:
        """Give up everything and leave."""
        self.engine.ownership.leave()

    def die(self) -> None:
        """Look like a runner whose process has ended; its turns can still be taken, as those of one that woke up."""
        assert self.store._locks
        self.store._locks.drop(self.id)
