"""``cloaca list`` and ``cloaca show``."""

from __future__ import annotations

import re
import subprocess

import pytest

import cloaca
from tests.cli.conftest import PROGRAM, plain, rest_of
from tests.cli.invoked import tell
from tests.world import workflow_of


def test_executions_are_listed_newest_first_in_aligned_columns(shell, ended, waiting):
    header, *lines = shell.run("list").splitlines()
    assert header.split("  ")[0] == "execution"
    assert [line.split()[0] for line in lines] == [waiting, *reversed(ended)]
    assert [line.split()[2] for line in lines] == ["Pending", "Failed", "Completed"]
    column = header.index("status")
    assert all(line[column:].startswith(("Pending", "Failed", "Completed")) for line in lines)
    assert lines[1].endswith("task 'load' failed: ValueError: on purpose")


def test_filters_narrow_the_list(shell, ended, waiting):
    def ids(*options):
        return [one["execution_id"] for one in shell.json("list", *options)["executions"]]

    assert ids("--status", "failed") == [ended[1]]
    assert ids("--workflow", "etl", "--status", "Completed") == [ended[0]]
    assert ids("--workflow", "nothing") == []
    assert shell.run("list", "--ids", "--limit", "2").split() == [waiting, ended[1]]
    assert shell.run("list", "--workflow", "nothing").split()[0] == "execution"


def test_the_command_for_the_next_page_is_printed_and_works(shell, ended, waiting):
    done = shell.done("list", "--limit", "1", "--workflow", "etl")
    (command,) = re.findall(r"  cloaca (.*)", done.stderr)
    assert command == f"list --workflow etl --limit 1 --after {waiting}"
    after = shell.done(*command.split())
    assert after.stdout.split("\n")[1].split()[0] == ended[1]
    last = shell.done("list", "--limit", "1", "--after", ended[1])
    assert (last.stdout.split("\n")[1].split()[0], last.stderr) == (ended[0], "")
    assert shell.json("list", "--limit", "2")["next"] == ended[1]
    assert shell.json("list", "--limit", "3")["next"] is None


def test_an_execution_in_json_has_stable_keys(shell, ended):
    listed = shell.json("list")["executions"][0]
    shown = shell.json("show", ended[1])
    keys = {
        "execution_id", "workflow", "workflow_version", "status", "error", "created_at", "started_at", "finished_at",
    }  # fmt: skip
    assert keys <= listed.keys()
    assert listed.items() <= shown.items()
    assert listed.keys() | {"waiting_for", "context", "written_by", "conflicts", "tasks"} <= shown.keys()
    assert shown["written_by"] == {"fail": None, "rows": "fetch"}
    assert shown["tasks"]["load"]["attempts"][0]["error"]["message"] == "on purpose"
    assert shown["context"] == {"fail": "on purpose", "rows": [3, 4, 5]}


def test_a_failed_execution_tells_what_failed_where_and_what_to_type_next(shell, ended):
    shown = shell.run("show", ended[1])
    assert re.search(r"^status +Failed$", shown, re.MULTILINE)
    assert re.search(r"^load +Failed +1 .* ValueError: on purpose$", shown, re.MULTILINE)
    assert re.search(r"^tell +Skipped ", shown, re.MULTILINE)
    place = r"task load failed in attempt 1: ValueError: on purpose\n  \S*invoked.py:\d+ in load\n    raise ValueError"
    assert re.search(place, shown)
    next = shown.partition("\nnext\n")[2]
    assert f"cloaca retry {ended[1]} " in next
    assert f"cloaca fork {ended[1]} load " in next


def test_the_values_of_the_context_are_shown_where_they_are_asked_for(shell, ended):
    assert "\ncontext  3 keys: rows (fetch), total (load), told (tell)\n" in shell.run("show", ended[0])
    assert re.search(r"^rows +fetch +\[3, 4, 5\]", shell.run("show", ended[0], "--context"), re.MULTILINE)


def test_an_execution_that_nobody_has_claimed_has_no_tasks_yet(shell, waiting):
    shown = shell.run("show", waiting)
    assert "a runner with capacity" in shown
    assert "\ntask " not in shown


def test_a_beginning_of_an_id_means_the_execution(shell, ended):
    for typed in (ended[1].upper(), f" {ended[1]}", _beginning(*ended)):
        assert shell.json("show", typed)["execution_id"] == ended[1]


def _beginning(other, wanted):
    return next(wanted[:size] for size in range(8, 37) if not other.startswith(wanted[:size]))


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("0123", "ID '0123' is too short: type at least 8 characters"),
        ("01234567", "execution '01234567' is not in "),
        ("01234567-0000-7000-8000-000000000000", "is not in "),
        ("no id at all", "execution 'no id at all' is not in "),
        ("01234567\x1b", r"execution '01234567\x1b' is not in "),
    ],
)
def test_an_id_that_means_nothing_is_refused(shell, ended, typed, why):
    assert why in shell.refused("show", typed)


