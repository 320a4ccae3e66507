"""``cloaca watch``: an execution that somebody else runs."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import dataclass

import psycopg
import pytest

import cloaca
from tests.cli.conftest import plain, rest_of


@pytest.fixture
def runs(folder):
    """Another process that runs an ``etl`` whose second task waits for the gate."""
    with folder.begun("run", "etl.py", "--context", folder.gate()) as running:
        yield running


@pytest.fixture
def held(runs):
    """The id of this ``etl``, once its second task runs."""
    shown = ""
    while "transform started" not in shown:
        shown += runs.stdout.readline()
    return re.search("[0-9a-f]{8}-[0-9a-f-]{27}", shown)[0]


def test_in_a_pipe_each_change_is_a_line_and_the_exit_code_is_that_of_the_execution(folder, held):
    with folder.begun("watch", held) as watching:
        first = watching.stdout.readline()
        assert first == f"execution {held} of workflow etl: 1 of 3 tasks already completed\n"
        folder.open_gate()
        out, err = watching.communicate(timeout=20)
    assert (watching.returncode, err) == (0, "")
    assert re.match(r"task transform completed in .*\ntask load completed in .*\n\nCompleted in ", out)


def test_on_a_terminal_it_redraws_itself_until_the_end(folder, held):
    with folder.terminal("watch", held) as child:
        child.expect("1 running")
        folder.open_gate()
        shown = rest_of(child)
        assert child.exitstatus == 0
    assert "\x1b[?25h" in shown
    assert "3 of 3 tasks completed" in plain(shown)


def test_ctrl_c_ends_the_watching_and_nothing_else(folder, held):
    with folder.begun("watch", held) as watching:
        watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=20)
    assert watching.returncode == 130
    assert "Traceback" not in out + err
    assert json.loads(folder.run("show", held, "--json").stdout)["status"] == "Running"


def test_of_one_whose_process_died_it_is_told_that_nobody_works_on_it(folder, held, runs):
    runs.kill()
    runs.wait()
    with folder.begun("watch", held) as watching:
        assert watching.stdout.readline().endswith("1 of 3 tasks already completed\n")
        told = watching.stdout.readline()
    assert f"(process {runs.pid} on " in told
    assert "has ended or lost its connection: another runner takes over" in told
    shown = folder.run("show", held).stdout
    assert re.search(
        rf"^owner +runner \S+ \(process {runs.pid} on .*has ended or lost its connection", shown, re.MULTILINE
    )
    assert "\n  cloaca worker MODULE  # take it over" in shown


@pytest.fixture
def role(postgres_database):
    """A role of its own: whether it may log in can be changed."""
    name = f"watcher_{os.getpid()}"
    with psycopg.connect(postgres_database, autocommit=True) as db:
        db.execute(f"create role {name} login superuser password '{name}'")
        yield Role(db, name)
        db.execute(f"drop owned by {name} cascade")
        db.execute(f"drop role {name}")


@dataclass
class Role:
    db: psycopg.Connection
    name: str

    def url(self, url):
        head, _, tail = url.partition("://")[2].partition("@")
        return f"postgresql://{self.name}:{self.name}@{tail or head}"

    def lock_out(self):
        self.db.execute(f"alter role {self.name} nologin")
        self.db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (self.name,)
        )

    def let_in(self):
        self.db.execute(f"alter role {self.name} login")


def test_a_database_that_is_away_for_a_while_does_not_end_the_watching(folder, postgres_url, role):
    url = role.url(postgres_url)
    with cloaca.Client(url) as client:
        handle = client.start("etl")
        with folder.begun("watch", handle.execution_id, "--db", url) as watching:
            watching.stdout.readline()
            role.lock_out()
            assert "the database cannot be read at the moment, retrying: " in watching.stderr.readline()
            role.let_in()
            handle.cancel()
            out, err = watching.communicate(timeout=20)
    assert (watching.returncode, err) == (1, "")
    assert "\nCancelled in " in out


def test_what_has_ended_already_is_shown_with_what_to_type_next(shell, ended):
    done = shell.done("watch", ended[1], status=1)
    assert done.stdout.startswith(f"execution {ended[1]} of workflow etl has already ended\n\nFailed in ")
    assert f"Run the failed tasks again:\n  cloaca retry {ended[1]}\n" in done.stdout
    assert re.search(
        r"\ntask load failed in attempt 1: ValueError: on purpose\n  \S+invoked.py:\d+ in load\n", done.stdout
    )
    assert shell.run("watch", ended[0]).count("Completed in") == 1


def test_in_json_the_end_is_one_object_on_stdout(shell, ended):
    assert shell.json("watch", ended[1], status=1)["status"] == "Failed"
    assert shell.json("watch", ended[0])["context"]["total"] == 12
