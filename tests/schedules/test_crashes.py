"""A crash between any two statements neither loses nor doubles a fire."""

import json
import signal
import subprocess
import sys

import pytest

from tests import databases, postgres
from tests.schedules.hands import NOON
from tests.world import environment


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_runner_that_is_killed_at_any_statement_loses_no_fire_and_doubles_none(kind):
    command = [sys.executable, "-m", "tests.schedules.crashing"]
    if kind == "postgres":
        command.append(postgres.server_url())
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    *points, (last, _, all_of_it) = found
    assert last == 0
    assert {code for code, _, _ in points} == {-signal.SIGKILL}
    hours = [NOON + 3600 * number for number in (1, 2, 3)]
    by_the_clock = [["cron", "all", hour, 1] for hour in hours] + [
        ["cron", "latest", hours[-1], 1], ["cron", "skip", hours[-1], 1],
    ]  # fmt: skip
    assert all_of_it == [*by_the_clock, ["trigger", "skip", None, 1]]
    assert all(then == all_of_it for _, _, then in points)
    # Nothing is half fired: by the clock all or nothing, then the trigger.
    left = [left for _, left, _ in found]
    assert [one for number, one in enumerate(left) if one not in left[:number]] == [
        [],
        by_the_clock,
        all_of_it,
    ]
    assert len(points) > 20
