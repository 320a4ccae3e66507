"""Schedulers of several processes on one database, one of which is killed."""

import signal
import threading

import pytest

import cloaca
from cloaca.runner import config
from cloaca.store.postgres import store
from tests import databases
from tests.world import SOON, spawn, workflow_of

MEMBER = """
import sys

import cloaca

with cloaca.WorkflowBuilder("w"):

    @cloaca.task
    def body(context): ...


@cloaca.trigger(on="w", poll_interval="50ms", allow_concurrent=True)
def t():
    print("asked", flush=True)
    return cloaca.TriggerResult.fire({"from": "killed"})


runner = cloaca.DefaultRunner(sys.argv[1])
sys.stdin.read()
"""


@pytest.fixture
def url(database_url, monkeypatch):
    """Where the dead are believed to be dead at once, however young the server is."""
    statement = store.SQL["list_runners"]
    assert databases.YOUNG in statement
    monkeypatch.setitem(store.SQL, "list_runners", statement.replace(databases.YOUNG, "interval '0 seconds'"))
    monkeypatch.setattr(config, "PATROL_SECONDS", 0.05)
    return database_url


def body(context): ...


def test_a_trigger_of_a_process_that_is_killed_is_asked_by_another(url):
    asked_here = threading.Event()

    def here():
        asked_here.set()
        return False

    with spawn(MEMBER, url) as other:
        assert other.stdout.readline() == "asked\n"
        workflow_of("w", body)
        cloaca.trigger(on="w", name="t", poll_interval="50ms", allow_concurrent=True)(here)
        with cloaca.DefaultRunner(url) as runner:
            assert other.stdout.readline() == "asked\n"
            assert not asked_here.is_set()
            other.send_signal(signal.SIGKILL)
            other.wait()
            assert asked_here.wait(SOON)
            assert runner.get_trigger_execution_history("t")
