"""The commands that steer executions: cancel, pause, resume, retry, fork, delete."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import rest_of


def status(shell, id):
    return shell.json("show", id)["status"]


def test_an_execution_is_paused_resumed_and_cancelled(shell, waiting):
    assert f"execution {waiting} is Paused: resume it with cloaca resume {waiting}" in shell.run(
        "pause", waiting
    )
    assert f"cloaca resume {waiting} " in shell.run("show", waiting).partition("\nnext\n")[2]
    assert shell.json("resume", waiting)["status"] == "Pending"
    assert shell.run("cancel", waiting) == f"execution {waiting} is Cancelled\n"
    assert shell.json("cancel", waiting)["status"] == "Cancelled"


def test_retry_opens_a_round_that_the_next_runner_takes_up(shell, ended, monkeypatch):
    shown = shell.run("retry", ended[1])
    assert shown == f"execution {ended[1]} is Running: follow it with cloaca watch {ended[1]}\n"
    with shell.runner() as runner:
        assert runner.get_handle(ended[1]).result(20).status == "Failed"
    assert len(shell.json("show", ended[1])["tasks"]["load"]["attempts"]) == 2


def test_a_fork_goes_on_from_a_task_with_an_edited_context(shell, ended):
    shown = shell.run("fork", ended[0], "load", "--set", "rows=[1, 2]", "--set", 'name="ada"')
    (id,) = re.findall(r"^execution (\S+) is Pending: follow it with cloaca watch \1\n$", shown)
    with shell.runner() as runner:
        assert runner.get_handle(id).result(20).status == "Completed"
    forked = shell.json("show", id)
    assert forked["context"] == {"rows": [1, 2], "name": "ada", "total": 3, "told": True}
    assert status(shell, ended[0]) == "Completed"


def test_a_fork_can_be_followed_to_its_end(shell, ended):
    with shell.runner():
        done = shell.done("fork", ended[1], "load", "--set", 'fail="again"', "--wait", status=1)
    assert "at task load" in done.stderr
    assert "task load failed in attempt 1: ValueError: again" in done.stdout


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ("rows", "--set 'rows' must be KEY=JSON"),
        ("=1", "--set '=1' must be KEY=JSON"),
        ("name=ada", "its value is not JSON"),
    ],
)
def test_an_edit_that_cannot_be_is_refused(shell, ended, edit, why):
    assert why in shell.refused("fork", ended[0], "load", "--set", edit)


def test_what_cannot_be_steered_says_why_and_what_to_do(shell, ended, waiting):
    completed, failed = ended
    for command, id, why in [
        ("cancel", completed, "is Completed and cannot be cancelled"),
        ("pause", failed, "is Failed and cannot be paused"),
        ("resume", failed, "it has ended: retry it to run the failed tasks again"),
        ("retry", completed, "it has ended: fork it to run some of its tasks again"),
        ("retry", waiting, "wait for its end, or cancel it first"),
    ]:
        refused = shell.refused(command, id)
        assert why in refused
        assert refused.count("\n") == 1
    assert "is Pending and cannot be deleted: cancel it first" in shell.refused("delete", waiting, "--yes")
    assert "did you mean 'load'?" in shell.refused("fork", completed, "loda")


def test_deleting_takes_yes_where_nobody_can_be_asked(shell, ended):
    assert "add --yes" in shell.refused("delete", ended[0])
    assert status(shell, ended[0]) == "Completed"
    assert shell.run("delete", ended[0], "--yes") == f"execution {ended[0]} is removed\n"
    assert "is not in" in shell.refused("show", ended[0])
    assert shell.json("delete", ended[1], "--yes") == {"deleted": [ended[1]]}


def test_on_a_terminal_deleting_asks(folder):
    id = re.search("[0-9a-f-]{36}", folder.run("run", "etl.py").stdout)[0]
    with folder.terminal("delete", id) as child:
        child.expect(r"Removing execution .* of workflow 'etl'\? \[y/N\]")
        child.sendline("n")
        assert "Nothing was removed." in rest_of(child)
        assert child.exitstatus == 1
    with folder.terminal("delete", id) as child:
        child.expect(r"\[y/N\]")
        child.sendline("y")
        assert "is removed" in rest_of(child)
        assert child.exitstatus == 0
    assert folder.run("show", id).returncode == 2


def test_a_database_elsewhere_is_named_in_the_command_to_type_next(folder):
    id = re.search(
        "[0-9a-f-]{36}",
        folder.run("run", "etl.py", "--db", "sqlite:///other.db", "--context", '{"fail": "x"}').stdout,
    )[0]
    shown = folder.run("retry", id, "--db", "sqlite:///other.db").stdout
    assert shown.endswith(f"cloaca watch {id} --db sqlite:///other.db\n")
    assert folder.run("pause", id, CLOACA_DATABASE_URL="sqlite:///other.db").stdout.endswith(
        f"cloaca resume {id}\n"
    )
