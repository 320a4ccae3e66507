"""What tests on the public API stand on: a registry and a folder of their own, runners that end, other processes."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cloaca
from cloaca.authoring import registry

ROOT = Path(__file__).resolve().parents[1]

SOON = 20
"""Seconds after which a test gives up waiting for what ought to happen at once."""


@pytest.fixture(autouse=True)
def _own_world(tmp_path, monkeypatch):
    """A registry, a folder and a database URL of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOACA_DATABASE_URL", raising=False)
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


@contextlib.contextmanager
def runners(default):
    """Makes runners on this database unless told otherwise; shuts them down at the end, in the reverse order."""
    with contextlib.ExitStack() as stack:

        def make(url=default, **settings):
            runner = cloaca.DefaultRunner(url, cloaca.DefaultRunnerConfig(**settings))
            stack.callback(runner.shutdown, timeout=1)
            return runner

        yield make


@pytest.fixture
def make_runner():
    """Runners on ``app.db`` unless told otherwise."""
    with runners("sqlite:///app.db") as make:
        yield make


@pytest.fixture
def runner(make_runner):
    """A runner on a new file."""
    return make_runner()


def workflow_of(name, *bodies, **options):
    """Build and register a workflow of these functions, none depending on another."""
    with cloaca.WorkflowBuilder(name) as builder:
        for body in bodies:
            cloaca.task(**options)(body)
    return builder.build()


def environment():
    """The environment of another process that runs this source."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLOACA_")}
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), kept.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return kept | {"PYTHONPATH": path}


def spawn(script, *arguments, prefix=()):
    """Start a program in another process, with pipes as its streams."""
    command = [*prefix, sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(
        command,
        env=environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(script, *arguments, prefix=(), status=0):
    """Run a program in another process to its end, and return what it printed to either stream."""
    with spawn(script, *arguments, prefix=prefix) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == status, f"ended with {process.returncode}:\n{out}\n{err}"
    return out, err
