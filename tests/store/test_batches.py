"""What a turn's batch does to the tables: all of it or nothing, and the same when it is written twice."""

import pytest

from cloaca.store.rows import Existing, SuspectRow
from cloaca.store.signals import Fenced, RunnerLost
from tests.store.rows import GRAPH, KNOWN, NOW, batch_of, finish, running, settle, shown, start


def whole_life(owner):
    return batch_of(GRAPH, start("e1", owner), start("e2"), settle("e1", owner), finish("e1", owner))


def test_a_batch_is_written_whole(place):
    store = place.joined("r1")
    assert store.commit(whole_life("r1")) == {}
    assert shown(store, "e1") == ("Completed", None, 1, [("a", 1, "Completed")])
    assert shown(store, "e2") == ("Pending", None, 0, [])
    assert store.read_structures(["s", "unknown"]) == {"s": GRAPH.graph}


def test_starts_and_structures_that_are_written_twice_are_there_once(place):
    store = place.joined("r1")
    batch = batch_of(GRAPH, start("e1", "r1", key="k"), start("e2"))
    store.commit(batch)
    assert store.commit(batch) == {}
    assert shown(store, "e1") == ("Running", "r1", 1, [])
    assert place.rows("select count(*) from cloaca_executions") == [(2,)]


def test_values_come_back_as_they_were_written(place):
    store = place.joined("r1")
    text = '{"x": "\\u0000 \\ud800", "y": 1e22, "z": -0.0} äöü 🦆 \' " \\ %s ? {NULL}'
    store.commit(
        batch_of(
            start("e1", "r1", input=text, key="k ' \" %s {}"),
            settle("e1", "r1", delta=text, error=text, reason=text),
            settle("e1", "r1", task="b", delta=None),
        )
    )
    row = store.read_execution("e1")
    assert (row.input, row.idempotency_key) == (text, "k ' \" %s {}")
    first, second = store.read_attempts("e1")
    assert (first.delta, first.error, first.reason, first.started_at) == (text, text, text, NOW)
    assert (second.delta, second.error, second.retry_at, second.alone) == (None, None, None, False)


def test_an_attempt_that_was_noted_as_running_is_settled_once(place):
    store = place.joined("r1")
    store.commit(batch_of(start("e1", "r1")))
    store.commit(batch_of(running("e1", "r1", alone=True), running("e1", "r1", task="b")))
    store.commit(batch_of(running("e1", "r1", alone=False)))
    store.commit(batch_of(settle("e1", "r1", status="Failed")))
    assert shown(store, "e1")[3] == [("a", 1, "Failed"), ("b", 1, "Running")]
    with pytest.raises(Fenced):
        store.commit(batch_of(settle("e1", "r1", status="Completed")))
    with pytest.raises(Fenced):
        store.commit(batch_of(running("e1", "r1")))
    assert shown(store, "e1")[3] == [("a", 1, "Failed"), ("b", 1, "Running")]


def test_a_start_that_came_too_late_names_the_one_that_has_its_key(place):
    one, two = place.joined("r1"), place.joined("r2")
    one.commit(
        batch_of(start("e1", "r1", key="k", input='{"n":1}'), start("f1", "r1", workflow="v", key="k"))
    )
    late = batch_of(start("e2", "r2", key="k"), start("e3", "r2", key="other"), start("e4", "r2"))
    assert two.commit(late) == {"e2": Existing("e1", '{"n":1}')}
    assert two.read_execution("e2") is None
    assert [two.read_execution(id).owner for id in ("e3", "e4")] == ["r2", "r2"]


def test_of_two_starts_with_one_key_in_a_batch_the_first_wins(place):
    store = place.joined("r1")
    assert store.commit(batch_of(start("e1", "r1", key="k"), start("e2", "r1", key="k"))) == {
        "e2": Existing("e1", "{}")
    }


def test_a_start_that_went_on_under_another_claim_is_one_that_lost(place):
    one, two = place.joined("r1"), place.joined("r2")
    batch = batch_of(start("e1", "r1"))
    one.commit(batch)
    two.release("r1", ["e1"], now=NOW)
    two.claim(KNOWN, structures=[GRAPH], limit=1, now=NOW)
    assert one.losers(batch) == {"e1": Existing("e1", "{}")}


@pytest.mark.parametrize(
    "foreign",
    [
        settle("theirs", "r1"),
        settle("theirs", "r2", fence=2),
        settle("nobody's", "r1"),
        settle("gone", "r1"),
        running("theirs", "r1"),
        finish("theirs", "r1"),
        finish("done", "r1"),
    ],
    ids=lambda row: f"{type(row).__name__} {row.execution_id} {row.owner} {row.fence}",
)
def test_nothing_is_written_where_one_row_is_for_a_foreign_execution(place, foreign):
    one, two = place.joined("r1"), place.joined("r2")
    one.commit(batch_of(start("mine", "r1"), start("done", "r1"), start("nobody's")))
    one.commit(batch_of(finish("done", "r1")))
    two.commit(batch_of(start("theirs", "r2")))
    before = place.rows("select * from cloaca_executions order by seq")
    batch = batch_of(start("new", "r1"), settle("mine", "r1"), running("mine", "r1", task="b"), foreign)
    batch.structures.append(GRAPH)
    with pytest.raises(Fenced) as fenced:
        one.commit(batch)
    assert fenced.value.executions == {foreign.execution_id}
    assert place.rows("select * from cloaca_executions order by seq") == before
    assert place.rows("select * from cloaca_attempts") == []
    assert place.rows("select * from cloaca_structures") == []
    assert one.commit(batch.only({"new", "mine"})) == {}
    assert shown(one, "mine")[3] == [("a", 1, "Completed"), ("b", 1, "Running")]


