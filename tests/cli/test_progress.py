"""What is told of an execution between two looks at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cloaca.cli.formatting import duration_text
from cloaca.cli.progress import changes, foremost, summary
from cloaca.insights import AttemptRecord, TaskRecord
from cloaca.model.events import Failure
from cloaca.model.states import TaskStatus

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def attempt(number, status, *, at=0.0, took=None, error=None):
    begun = NOON + timedelta(seconds=at)
    return AttemptRecord(
        number, TaskStatus(status), begun, None if took is None else begun + timedelta(seconds=took), error
    )


def task(id, status, *attempts, reason=None, finished=None):
    return TaskRecord(
        id, TaskStatus(status), reason, list(attempts), attempts[0].started_at if attempts else None,
        finished or (attempts[-1].finished_at if attempts else None), attempts[-1].error if attempts else None,
    )  # fmt: skip


def by_id(*tasks):
    return {one.id: one for one in tasks}


def told(before, after):
    return [change.text for change in changes(before, after)]


def test_changes_are_told_once_in_the_order_of_time():
    begun = by_id(task("a", "Running", attempt(1, "Running", at=1)), task("b", "Pending"))
    ended = by_id(
        task("a", "Completed", attempt(1, "Completed", at=1, took=2)),
        task("b", "Completed", attempt(1, "Completed", at=0, took=0.5)),
    )
    assert told({}, begun) == ["task a started"]
    assert told(begun, begun) == []
    assert told(begun, ended) == ["task b completed in 0.50 s", "task a completed in 2.00 s"]


def test_every_attempt_is_told_however_many_ended_between_two_looks():
    busy = Failure("TimeoutError", "busy\nindeed", "")
    after = by_id(
        task(
            "a", "Pending", attempt(1, "Failed", at=0, took=1, error=busy),
            attempt(2, "Failed", at=2, took=1, error=busy), reason="retry due at noon",
        )
    )  # fmt: skip
    assert told({}, after) == [
        r"task a failed in 1.00 s: TimeoutError: busy\nindeed",
        r"task a failed (attempt 2) in 1.00 s: TimeoutError: busy\nindeed (retry due at noon)",
    ]


def test_a_skipped_task_is_told_with_its_reason():
    after = by_id(task("a", "Skipped", reason="upstream failed: 'b'", finished=NOON))
    assert told(by_id(task("a", "Pending")), after) == ["task a skipped: upstream failed: 'b'"]
    assert told(after, after) == []


def test_a_skipped_task_is_told_after_what_it_was_skipped_for():
    after = by_id(
        task("b", "Skipped", reason="upstream failed: 'a'"), task("a", "Failed", attempt(1, "Failed", took=1))
    )
    assert told({}, after) == ["task a failed in 1.00 s", "task b skipped: upstream failed: 'a'"]


def test_every_status_of_a_task_has_a_rank_and_is_counted():
    tasks = by_id(*(task(str(number), status) for number, status in enumerate(TaskStatus)))
    assert len(foremost(tasks, 3)) == 3
    assert summary(tasks) == (
        "1 of 7 tasks completed, 1 running, 1 failed, 1 skipped, 1 cancelled, 2 waiting"
    )


def test_of_many_tasks_those_that_run_or_failed_come_first():
    tasks = by_id(
        *(task(f"done{n}", "Completed", attempt(1, "Completed", at=n, took=1)) for n in range(50)),
        task("waits", "Pending"),
        task("failed", "Failed", attempt(1, "Failed", took=1)),
        task("runs", "Running", attempt(1, "Running")),
    )
    assert [one.id for one in foremost(tasks, 4)] == ["runs", "failed", "done49", "done48"]
    assert list(by_id(*foremost(tasks, 100))) == list(tasks)


def test_the_summary_counts_each_state():
    tasks = by_id(task("a", "Completed"), task("b", "Running"), task("c", "Ready"), task("d", "Pending"))
    assert summary(tasks) == "1 of 4 tasks completed, 1 running, 2 waiting"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.00 s"), (9.999, "10.0 s"), (59.99, "1 min 00 s"), (3599.6, "1 h 00 min"), (7260, "2 h 01 min")],
)
def test_durations_are_rounded_into_the_next_unit(seconds, text):
    assert duration_text(timedelta(seconds=seconds)) == text
