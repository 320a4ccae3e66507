"""Schedules and triggers of a runner that goes by a clock."""

from datetime import UTC, datetime

import cloaca
from tests.world import workflow_of

HOUR, DAY = 3600, 86_400


def _starts(runner):
    return [f"{summary.created_at:%a %H:%M:%S}" for summary in reversed(runner.list_executions(limit=500))]


def test_a_schedule_fires_when_the_clock_is_moved_to_it(cloaca_runner, cloaca_clock):
    workflow_of("report", lambda context: {"for": context["scheduled_time"]}, id="one")
    cloaca_runner.register_cron_workflow("report", "30 2 * * *", "UTC")
    cloaca_clock.move(2 * HOUR + 1799)
    assert cloaca_runner.list_executions() == []
    cloaca_clock.move(1)
    (summary,) = cloaca_runner.list_executions()
    assert (summary.status, summary.created_at) == ("Completed", datetime(2024, 1, 1, 2, 30, tzinfo=UTC))


def test_one_move_fires_each_instant_at_its_time(cloaca_runner, cloaca_clock):
    workflow_of("report", lambda context: None, id="one")
    cloaca_runner.register_cron_workflow("report", "0 9 * * MON-FRI", "UTC")
    cloaca_clock.move(8 * DAY)
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Mon"]
    assert _starts(cloaca_runner) == [f"{day} 09:00:00" for day in days]


def test_what_a_schedule_starts_is_retried_in_between(cloaca_runner, cloaca_clock):
    def load(context, handle):
        if handle.attempt == 1:
            raise ConnectionError

    workflow_of("w", load, retry_attempts=1, retry_delay_ms=90 * 60_000, retry_jitter=False)
    cloaca_runner.register_cron_workflow("w", "0 * * * *", "UTC")
    cloaca_clock.move(2 * HOUR)
    assert [summary.status for summary in reversed(cloaca_runner.list_executions())] == ["Running", "Running"]
    cloaca_clock.move(HOUR)
    first = cloaca_runner.list_executions()[-1]
    assert f"{first.finished_at:%H:%M:%S}" == "02:30:00"


def test_a_trigger_is_asked_at_its_interval(cloaca_runner, cloaca_clock):
    asked = []
    workflow_of("w", lambda context: None, id="one")

    @cloaca.trigger(workflow="w", poll_interval="60s")
    def third():
        asked.append(f"{cloaca_clock.time:%H:%M:%S}")
        return len(asked) == 3

    cloaca_clock.move(239)
    assert asked == ["00:01:00", "00:02:00", "00:03:00"]
    assert _starts(cloaca_runner) == ["Mon 00:03:00"]


def test_every_instant_of_two_days_fires_once(cloaca_runner, cloaca_clock):
    workflow_of("w", lambda context: None, id="one")
    schedule = cloaca_runner.register_cron_workflow("w", "*/30 * * * *", "UTC")
    cloaca_clock.move(2 * DAY)
    history = cloaca_runner.get_cron_execution_history(schedule, 500)
    assert len(history) == 96
