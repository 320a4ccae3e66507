"""What is made of what was seen of a database and its runners."""

from __future__ import annotations

import pytest

from cloaca.insights import findings
from cloaca.insights.findings import Grade, SeenRunner, SeenRunners
from cloaca.store.inspection import Holder, StartedRow, SuspectedRow, WaitingRow
from cloaca.store.rows import RunnerRow

NOW = 1_000_000.0


def runner(*, id="r1", locks=(True, True), turns=(1, 1), is_stopped=False, owns=0, joined_at=NOW - 9):
    first, last = (
        RunnerRow(id, 0, turn, "host", 77, joined_at, lock) for turn, lock in zip(turns, locks, strict=True)
    )
    return SeenRunner(first, last, is_stopped, owns)


def judged(*seen, lost=None, watched=2.0):
    return [
        (found.grade, found.text)
        for found in findings.of_runners(SeenRunners(list(seen), lost or {}), watched=watched)
    ]


@pytest.mark.parametrize(
    ("version", "grade", "next_step"),
    [
        (3, Grade.OK, None),
        (0, Grade.WRONG, "create them: cloaca migrate"),
        (2, Grade.WRONG, "migrate them: cloaca migrate"),
        (4, Grade.WRONG, "upgrade pycloaca"),
    ],
)
def test_tables_fit_or_say_what_to_do(version, grade, next_step):
    found = findings.of_tables(version, 3)
    assert (found.grade, found.next_step) == (grade, next_step)


def test_a_runner_is_dead_if_its_lock_is_free_at_both_looks():
    assert judged(runner(locks=(False, False), owns=2)) == [
        (Grade.WRONG, "runner r1 (process 77 on host) has ended without leaving; it owns 2 executions")
    ]
    for locks in ((False, True), (True, False), (None, False), (None, None)):
        assert judged(runner(locks=locks)) == [(Grade.OK, "1 alive, owning 0 executions")]


def test_a_runner_is_silent_if_it_was_watched_for_long_enough():
    assert judged(runner(), watched=19) == [(Grade.OK, "1 alive, owning 0 executions")]
    assert judged(runner(turns=(1, 2)), watched=25) == [(Grade.OK, "1 alive, owning 0 executions")]
    assert judged(runner(owns=1), watched=25) == [
        (Grade.WRONG, "runner r1 (process 77 on host) has been silent for 25 s; it owns 1 execution")
    ]


def test_a_stopped_process_is_told_from_a_dead_one():
    ((grade, text),) = judged(runner(is_stopped=True))
    assert grade is Grade.WRONG
    assert "is stopped, by a signal or a debugger" in text


def test_what_a_runner_owns_that_is_not_there_is_reported_beside_the_others():
    assert judged(runner(id="r2"), lost={"r1": 3}) == [
        (Grade.WRONG, "runner r1 does not exist any more, but owns 3 executions"),
        (Grade.OK, "1 alive, owning 0 executions"),
    ]
    assert judged() == [(Grade.NOTE, "no runner has joined")]


def test_what_waits_for_long_is_told_by_whether_anybody_runs_its_workflow():
    rows = [
        WaitingRow("young", 5, NOW - 59, runs=False),
        WaitingRow("crowded", 5, NOW - 7_300, runs=True),
        WaitingRow("unknown", 1, NOW - 61, runs=False),
    ]
    crowded, unknown = findings.of_waiting(rows, now=NOW)
    assert crowded.grade is Grade.NOTE
    assert "5 executions of workflow 'crowded' wait; the oldest was started 2 h ago" in crowded.text
    assert unknown.grade is Grade.WRONG
    assert "cloaca list --workflow unknown" in unknown.next_step


def test_a_suspect_and_a_held_lock_come_with_the_next_step():
    (found,) = findings.of_suspected([SuspectedRow("e1", "w", "load", 2)])
    assert "task 'load' of execution e1 (w) was running when its process died, 2 times" in found.text
    assert "cloaca cancel e1" in found.next_step
    (found,) = findings.of_holders([Holder("process 9", "the lock", None, "kill 9")], patience=2)
    assert (found.text, found.next_step) == ("process 9 has held the lock for more than 2 s", "kill 9")
    (found,) = findings.of_holders([], patience=2)
    assert found.grade is Grade.OK


@pytest.mark.parametrize(
    ("ahead", "error", "said"),
    [
        (2.5, 0.1, "this host is 2.5 s ahead of the server"),
        (-9, 0, "this host is 9.0 s behind the server"),
        (2.5, 1, "no difference"),
        (1.9, 0, "no difference"),
    ],
)
def test_this_hosts_clock_is_compared_with_the_servers(ahead, error, said):
    (found,) = findings.of_clocks(ahead=ahead, error=error, runners=[], newest=[], now=NOW)
    assert said in found.text


def test_a_clock_that_is_ahead_shows_in_what_it_has_written():
    row = runner(joined_at=NOW + 5).last
    started = [StartedRow("e1", NOW + 7, None), StartedRow("e2", NOW, None)]
    texts = [
        found.text for found in findings.of_clocks(ahead=0, error=0, runners=[row], newest=started, now=NOW)
    ]
    assert texts == [
        "host host of runner r1 is at least 5.0 s ahead",
        "an execution has a start time 7.0 s in the future: a clock is or was ahead",
    ]


def clocks(*newest):
    return [
        (found.grade, found.text)
        for found in findings.of_clocks(ahead=0, error=0, runners=[], newest=newest, now=NOW)
    ]


def test_a_clock_that_is_behind_shows_where_two_have_written():
    ((grade, text),) = clocks(StartedRow("e2", NOW, None), StartedRow("e1", NOW - 10, NOW - 15))
    assert grade is Grade.WRONG
    assert text.startswith(
        "execution e1 was claimed 5.0 s before it was created: the clock of the runner is behind"
    )
    assert clocks(StartedRow("e2", NOW - 9, None), StartedRow("e1", NOW - 3, NOW)) == [
        (Grade.NOTE, "an execution was stored after another, but its creation time is 6.0 s earlier")
    ]
    assert clocks(StartedRow("e2", NOW - 4, None), StartedRow("e1", NOW - 3, NOW - 2))[0][0] is Grade.OK
