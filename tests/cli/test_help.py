"""What every command has: a line in the list, a help with an example that it understands, its exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from cloaca.cli.main import ENTRIES, cloaca
from tests.world import environment


def _commands():
    for name in ENTRIES:
        command = cloaca.get_command(None, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())
        else:
            yield name, command


COMMANDS = dict(_commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_has_examples_that_the_command_understands_and_exit_codes(name):
    command = COMMANDS[name]
    help = command.get_help(click.Context(command))
    examples = re.findall(r"^ +cloaca (.*)$", help.partition("Example")[2], re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])
        size = len(name.split())
        assert words[:size] == name.split()
        command.make_context(name, words[size:])
    assert "Exit codes: " in " ".join(help.split())


@pytest.mark.parametrize("name", ENTRIES)
def test_the_list_says_of_a_command_what_its_help_says(name):
    assert cloaca.get_command(None, name).short_help == ENTRIES[name].help


def test_every_command_that_prints_a_result_prints_json():
    without = {
        name for name, command in COMMANDS.items() if not any("--json" in p.opts for p in command.params)
    }
    assert without == {"worker", "graph", "completion"}


def test_the_list_of_commands_loads_none_of_them():
    script = (
        "import sys\nfrom cloaca.cli.main import cloaca\n"
        "cloaca.main(['--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith(('rich', 'cloaca.cli', 'psycopg'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    assert set(loaded) <= {
        "cloaca.cli",
        "cloaca.cli.main",
        "cloaca.cli.exit_codes",
        "cloaca.cli.interrupts",
        "cloaca.cli.output",
    }


def test_an_unknown_command_is_refused_with_the_nearest():
    done = CliRunner().invoke(cloaca, ["lits", "--limit", "1"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith("Error: there is no command 'lits': did you mean 'list'?\n")