def test_a_beginning_of_several_ids_names_them(shell):
    with cloaca.Client(shell.url) as client:
        ids = [handle.execution_id for handle in client.start_many("etl", [None] * 7)]
        rest = client.find_ids(ids[0][:8], limit=9)
    refused = shell.refused("show", ids[0][:8])
    assert f"ID '{ids[0][:8]}' begins several: type more of one of " in refused
    assert [id for id in sorted(ids) if id in refused] == sorted(rest)[:5]
    assert refused.endswith(" and more\n")


def test_a_database_that_is_not_there_is_not_made(shell, tmp_path):
    missing = tmp_path / "missing.db"
    for command in ("list", "show"):
        arguments = [command, *(["0" * 36] if command == "show" else []), "--db", f"sqlite:///{missing}"]
        assert f"there is no database {missing}: check --db" in shell.refused(*arguments)
        assert not missing.exists()
    shell.url = f"sqlite:///{missing}"
    assert f"there is no database {missing}: check CLOACA_DATABASE_URL and" in shell.refused("list")
    assert "in memory" in shell.refused("list", "--database-url", "sqlite:///:memory:")


def test_a_password_is_never_shown(shell):
    refused = shell.refused("list", "--db", "postgresql://ada:s3cret@127.0.0.1:1/app")
    assert "127.0.0.1" in refused
    assert "s3cret" not in refused


def test_on_a_terminal_it_is_a_table_in_colour_that_never_cuts_an_id(folder):
    del folder.environment["NO_COLOR"]
    folder.run("run", "etl.py", "--context", '{"fail": "%s"}' % ("very " * 40))
    with folder.terminal("list") as child:
        shown = rest_of(child)
        assert child.exitstatus == 0
    assert re.search(r"\x1b\[1;31mFailed", shown)
    (line,) = [line for line in plain(shown).splitlines() if "Failed" in line]
    assert re.match(r"[0-9a-f-]{36} ", line)
    assert len(line) <= 100
    with folder.terminal("list", columns=80) as child:
        header, line = plain(rest_of(child)).split("\n")[:2]
    assert header.split() == ["execution", "workflow", "status", "created", "(UTC)"]
    assert re.fullmatch(r"[0-9a-f-]{36}  etl       Failed  [0-9-]+ [0-9:]{8}", line.strip())
    with folder.terminal("show", line[:36]) as child:
        shown = plain(rest_of(child))
    assert re.search(r"etl.py:\d+ in load", shown)
    assert f"cloaca fork {line[:36]} load" in shown


def test_what_a_task_says_cannot_steer_the_terminal(shell):
    with shell.runner() as runner:
        id = runner.execute("etl", {"fail": "\x1b[2J\u202e\u200f", "\x1b]0;key": "\x1b[2J"}).execution_id
    for command in (["list"], ["show", id, "--context"], ["show", id], ["explain", id], ["history", id]):
        shown = shell.run(*command)
        assert "\x1b" not in shown
        assert not {"\u202e", "\u200f"} & set(shown)
    assert r"ValueError: \x1b[2J\u202e" in shell.run("show", id)
    assert "\x1b" not in shell.run("watch", id, status=1)


def test_names_that_are_shown_wide_are_aligned_by_their_width(shell):
    workflow_of("\u65e5\u672c\u8a9e", tell)
    with cloaca.Client(shell.url) as client:
        for name in ("\u65e5\u672c\u8a9e", "abcdef"):
            client.start(name)
    rows = [line.partition("Pending")[0][38:] for line in shell.run("list").splitlines()[1:]]
    assert rows == ["abcdef    ", "\u65e5\u672c\u8a9e    "]


def test_in_a_pipe_there_is_no_colour_and_a_reader_that_leaves_does_no_harm(folder):
    folder.environment.pop("NO_COLOR")
    folder.run("run", "etl.py")
    assert "\x1b" not in folder.run("list").stdout
    with folder.begun("list") as process:
        process.stdout.close()
        assert process.wait(20) in (0, 1)
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("command", ["list", "list --json", "run etl.py --json", "graph etl.py", "--help"])
def test_output_that_cannot_be_written_is_an_error_and_no_traceback(folder, command):
    folder.run("run", "etl.py")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [PROGRAM, *command.split()], cwd=folder.path, env=folder.environment, check=False,
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=20,
        )  # fmt: skip
    assert done.returncode == 2
    last = "Error: the output cannot be written: No space left on device: write it elsewhere\n"
    assert done.stderr.endswith(last)
    assert "Traceback" not in done.stderr
