"""``cloaca doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

import cloaca
from tests.world import SOON, environment

RUNNER = """
import sys, time
import cloaca

with cloaca.WorkflowBuilder("endless"):

    @cloaca.task
    def sleep(context):
        print("runs", flush=True)
        time.sleep(600)

runner = cloaca.DefaultRunner(sys.argv[1])
runner.start("endless").wait()
"""


@pytest.fixture
def other(shell):
    """A runner in another process, in the body of a task."""
    command = [sys.executable, "-c", RUNNER, shell.url]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "runs\n"
        yield process
        process.kill()


def found(shell, *options, status):
    return {
        one["check"]: one for one in shell.json("doctor", "--for", "0", *options, status=status)["findings"]
    }


def test_all_is_well_where_runners_work(shell, ended):
    with shell.runner() as runner:
        runner.execute("etl")
        lines = shell.run("doctor", "--for", "0").splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", check] for check in ("database", "tables", "locks", "runners", "clocks")
    ]
    assert "1 alive, owning 0 executions" in lines[3]


def test_a_runner_that_was_killed_is_found_with_what_it_owns(shell, other):
    other.send_signal(signal.SIGKILL)
    other.wait(SOON)
    runners = found(shell, status=1)["runners"]
    assert runners["grade"] == "wrong"
    assert (
        f"(process {other.pid} on {os.uname().nodename}) has ended without leaving; it owns 1 execution"
        in runners["text"]
    )
    assert "cloaca worker" in runners["next_step"]


def test_a_runner_that_was_stopped_is_found(shell, other):
    other.send_signal(signal.SIGSTOP)
    os.waitpid(other.pid, os.WUNTRACED)
    shown = shell.run("doctor", "--for", "0", status=1)
    assert f"process {other.pid} " in shown
    assert f"next: continue it with kill -CONT {other.pid}," in shown


def test_what_nobody_runs_is_found_once_it_has_waited_for_a_while(shell, waiting, monkeypatch):
    assert "executions" not in found(shell, status=0)
    monkeypatch.setattr("cloaca.insights.findings.PATIENCE_SECONDS", 0.0)
    executions = found(shell, status=1)["executions"]
    assert "1 execution of workflow 'etl' waits; the oldest" in executions["text"]
    assert "cloaca explain" in executions["next_step"]


def test_tables_that_are_not_there_or_old_are_left_as_they_are(shell, postgres_url, tmp_path):
    next_step = found(shell, "--db", postgres_url, status=1)["tables"]["next_step"]
    assert re.fullmatch("create them: cloaca migrate( --db .*)?", next_step)
    assert found(shell, "--db", postgres_url, status=1)["tables"]["text"] == "the database has none"
    missing = tmp_path / "missing.db"
    database = found(shell, "--db", f"sqlite:///{missing}", status=1)["database"]
    assert f"there is no database {missing}" in database["text"]
    assert database["next_step"].endswith(f": cloaca migrate --db sqlite:///{missing}")
    assert not missing.exists()


def test_a_database_that_cannot_be_reached_is_what_is_wrong(shell):
    shown = shell.run("doctor", "--db", "postgresql://ada:s3cret@127.0.0.1:1/app", status=1)
    assert shown.startswith("wrong  database")
    assert "check the server, host and port" in shown
    assert "s3cret" not in shown
    assert "in memory" in shell.refused("doctor", "--db", ":memory:")


def test_a_lock_that_is_held_names_who_holds_it(shell, sqlite_url, ended, monkeypatch):
    script = (
        "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\ndb.execute('begin immediate')\n"
        "print('holds', flush=True)\nsys.stdin.read()"
    )
    shell.run("migrate", "--db", sqlite_url)
    monkeypatch.setattr("cloaca.cli.doctor.PATIENCE_SECONDS", 0.05)
    command = [sys.executable, "-c", script, sqlite_url.removeprefix("sqlite:///")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        locks = found(shell, "--db", sqlite_url, status=1)["locks"]
        process.communicate()
    assert f"process {process.pid} (python" in locks["text"]


def test_a_damaged_file_is_found_if_it_is_read(shell, tmp_path):
    path = tmp_path / "damaged.db"
    path.write_bytes(b"this is no database" * 1000)
    (finding,) = shell.json("doctor", "--db", f"sqlite:///{path}", status=1)["findings"]
    assert (finding["check"], finding["grade"]) == ("database", "wrong")
    assert "is damaged or is not a SQLite database" in finding["text"]


def test_commands_to_type_next_name_the_database_where_it_is_not_the_one_meant(shell, waiting, monkeypatch):
    monkeypatch.setattr("cloaca.insights.findings.PATIENCE_SECONDS", 0.0)
    url, shell.url = shell.url, "sqlite:///other.db"
    next_step = found(shell, "--db", url, status=1)["executions"]["next_step"]
    listing, explaining = re.findall(r"cloaca (list|explain) .*?--db (\S+)", next_step)
    assert [listing[0], explaining[0]] == ["list", "explain"]


def test_a_client_works_while_it_is_looked_at(shell, ended):
    with cloaca.Client(shell.url) as client:
        assert found(shell, "--thorough", status=0)["locks"]["grade"] == "ok"
        assert len(client.list_executions()) == 2
