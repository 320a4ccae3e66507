"""``cloaca schedule preview``: the next runs of an expression, with the changes of the clocks between them."""

import json
import subprocess
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from cloaca.cli.main import cloaca
from tests.cli.conftest import PROGRAM
from tests.world import environment


def preview(*arguments, status=0):
    done = CliRunner().invoke(cloaca, ["schedule", "preview", *arguments])
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.stderr


def test_runs_are_listed_with_the_changes_of_the_clocks_between_them():
    assert preview("30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28", "--count", "3") == (
        "30 2 * * * in Europe/Berlin: the next 3 runs\n"
        "  Sat 2026-03-28 02:30:00 +0100  2026-03-28 01:30:00 UTC\n"
        "  -- Sun 2026-03-29 03:00:00 +0200  clocks go forward by 1 h\n"
        "  Sun 2026-03-29 03:00:00 +0200  2026-03-29 01:00:00 UTC  (the clocks skip its time)\n"
        "  Mon 2026-03-30 02:30:00 +0200  2026-03-30 00:30:00 UTC\n"
    )
    shown = preview(
        "*/30 1 * * *", "--tz", "Australia/Lord_Howe", "--from", "2026-04-05T01:30", "--count", "2"
    )
    assert shown.splitlines()[1:] == [
        "  Sun 2026-04-05 01:30:00 +1100  2026-04-04 14:30:00 UTC",
        "  -- Sun 2026-04-05 01:30:00 +1030  clocks go back by 30 min",
        "  Sun 2026-04-05 01:30:00 +1030  2026-04-04 15:00:00 UTC",
    ]


def test_as_json_it_is_one_object():
    found = json.loads(
        preview("30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-29", "--count", "1", "--json")
    )
    assert found == {
        "expression": "30 2 * * *",
        "timezone": "Europe/Berlin",
        "runs": [
            {
                "utc": "2026-03-29T01:00:00.000000+00:00",
                "local": "2026-03-29T03:00:00.000000+02:00",
                "moved": True,
            }
        ],
        "transitions": [
            {
                "utc": "2026-03-29T01:00:00.000000+00:00",
                "local": "2026-03-29T03:00:00.000000+02:00",
                "seconds": 3600,
            }
        ],
    }


def test_without_more_it_is_ten_runs_from_now_in_utc():
    runs = json.loads(preview("* * * * *", "--json"))["runs"]
    assert len(runs) == 10
    first = datetime.fromisoformat(runs[0]["utc"])
    assert abs((first - datetime.now(UTC)).total_seconds()) <= 61
    assert preview("* * * * * *", "--count", "1").startswith("* * * * * * in UTC: the next 1 run\n")


def test_fewer_runs_are_listed_where_the_calendar_ends():
    assert preview("0 0 1 1 *", "--from", "9997-01-01", "--count", "9").count("UTC\n") == 3
    assert preview("0 0 1 1 *", "--from", "9999-12-31").endswith("the next 0 runs\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["61 * * * *"], "Invalid cron expression '61 * * * *': its minute field '61' is invalid"),
        (["@daily", "--tz", "Europe/Berln"], "did you mean 'Europe/Berlin'?"),
        (["@daily", "--from", "tomorrow\x1b"], r"--from tomorrow\x1b is not a time"),
        (["@daily", "--from", "0001-01-01T00:00+23:00"], "is not a time"),
        (["@daily", "--count", "0"], "is not in the range"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_is_refused(arguments, why):
    assert why in preview(*arguments, status=2)


def test_the_command_is_installed():
    command = [PROGRAM, "schedule", "preview", "@yearly", "--count", "1"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("@yearly in UTC: the next 1 run\n")


# -- those of a database -----------------------------------------------------------------------------------------------


@pytest.fixture
def tables(shell):
    """The tables of an empty database."""
    shell.run("migrate")


def test_a_schedule_is_added_changed_switched_and_removed(shell, tables):
    added = shell.json("schedule", "add", "idle", "30 2 * * *", "--tz", "Europe/Berlin")
    id = added["schedule_id"]
    assert (added["expression"], added["catch_up"], added["enabled"]) == (
        "30 2 * * *",
        "skip",
        True,
    )
    assert shell.run("schedule", "disable", id) == f"schedule {id} of workflow idle is off\n"
    enabled = shell.run("schedule", "enable", id)
    assert enabled.startswith(f"schedule {id} of workflow idle is on: next run 20")
    assert "is on" in shell.run("schedule", "update", id, "@hourly", "--catch-up", "latest")
    shown = shell.json("schedule", "show", id)
    kept = shown["expression"], shown["timezone"], shown["catch_up"]
    assert kept == ("@hourly", "Europe/Berlin", "latest")
    assert shell.json("schedule", "update", id, "@hourly", "--tz", "UTC")["catch_up"] == "latest"
    assert "expression  @hourly in UTC\n" in shell.run("schedule", "show", id)
    assert "add --yes" in shell.refused("schedule", "delete", id)
    assert shell.run("schedule", "delete", id, "--yes") == f"schedule {id} is removed\n"
    assert shell.json("schedule", "list") == {"schedules": []}
    for typed in (id, id[:20], "no id at all"):
        refused = shell.refused("schedule", "show", typed)
        assert refused.startswith(
            f"Error: there is no schedule '{typed}' in this database: cloaca schedule list"
        )


def test_schedules_are_listed_and_named_by_the_beginning_of_their_ids(shell, tables):
    ids = [
        shell.json("schedule", "add", "idle", "@daily", *options)["schedule_id"]
        for options in (
            [],
            ["--instance", "south", "--context", '{"region": "south"}'],
            ["--context", '{"n": 1}'],
        )
    ]
    shell.run("schedule", "disable", ids[2])
    header, *lines = shell.run("schedule", "list").splitlines()
    assert [line.split()[0] for line in lines] == ids
    assert [line[header.index(" is ") + 1 :].split()[0] for line in lines] == ["on", "on", "off"]
    assert [one["schedule_id"] for one in shell.json("schedule", "list", "--enabled")["schedules"]] == ids[:2]
    assert shell.json("schedule", "show", ids[1][:-1])["context"] == {"region": "south"}
    assert shell.json("schedule", "show", ids[2])["context"] == {"n": 1}
    assert "too short" in shell.refused("schedule", "show", ids[1][:7])
    assert "has an instance 'south' already" in shell.refused(
        "schedule", "add", "idle", "@daily", "--instance", "south"
    )
    assert "Invalid cron expression" in shell.refused("schedule", "add", "idle", "61 * * * *")


def test_what_a_schedule_has_fired_is_listed(shell, fired):
    fires = shell.json("schedule", "history", fired)["fires"]
    lines = shell.run("schedule", "history", fired, "--limit", "1000").splitlines()
    assert lines[0].split("  ")[0] == "due (UTC)"
    assert fires[-1]["execution_id"] in lines[-1]
    assert [one["workflow"] for one in shell.json("list")["executions"]][:1] == ["idle"]
