"""``cloaca run`` on a terminal."""

from __future__ import annotations

import re

from tests.cli.conftest import LINES, plain, rest_of

WIDE = """
import cloaca

with cloaca.WorkflowBuilder("wide"):

    @cloaca.task
    def root(context): ...

    for number in range(300):

        @cloaca.task(id=f"leaf{number}", dependencies=["root"])
        def leaf(context): ...
"""

LOUD = """
import logging
import os
import sys

import cloaca

logging.basicConfig(format="logged %(message)s")

with cloaca.WorkflowBuilder("loud"):

    for number in range(4):

        @cloaca.task(id=f"shout{number}")
        def shout(context):
            for line in range(100):
                print("line", line, end=" [/bold]\\n")
            print("half", end="", flush=True)
            print(" and half")
            print("10%", end="\\r")
            print("100%")
            logging.error("once")
            print("to stderr", file=sys.stderr)

    @cloaca.task(dependencies=[f"shout{number}" for number in range(4)])
    def last(context):
        print("no end", end="")
"""


def test_the_display_ends_with_every_task_and_the_result(folder):
    with folder.terminal("run", "etl.py", "--context", '{"fail": "on purpose"}') as child:
        shown = rest_of(child)
        assert child.exitstatus == 1
    assert shown.index("\x1b[?25l") < shown.rindex("\x1b[?25h")
    last = plain(shown).rpartition("etl  0")[2]
    assert re.search(r"extract +completed +1 +[\d.]+ s", last)
    assert re.search(r"load +failed +1 +[\d.]+ s +ValueError: on purpose", last)
    assert "2 of 3 tasks completed, 1 failed" in last
    assert re.search(r"rows +\[3, 4, 5\]", last)


def test_a_large_graph_takes_a_bounded_number_of_lines(folder):
    folder.write("wide.py", WIDE)
    with folder.terminal("run", "wide.py") as child:
        shown = rest_of(child)
        assert child.exitstatus == 0
    assert "301 of 301 tasks completed" in shown
    assert "and 283 more" in shown
    heights = [ups.count("\x1b[1A") for ups in re.findall(r"(?:\x1b\[1A\x1b\[2K|\x1b\[2K\x1b\[1A)+", shown)]
    assert heights
    assert max(heights) < LINES


def test_what_bodies_print_stands_above_the_display_in_whole_lines(folder):
    folder.write("loud.py", LOUD)
    with folder.terminal("run", "loud.py") as child:
        shown = rest_of(child)
        assert child.exitstatus == 0
    lines = plain(shown).splitlines()
    for line in range(100):
        assert lines.count(f"line {line} [/bold]") == 4
    for once in ("half and half", "100%", "logged once", "to stderr"):
        assert lines.count(once) == 4, once
    assert lines.count("no end") == 1


def test_a_terminal_that_cannot_be_redrawn_gets_lines(folder):
    folder.environment["TERM"] = "dumb"
    with folder.terminal("run", "etl.py") as child:
        shown = rest_of(child)
    assert "task load completed in" in shown
    assert "\x1b" not in shown


def test_json_is_below_the_display(folder):
    with folder.terminal("run", "etl.py", "--json") as child:
        shown = rest_of(child)
        assert child.exitstatus == 0
    assert re.search(r'\{"execution_id": .*\}\r\n$', shown)
