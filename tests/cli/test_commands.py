"""The commands that are printed for the user to type."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cloaca.cli.database import VARIABLE
from cloaca.cli.run import Order
from tests.world import environment

SECRET = "postgresql://ada:s:e@cret@db:5432/app"


@pytest.fixture(autouse=True)
def _without_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def order(target="etl.py", workflow="etl", url="sqlite:///app.db", context=None):
    return Order(target, workflow, url, context, None)


def test_a_command_names_all_it_needs_in_the_order_of_the_help():
    assert order().command(resume="0-1") == "cloaca run etl.py etl --db sqlite:///app.db --resume 0-1"
    assert (
        order(context="{}").command(resume=None)
        == "cloaca run etl.py etl --db sqlite:///app.db --context '{}'"
    )


def test_what_a_shell_would_read_is_quoted():
    typed = order("my etl.py", "it's", "sqlite:///a.db?timeout=1&mode=rw").command(resume="0-1")
    assert typed == (
        """cloaca run 'my etl.py' 'it'"'"'s' --db 'sqlite:///a.db?timeout=1&mode=rw' --resume 0-1"""
    )


def test_a_name_that_looks_like_an_option_is_kept_apart():
    assert order(workflow="-w").command(resume="0-1") == (
        "cloaca run --db sqlite:///app.db --resume 0-1 -- etl.py -w"
    )


def test_a_password_is_not_printed(monkeypatch):
    assert "--db 'postgresql://ada:***@db:5432/app'" in order(url=SECRET).command(resume="0-1")
    in_query = order(url="postgresql://db/app?password=secret&sslmode=require").command(resume="0-1")
    assert "password=***&sslmode=require" in in_query
    monkeypatch.setenv(VARIABLE, SECRET)
    assert order(url=SECRET).command(resume="0-1") == "cloaca run etl.py etl --resume 0-1"


def test_the_command_is_a_module_too():
    command = [sys.executable, "-m", "cloaca", "no-such"]
    done = subprocess.run(command, env=environment(), check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: there is no command 'no-such': cloaca --help lists them\n"
