"""``cloaca explain``, ``history`` and ``diff``."""

from __future__ import annotations

import json
import re

from tests.cli.conftest import rest_of


def test_explain_says_why_and_which_command_helps(shell, ended, waiting):
    assert shell.run("explain", ended[0]) == f"it has ended as Completed\n  cloaca show {ended[0]}\n"
    shown = shell.run("explain", ended[1])
    assert "task 'load' failed: ValueError: on purpose" in shown
    assert f"\n  cloaca retry {ended[1]}\n" in shown
    document = shell.json("explain", waiting)
    assert (document["execution_id"], document["status"]) == (waiting, "Pending")
    assert document["reasons"][0].keys() == {"kind", "task", "text", "next_step"}


def test_the_command_that_helps_names_the_database_where_it_is_not_the_one_meant(shell, ended, monkeypatch):
    url, shell.url = shell.url, "sqlite:///other.db"
    (command,) = re.findall("\n  (cloaca retry .*)\n", shell.run("explain", ended[1], "--db", url))
    assert command.startswith(f"cloaca retry {ended[1]} --db ")
    assert shell.json("explain", ended[1], "--db", url)["reasons"][0]["next_step"] == command


def test_the_history_is_told_in_order(shell, ended):
    shell.run("retry", ended[1])
    shell.run("pause", ended[1])
    lines = shell.run("history", ended[1]).splitlines()[1:]
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    kinds = [line.split()[3] for line in lines]
    assert kinds[0] == "Started"
    assert kinds[-2:] == ["Retried", "Paused"]
    document = shell.json("history", ended[1])
    assert [record["kind"] for record in document["history"]] == kinds
    assert document["history"][0].keys() == {"number", "at", "kind", "task", "attempt", "text", "details"}


def test_a_narrow_terminal_shows_all_of_a_history(folder):
    id = json.loads(folder.run("run", "etl.py", "--json").stdout)["execution_id"]
    with folder.terminal("history", id, columns=40) as child:
        shown = rest_of(child)
    assert "task 'extract', attempt 1, completed" in shown.replace("\r\n", "\n")


def test_a_diff_says_where_two_executions_part_and_ends_with_1(shell, ended):
    assert shell.run("diff", ended[0], ended[0]) == "they do not differ\n"
    lines = shell.run("diff", *ended, status=1).splitlines()
    assert lines[0] == """first difference: input 'fail' is absent in A and "on purpose" in B"""
    assert re.search(r"^Status +load +Completed +Failed$", "\n".join(lines), re.MULTILINE)
    document = shell.json("diff", *ended, status=1)
    assert (document["a"], document["b"]) == tuple(ended)
    assert document["differences"][0].keys() == {"kind", "task", "key", "a", "b", "text"}


def test_rounds_and_forks_are_shown(shell, ended):
    shell.run("retry", ended[1])
    assert re.search(r"^round +2$", shell.run("show", ended[1]), re.MULTILINE)
    id = shell.json("fork", ended[0], "load")["execution_id"]
    assert f"from {ended[0]} at task load" in shell.run("show", id)
    shown = shell.json("show", id)
    assert (shown["forked_from"], shown["forked_at"], shown["round"]) == (ended[0], "load", 1)
