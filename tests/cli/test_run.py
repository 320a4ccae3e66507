"""``cloaca run`` with its output in a pipe."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version

FAILED_AND_SKIPPED = """
import cloaca

with cloaca.WorkflowBuilder("risky"):

    @cloaca.task
    def burn(context):
        raise ValueError("[red] \\x1b[2J hot\\nvery")

    @cloaca.task(dependencies=[burn])
    def after(context): ...

    @cloaca.task(retry_attempts=1, retry_delay_ms=0)
    def flaky(context, handle):
        if handle.attempt == 1:
            raise ConnectionError("no route")
        context["tries"] = handle.attempt
"""

FAILS_ONCE = """
import os
import cloaca

with cloaca.WorkflowBuilder("once"):

    @cloaca.task
    def before(context):
        print("before runs")

    @cloaca.task(dependencies=[before])
    def fails(context):
        if not os.path.exists("tried"):
            open("tried", "w").close()
            raise OSError("the disk is away")
"""


def test_a_file_runs_to_its_end_with_a_line_for_each_task_and_the_result_as_a_table(folder):
    done = folder.run("run", "etl.py", "etl")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.search(r"execution [0-9a-f-]{36} of workflow etl started in sqlite:///cloaca.db", done.stdout)
    told = [line for line in lines if line.startswith("task ")]
    assert [re.sub(r"[\d.]+ s", "T", line) for line in told] == [
        "task extract completed in T",
        "task transform completed in T",
        "task load completed in T",
    ]
    assert [line for line in lines if line.endswith("runs")] == [
        "extract runs",
        "transform runs",
        "load runs",
    ]
    assert re.search(r"^Completed in [\d.]+ s$", done.stdout, re.MULTILINE)
    assert [line.strip().split(maxsplit=1) for line in lines[-2:]] == [["rows", "[3, 4, 5]"], ["total", "12"]]


def test_a_dotted_module_is_found_from_the_working_directory_and_a_single_workflow_needs_no_name(folder):
    folder.path.joinpath("shop").mkdir()
    folder.write("shop/flows.py", folder.path.joinpath("etl.py").read_text(encoding="utf-8"))
    assert folder.run("run", "shop.flows").returncode == 0


def test_a_file_imports_its_neighbours_wherever_the_command_is_run(folder):
    folder.path.joinpath("job").mkdir()
    folder.write("job/parts.py", "def part(context):\n    context['part'] = 1\n")
    folder.write(
        "job/my-flow.py",
        "import cloaca\nfrom parts import part\n"
        "with cloaca.WorkflowBuilder('w') as builder:\n    builder.add_task(cloaca.task(part))\n",
    )
    assert folder.run("run", "job/my-flow.py").returncode == 0


def test_a_file_named_like_a_module_in_use_does_not_replace_it(folder):
    folder.write("types.py", folder.path.joinpath("etl.py").read_text(encoding="utf-8"))
    assert folder.run("run", "types.py").returncode == 0


def test_the_database_is_the_option_else_the_variable(folder):
    folder.run("run", "etl.py", CLOACA_DATABASE_URL="sqlite:///variable.db")
    folder.run("run", "etl.py", "--db", "sqlite:///option.db", CLOACA_DATABASE_URL="sqlite:///variable2.db")
    assert sorted(path.name for path in folder.path.glob("*.db")) == ["option.db", "variable.db"]


def test_the_context_is_json_or_a_file_of_it(folder):
    folder.write("given.json", '{"rows": [1], "fail": "no"}')
    done = folder.run("run", "etl.py", "--context", "@given.json", "--json")
    assert json.loads(done.stdout)["context"]["fail"] == "no"
    done = folder.run("run", "etl.py", "--context", '{"limit": 1e2}', "--json")
    assert json.loads(done.stdout)["context"]["limit"] == 100.0


def test_json_is_one_object_on_stdout_whatever_bodies_print(folder):
    folder.write(
        "loud.py",
        "import os, cloaca\nprint('imported')\n"
        "with cloaca.WorkflowBuilder('loud'):\n"
        "    @cloaca.task\n    def shout(context):\n"
        "        print('printed')\n        os.system('echo from a child')\n        context['x'] = 1\n",
    )
    done = folder.run("run", "loud.py", "--json")
    shown = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert {"imported", "printed", "from a child"} <= set(done.stderr.splitlines())
    assert (shown["workflow"], shown["status"], shown["error"]) == ("loud", "Completed", None)
    assert shown["context"] == {"x": 1}
    assert shown["tasks"]["shout"]["attempts"][0]["status"] == "Completed"
    assert re.fullmatch(r"[0-9a-f-]{36}", shown["execution_id"])


def test_a_failed_execution_exits_with_1_and_says_what_failed_and_what_to_type(folder):
    folder.write("risky.py", FAILED_AND_SKIPPED)
    done = folder.run("run", "risky.py", "--context", '{"a b": 1}')
    assert done.returncode == 1
    assert "task burn failed in" in done.stdout
    assert r"ValueError: [red] \x1b[2J hot\nvery" in done.stdout
    assert "\x1b" not in done.stdout
    assert "task after skipped: upstream failed: 'burn'" in done.stdout
    assert re.search(r"task flaky failed in [\d.]+ s: ConnectionError: no route", done.stdout)
    assert re.search(r"task flaky completed \(attempt 2\) in", done.stdout)
    failure = "\n".join(
        [
            "",
            r"task burn failed in attempt 1: ValueError: [red] \x1b[2J hot",
            "    very",
            f"  {folder.path}/risky.py:8 in burn",
            "",
        ]
    )
    assert failure in done.stdout
    assert """  cloaca run risky.py risky --db sqlite:///cloaca.db --context '{"a b": 1}'\n""" in done.stdout
    assert re.search(
        r"^  cloaca run risky.py risky --db \S+ --resume [0-9a-f-]{36}$", done.stdout, re.MULTILINE
    )


