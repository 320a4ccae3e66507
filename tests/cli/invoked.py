"""Commands run in this process, on a database that holds a few executions."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

import cloaca
from cloaca.cli.main import cloaca as program
from tests.world import SOON, workflow_of


@dataclass
class Shell:
    """Where commands are typed: ``CLOACA_DATABASE_URL`` names the database."""

    url: str

    def run(self, *arguments, status=0):
        """What a command prints to stdout."""
        return self.done(*arguments, status=status).stdout

    def refused(self, *arguments):
        """What it says that cannot be done; nothing is printed as a result."""
        done = self.done(*arguments, status=2)
        assert done.stdout == ""
        return done.stderr

    def json(self, *arguments, status=0):
        """The one document that it prints with ``--json``."""
        shown = self.run(*arguments, "--json", status=status)
        assert shown.count("\n") == 1
        return json.loads(shown)

    def done(self, *arguments, status=0):
        done = CliRunner().invoke(
            program, [*arguments], env={"CLOACA_DATABASE_URL": self.url}, catch_exceptions=False
        )
        assert done.exit_code == status, done.output
        return done

    @contextmanager
    def runner(self, **settings):
        """A runner in this process."""
        with cloaca.DefaultRunner(self.url, cloaca.DefaultRunnerConfig(**settings)) as runner:
            yield runner


def fetch(context):
    context["rows"] = [3, 4, 5]


def load(context):
    if "fail" in context:
        raise ValueError(context["fail"])
    context["total"] = sum(context["rows"])


def tell(context):
    context["told"] = True


def declare_etl():
    """The workflow ``etl``: ``fetch``, then ``load``, which fails if it is told so, then ``tell``."""
    with cloaca.WorkflowBuilder("etl"):
        first = cloaca.task(fetch)
        second = cloaca.task(dependencies=[first])(load)
        cloaca.task(dependencies=[second])(tell)


@pytest.fixture
def shell(database_url):
    """A shell on an empty database."""
    declare_etl()
    workflow_of("idle", tell)
    return Shell(database_url)


@pytest.fixture
def ended(shell):
    """The ids of an ``etl`` that completed and of one that failed."""
    with shell.runner() as runner:
        handles = [runner.start("etl"), runner.start("etl", {"fail": "on purpose"})]
        for handle in handles:
            handle.result(20)
    return [handle.execution_id for handle in handles]


@pytest.fixture
def waiting(shell):
    """The id of an ``etl`` that nobody has claimed."""
    with cloaca.Client(shell.url) as client:
        return client.start("etl").execution_id


@pytest.fixture
def declared(shell):
    """The trigger ``inbox`` of the workflow ``noting``, which has fired once."""
    polls, noted = iter([True]), threading.Event()

    def note(context):
        noted.set()

    workflow_of("noting", note)

    @cloaca.trigger(workflow="noting", name="inbox", poll_interval="50ms")
    def inbox():
        return cloaca.TriggerResult(should_fire=next(polls, False))

    with shell.runner():
        assert noted.wait(SOON)


@pytest.fixture
def fired(shell):
    """The id of a schedule that has fired."""
    shell.run("migrate")
    id = shell.json("schedule", "add", "idle", "* * * * * *")["schedule_id"]
    with shell.runner() as runner:
        deadline = time.monotonic() + SOON
        while not runner.get_cron_execution_history(id):
            assert time.monotonic() < deadline
    return id
