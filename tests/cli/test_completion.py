"""``cloaca completion``: the script, and what is completed from the database."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from click.shell_completion import ShellComplete

from cloaca.cli.completion import SHELLS
from cloaca.cli.main import cloaca
from tests.cli.conftest import PROGRAM


def completed(shell, *words):
    """What the last of the words is completed to."""
    os.environ["CLOACA_DATABASE_URL"] = shell.url
    try:
        found = ShellComplete(cloaca, {}, "cloaca", "_CLOACA_COMPLETE").get_completions(
            list(words[:-1]), words[-1]
        )
    finally:
        del os.environ["CLOACA_DATABASE_URL"]
    return [item.value for item in found]


def test_ids_names_and_tasks_complete_from_the_database(shell, ended):
    assert completed(shell, "show", "") == ended[::-1]
    assert completed(shell, "show", ended[0]) == [ended[0]]
    assert completed(shell, "list", "--workflow", "e") == ["etl"]
    assert completed(shell, "fork", ended[0], "") == ["fetch", "load", "tell"]
    assert completed(shell, "list", "--status", "F") == ["failed"]
    id = shell.json("schedule", "add", "idle", "@daily")["schedule_id"]
    assert completed(shell, "schedule", "show", id[:4]) == [id]


def test_an_old_id_completes_too(shell, ended, monkeypatch):
    monkeypatch.setattr("cloaca.cli.completion_values.MOST", 1)
    assert completed(shell, "show", ended[0]) == [ended[0]]


def test_commands_complete_and_what_is_not_one_does_no_harm(shell):
    assert completed(shell, "re") == ["resume", "retry"]
    assert completed(shell, "nothing", "x") == []


def test_a_database_that_is_not_there_is_not_made_by_completing(shell, tmp_path):
    shell.url = f"sqlite:///{tmp_path}/missing.db"
    assert completed(shell, "show", "0") == []
    assert not (tmp_path / "missing.db").exists()
    shell.url = "postgresql://ada@127.0.0.1:1/none"
    assert completed(shell, "show", "0") == []
    shell.url = "mysql://nothing"
    assert completed(shell, "show", "0") == []


@pytest.mark.parametrize("command", ["run", "worker shop.py", "plan", "graph", "workflows show"])
def test_where_a_file_is_named_files_complete(command):
    (item,) = ShellComplete(cloaca, {}, "cloaca", "_CLOACA_COMPLETE").get_completions(command.split(), "sh")
    assert (item.value, item.type) == ("sh", "file")


@pytest.mark.parametrize("name", SHELLS)
def test_the_script_is_printed_for_each_shell(shell, name):
    script = shell.run("completion", name)
    assert "_CLOACA_COMPLETE" in script
    if shutil.which(name):
        subprocess.run([name, "-n"], input=script, text=True, check=True)


def test_bash_completes_with_the_script(folder):
    script = (
        f'cloaca() {{ "{PROGRAM}" "$@"; }}; eval "$({PROGRAM} completion bash)"\n'
        'COMP_WORDS=(cloaca sho); COMP_CWORD=1; _cloaca_completion cloaca; echo "${COMPREPLY[@]}"'
    )
    environment = folder.environment | {"PATH": f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script],
        env=environment,
        cwd=folder.path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["show"]