def test_what_a_failed_run_says_to_type_runs_what_failed_and_nothing_that_completed(folder):
    folder.write("once.py", FAILS_ONCE)
    failed = folder.run("run", "once.py", "--db", "sqlite:///once.db")
    assert failed.returncode == 1
    typed = re.search(r"keep the others:\n  (cloaca retry .* && cloaca run .*)\n", failed.stdout)[1]
    retry, resume = (command.split()[1:] for command in typed.split(" && "))
    assert folder.run(*retry).returncode == 0
    again = folder.run(*resume)
    assert again.returncode == 0
    assert (failed.stdout + again.stdout).count("before runs") == 1


def test_json_of_a_failed_execution_holds_its_errors(folder):
    done = folder.run("run", "etl.py", "--context", '{"fail": "on purpose"}', "--json")
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["status"]) == (1, "Failed")
    assert shown["error"] == "task 'load' failed: ValueError: on purpose"
    assert shown["tasks"]["load"]["error"]["message"] == "on purpose"


def test_resuming_a_finished_execution_shows_its_result_and_runs_nothing(folder):
    first = json.loads(folder.run("run", "etl.py", "--context", '{"fail": "x"}', "--json").stdout)
    again = folder.run("run", "etl.py", "--resume", first["execution_id"], "--json")
    assert again.returncode == 1
    assert json.loads(again.stdout) == first
    plain = folder.run("run", "etl.py", "--resume", first["execution_id"])
    assert "has already ended" in plain.stdout
    assert "runs" not in plain.stdout


def test_a_long_value_is_cut_and_a_large_context_too(folder):
    folder.write("given.json", json.dumps({f"key{number}": "v" * 1000 for number in range(60)}))
    shown = folder.run("run", "etl.py", "--context", "@given.json").stdout
    assert max(map(len, shown.splitlines())) <= 100
    assert "and 12 more: --json prints all" in shown


def test_the_help_has_an_example_and_the_version_is_that_of_the_distribution(folder):
    assert "cloaca run etl.py" in folder.run("--help").stdout
    assert "cloaca run etl.py --context" in folder.run("run", "--help").stdout
    assert folder.run("--version").stdout == f"cloaca {version('pycloaca')}\n"


def test_importing_cloaca_loads_neither_click_nor_rich():
    look = "import sys, cloaca; sys.exit(bool({'click', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
