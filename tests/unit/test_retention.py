"""What pruning removes, and how it is cut into transactions."""

import math

from cloaca.engine.pruning import BATCH_ATTEMPTS, BATCH_EXECUTIONS, batches, rest_after
from cloaca.model.retention import Rule
from cloaca.store.rows import BEHIND_ALL
from cloaca.store.steering import OldRow


def row(seq, *, finished_at=None, created_at=0.0):
    return OldRow(seq, f"e{seq}", created_at, finished_at, None)


def test_what_is_open_stays_whatever_its_age():
    assert not Rule(math.inf, BEHIND_ALL).removes(row(1))


def test_what_ended_by_then_goes_and_what_ended_later_stays():
    rule = Rule(ended_by=10.0, before=0)
    assert [rule.removes(row(1, finished_at=at)) for at in (9.0, 10.0, 10.5)] == [True, True, False]


def test_what_was_started_before_another_goes_once_it_is_settled():
    rule = Rule(-math.inf, before=5, settled_by=10.0)
    assert [rule.removes(row(seq, finished_at=9.0)) for seq in (4, 5)] == [True, False]
    assert not rule.removes(row(4, finished_at=11.0))


def test_either_reason_is_enough():
    rule = Rule(ended_by=10.0, before=5)
    assert rule.removes(row(9, finished_at=9.0))
    assert rule.removes(row(4, finished_at=99.0))


def test_nothing_that_was_started_after_a_young_one_is_looked_for():
    rule = Rule(ended_by=10.0, before=5)
    assert rule.may_remove_after(row(9, created_at=10.0))
    assert rule.may_remove_after(row(3, created_at=11.0))
    assert not rule.may_remove_after(row(4, created_at=11.0))


def test_a_batch_is_bounded_by_executions_and_by_attempts():
    rows = [row(seq) for seq in range(100)]
    few = [len(batch) for batch in batches(rows, {})]
    assert few == [BATCH_EXECUTIONS] * (100 // BATCH_EXECUTIONS)
    counts = {one.id: BATCH_ATTEMPTS // 2 for one in rows}
    assert {len(batch) for batch in batches(rows, counts)} == {2}
    assert [one for batch in batches(rows, counts) for one in batch] == rows


def test_one_that_is_much_work_is_alone():
    rows = [row(seq) for seq in range(3)]
    cut = list(batches(rows, {"e0": 1, "e1": BATCH_ATTEMPTS + 1, "e2": 1}))
    assert [[one.id for one in batch] for batch in cut] == [["e0"], ["e1"], ["e2"]]


def test_pruning_leaves_most_of_the_time_to_others_and_does_not_stand_still_after_a_wait_for_a_lock():
    assert [rest_after(seconds) for seconds in (0.0, 0.002, 0.05)] == [0.001, 0.02, 0.5]
    assert rest_after(5.0) == 1.0
