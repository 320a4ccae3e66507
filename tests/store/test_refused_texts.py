"""Texts that a database cannot store: the row is refused, and nothing else suffers."""

import pytest

from cloaca.store.rows import Structure, SuspectRow
from cloaca.store.signals import RowRefused
from tests.store.rows import NOW, batch_of, finish, settle, shown, start

SURROGATE, NUL = "a\ud800b", "a\0b"


def rows_with(text):
    """Each kind of row with the text in one of its places."""
    return {
        "input": start("new", "r1", input=text),
        "key": start("new", "r1", key=text),
        "workflow": start("new", "r1", workflow=text),
        "id": start(text, "r1"),
        "structure": Structure(text, "w", "{}"),
        "graph": Structure("other", "w", text),
        "delta": settle("e1", "r1", delta=text),
        "error": settle("e1", "r1", status="Failed", error=text),
        "reason": settle("e1", "r1", status="Skipped", reason=text),
        "task": settle("e1", "r1", task=text),
        "end": finish("e1", "r1", status="Failed", error=text),
    }


@pytest.fixture
def store(place):
    store = place.joined("r1")
    store.commit(batch_of(start("e1", "r1"), start("e2", "r1")))
    return store


@pytest.mark.parametrize("where", rows_with(""))
def test_a_lone_surrogate_is_refused_wherever_it_stands(place, store, where):
    refuse(place, store, rows_with(SURROGATE)[where])


@pytest.mark.parametrize("where", rows_with(""))
def test_a_nul_is_refused_or_stored_as_it_is(place, store, where):
    row = rows_with(NUL)[where]
    if place.kind == "postgres":
        refuse(place, store, row)
    else:
        store.commit(batch_of(row))
        tables = "executions", "attempts", "structures"
        found = [
            value for table in tables for row in place.rows(f"select * from cloaca_{table}") for value in row
        ]
        assert NUL in found


def refuse(place, store, row):
    before = place.rows("select * from cloaca_executions order by seq")
    connection = store._db
    for _ in range(3):
        with pytest.raises(RowRefused):
            store.commit(batch_of(row, start("e3", "r1"), settle("e2", "r1"), finish("e2", "r1")))
    assert place.rows("select * from cloaca_executions order by seq") == before
    assert place.rows("select * from cloaca_attempts") == []
    store.commit(batch_of(settle("e2", "r1"), finish("e2", "r1")))
    assert shown(store, "e2") == ("Completed", None, 1, [("a", 1, "Completed")])
    assert store._db is connection


@pytest.mark.parametrize("number", [2**31, 2**63, 2**64])
def test_a_number_that_is_too_large_is_refused_or_stored_as_it_is(place, store, number):
    connection = store._db
    try:
        store.commit(batch_of(settle("e1", "r1", attempt=number)))
    except RowRefused:
        assert place.rows("select * from cloaca_attempts") == []
    else:
        assert [attempt.attempt for attempt in store.read_attempts("e1")] == [number]
    store.commit(batch_of(settle("e2", "r1")))
    assert store._db is connection


def test_what_is_refused_of_a_release_or_a_claim_leaves_all_as_it_was(place, store):
    with pytest.raises(RowRefused):
        store.release("r1", ["e1"], [SuspectRow("e1", SURROGATE, 1, 1, 0, NOW)], now=NOW)
    with pytest.raises(RowRefused):
        store.claim([], structures=[Structure(SURROGATE, "w", "{}")], limit=1, now=NOW)
    assert shown(store, "e1") == ("Running", "r1", 1, [])
    store.beat()


def test_a_key_beyond_what_an_index_takes_is_refused_or_stored_as_it_is(place, store):
    key = "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(30_000))
    try:
        store.commit(batch_of(start("new", "r1", key=key)))
    except RowRefused:
        assert store.read_execution("new") is None
    else:
        assert store.read_execution("new").idempotency_key == key
    store.beat()
