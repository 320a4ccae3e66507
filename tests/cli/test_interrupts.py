"""Ctrl-C, and going on afterwards."""

from __future__ import annotations

import json
import signal
import time

from tests.cli.conftest import ETL, read_until, rest_of, resume_command


def test_an_interrupted_execution_goes_on_where_it_was(folder):
    with folder.begun("run", "etl.py", "--context", folder.gate()) as process:
        read_until(process.stdout, "task transform started")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        shown = process.stderr.read()
        assert process.wait() == 130
        assert time.monotonic() - began < 10  # not the 30 s that a runner has by default
    command = resume_command(shown)
    assert command[:5] == ["run", "etl.py", "etl", "--db", "sqlite:///cloaca.db"]
    with folder.begun(*command) as process:
        beginning = read_until(process.stdout, "transform runs")
        folder.open_gate()
        shown = beginning + process.stdout.read()
        assert process.wait() == 0
    assert "of workflow etl: 1 of 3 tasks already completed" in shown
    assert "extract" not in shown
    assert "task transform completed" in shown
    assert "load runs" in shown


def test_sigterm_hands_over_too_and_counts_as_no_crash_of_what_runs(folder):
    with folder.begun("run", "etl.py", "--context", folder.gate()) as process:
        read_until(process.stdout, "task transform started")
        process.send_signal(signal.SIGTERM)
        shown = process.stderr.read()
        assert process.wait() == 143
    execution_id = resume_command(shown)[-1]
    told = json.loads(folder.run("explain", execution_id, "--json").stdout)
    assert "Suspect" not in [reason["kind"] for reason in told["reasons"]]
    assert json.loads(folder.run("doctor", "--for", "0", "--json").stdout)["is_well"]


def test_json_of_an_interrupted_execution_is_nothing(folder):
    with folder.begun("run", "etl.py", "--json", "--context", folder.gate()) as process:
        read_until(process.stderr, "task transform started")
        process.send_signal(signal.SIGINT)
        assert "resume with:" in process.stderr.read()
        assert process.stdout.read() == ""
        assert process.wait() == 130


def test_a_second_ctrl_c_ends_at_once(folder):
    with folder.begun("run", "etl.py", "--context", folder.gate()) as process:
        read_until(process.stdout, "task transform started")
        process.send_signal(signal.SIGINT)
        shown = read_until(process.stderr, "cloaca run")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    folder.write("etl.py", ETL.replace('if "gate" in context', "if False"))
    assert folder.run(*resume_command(shown)).returncode == 0


def test_ctrl_c_during_the_import_ends_without_a_traceback(folder):
    folder.write("slow.py", "print('importing', flush=True)\nopen('gate').read()\n")
    folder.gate()
    with folder.begun("run", "slow.py") as process:
        read_until(process.stdout, "importing")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read() == ""


def test_a_database_in_memory_has_nothing_to_go_on_with(folder):
    with folder.begun("run", "etl.py", "--db", ":memory:", "--context", folder.gate()) as process:
        read_until(process.stdout, "task transform started")
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "\nInterrupted. The database was in memory: nothing is kept.\n"
        assert process.wait() == 130


def test_on_a_terminal_ctrl_c_gives_the_cursor_back_and_prints_the_command(folder):
    with folder.terminal("run", "etl.py", "--context", folder.gate()) as child:
        child.expect("transform.*running")
        child.sendintr()
        shown = rest_of(child)
        assert child.exitstatus == 130
    assert "\x1b[?25h" in shown
    with folder.terminal(*resume_command(shown)) as child:
        child.expect("transform runs")
        folder.open_gate()
        shown = rest_of(child)
        assert child.exitstatus == 0
    assert "extract runs" not in shown
    assert "3 of 3 tasks completed" in shown


def test_an_execution_whose_process_was_killed_can_be_resumed(folder):
    with folder.begun("run", "etl.py", "--context", folder.gate()) as process:
        beginning = read_until(process.stdout, "task transform started")
        process.kill()
    execution_id = beginning.partition("execution ")[2].split()[0]
    folder.write("etl.py", ETL.replace('if "gate" in context', "if False"))
    done = folder.run("run", "etl.py", "--resume", execution_id, "--json")
    assert (done.returncode, json.loads(done.stdout)["context"]["total"]) == (0, 12)
    assert "is dead: taking over" in done.stderr


def test_an_execution_that_was_started_with_other_tasks_is_not_waited_for(folder):
    with folder.begun("run", "etl.py", "--context", folder.gate()) as process:
        read_until(process.stdout, "task transform started")
        process.send_signal(signal.SIGINT)
        command = resume_command(process.stderr.read())
    folder.write("etl.py", ETL.replace("def load", "def unload"))
    assert "cannot continue here: workflow 'etl' has different tasks" in folder.run(*command).stderr


def test_others_that_the_database_holds_do_not_keep_the_command_from_ending(folder):
    with folder.begun("run", "etl.py", "--context", folder.gate()) as process:
        read_until(process.stdout, "task transform started")
        process.send_signal(signal.SIGINT)
        process.wait()
    began = time.monotonic()
    assert folder.run("run", "etl.py").returncode == 0
    assert time.monotonic() - began < 10