def test_after_many_refused_batches_the_next_one_is_written(place):
    store = place.joined("r1")
    store.commit(batch_of(start("e1", "r1")))
    for _ in range(8):
        with pytest.raises(Fenced):
            store.commit(batch_of(settle("e1", "r1", fence=7), finish("e1", "r1")))
    store.commit(batch_of(settle("e1", "r1"), finish("e1", "r1")))
    assert shown(store, "e1") == ("Completed", None, 1, [("a", 1, "Completed")])


@pytest.mark.parametrize(
    "work",
    [
        lambda store: store.commit(batch_of(settle("e1", "r1"))),
        lambda store: store.commit(batch_of(start("e2", "r1"))),
        lambda store: store.beat(),
        lambda store: store.claim(KNOWN, structures=[GRAPH], limit=1, now=NOW),
        lambda store: store.release("r1", ["e1"], now=NOW),
        lambda store: store.declare_dead("r2"),
        lambda store: store.remove_dead("r2"),
        lambda store: store.was_committed(),
        lambda store: store.other_runners(),
    ],
    ids=[
        "settle",
        "start",
        "beat",
        "claim",
        "release",
        "declare_dead",
        "remove_dead",
        "was_committed",
        "other_runners",
    ],
)
@pytest.mark.parametrize("buried", [False, True])
def test_whatever_a_runner_does_that_was_declared_dead_it_learns_it_and_changes_nothing(place, work, buried):
    one, two = place.joined("r1"), place.joined("r2")
    one.commit(batch_of(GRAPH, start("e1", "r1"), start("e9")))
    two.declare_dead("r1")
    if buried:
        two.remove_dead("r1")
    before = place.rows("select * from cloaca_executions order by seq")
    with pytest.raises(RunnerLost):
        work(one)
    assert place.rows("select * from cloaca_executions order by seq") == before
    assert place.rows("select * from cloaca_attempts") == []
    assert "r2" in {row.id for row in place.store().other_runners()}


def test_a_release_leaves_what_others_own_and_what_has_ended(place):
    one, two = place.joined("r1"), place.joined("r2")
    one.commit(batch_of(start("e1", "r1"), start("e2", "r1"), start("e3", "r1")))
    one.commit(batch_of(running("e1", "r1", alone=True), running("e2", "r1", alone=True), finish("e3", "r1")))
    two.commit(batch_of(start("e4", "r2")))
    suspects = [SuspectRow(id, "a", 1, 2, 1, NOW + 5) for id in ("e1", "e3", "e4")]
    two.release("r1", ["e1", "e3", "e4"], suspects, now=NOW)
    assert shown(two, "e1") == ("Running", None, 2, [("a", 1, "Suspect")])
    assert shown(two, "e2") == ("Running", "r1", 1, [("a", 1, "Running")])
    assert shown(two, "e3") == ("Completed", None, 1, [])
    assert shown(two, "e4") == ("Running", "r2", 1, [])
    suspect = two.read_attempts("e1")[0]
    assert (suspect.crashes, suspect.charges, suspect.retry_at, suspect.alone) == (2, 1, NOW + 5, False)


def test_what_ran_alone_is_released_last(place):
    store = place.joined("r1")
    store.commit(batch_of(*(start(f"e{n}", "r1") for n in range(4))))
    store.commit(batch_of(running("e1", "r1", alone=True), running("e2", "r1")))
    assert store.ran_alone("r1")
    assert [row.id for row in store.owned_by("r1", limit=3)] == ["e0", "e2", "e3"]
    assert [row.id for row in store.owned_by("r1", limit=9)] == ["e0", "e2", "e3", "e1"]
    store.release("r1", ["e1"], now=NOW)
    assert not store.ran_alone("r1")


def test_a_runner_that_has_left_is_gone_and_may_come_back_under_another_id(place):
    store, other = place.joined("r1"), place.joined("r9")
    assert [(row.id, row.turn, row.holds_lock) for row in other.other_runners()] == [("r1", 0, True)]
    store.beat()
    assert [(row.id, row.turn, row.holds_lock) for row in other.other_runners()] == [("r1", 1, True)]
    store.leave()
    assert other.other_runners() == []
    store.join("r2", NOW)
    store.beat()
    assert [(row.id, row.turn, row.holds_lock) for row in other.other_runners()] == [("r2", 1, True)]


def test_a_runner_that_forsakes_is_seen_to_be_gone(place):
    store, other = place.joined("r1"), place.joined("r9")
    store.drop_liveness_lock()
    assert [(row.id, row.holds_lock) for row in other.other_runners()] == [("r1", False)]
