"""The pytest plugin, in projects of its users."""

import subprocess
import sys
import tomllib

import pytest

from tests.world import ROOT

PROJECT = """
import sys
import threading

import pytest

LIGHT = "cloaca" not in sys.modules

import cloaca
from cloaca.authoring import registry

with cloaca.WorkflowBuilder("of-the-project"):

    @cloaca.task(retry_attempts=3, retry_delay_ms=600_000)
    def load(context, handle):
        if handle.attempt == 1:
            raise ConnectionError("gone")
        context["loaded"] = True


def test_nothing_was_imported_before():
    assert LIGHT


def test_what_the_project_declares_is_there(cloaca_runner):
    with cloaca.WorkflowBuilder("of-one-test"):
        cloaca.task(lambda context: None, id="one")
    assert cloaca_runner.execute("of-one-test").status == "Completed"
    assert registry.registered_names() == ["of-the-project", "of-one-test"]


def test_what_another_test_declared_is_not(cloaca_runner):
    assert registry.registered_names() == ["of-the-project"]
    assert cloaca_runner.list_executions() == []


def test_the_runner_goes_by_the_clock(cloaca_runner, cloaca_clock):
    handle = cloaca_runner.start("of-the-project")
    cloaca_clock.move(3600)
    assert handle.result(timeout=20)["loaded"]


def test_the_runner_goes_by_the_clock_in_whatever_order_they_are_named(cloaca_clock, cloaca_runner):
    handle = cloaca_runner.start("of-the-project")
    cloaca_clock.move(3600)
    assert handle.result(timeout=20)["loaded"]


@pytest.fixture
def hour_passes(cloaca_clock):
    return lambda: cloaca_clock.move(3600)


def test_the_clock_may_come_by_a_fixture(cloaca_runner, hour_passes):
    handle = cloaca_runner.start("of-the-project")
    hour_passes()
    assert handle.result(timeout=20)["loaded"]


def test_the_runner_of_the_test_before_has_ended():
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("cloaca-engine")] == []


class TestUnderOtherSettings:
    @pytest.fixture
    def cloaca_config(self):
        return cloaca.DefaultRunnerConfig(retry_attempts=1)

    @pytest.fixture
    def cloaca_database_url(self):
        return "sqlite:///:memory:"

    def test_they_count(self, cloaca_runner, cloaca_clock):
        with cloaca.WorkflowBuilder("failing"):
            cloaca.task(lambda context: 1 / 0, id="one")
        handle = cloaca_runner.start("failing")
        cloaca_clock.move(60)
        assert len(handle.result(timeout=20).tasks["one"].attempts) == 2
        assert "memory" in repr(cloaca_runner)
"""


@pytest.fixture
def project(tmp_path):
    """Runs pytest on the project, with what is installed found in ``site`` too."""

    def run(*options, site=()):
        path = [str(ROOT / "src"), *map(str, site)]
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *options],
            cwd=tmp_path, env={"PATH": "", "PYTHONPATH": ":".join(path)}, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip

    (tmp_path / "test_project.py").write_text(PROJECT, encoding="utf-8")
    return run


@pytest.fixture
def installed(tmp_path):
    """A folder with the entry points of pyproject.toml, as an installation makes them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / "site" / "other_cloaca-1.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: other-cloaca\nVersion: 1\n", encoding="utf-8"
    )
    lines = [f"{name} = {value}" for name, value in project["entry-points"]["pytest11"].items()]
    info.joinpath("entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]), encoding="utf-8")
    return info.parent


def test_an_installation_brings_the_fixtures(project, installed):
    done = project(site=[installed])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout


def test_naming_the_plugin_beside_an_installation_loads_it_once(project, installed):
    done = project("-p", "pytest_cloaca", "-k", "declare", site=[installed])
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_can_be_left_out(project, installed):
    done = project("-p", "no:pytest_cloaca", "-k", "nothing_was_imported", site=[installed])
    assert "1 passed" in done.stdout, done.stdout + done.stderr
