"""Executions that are started from outside, in a caller's transaction or in one of their own."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from psycopg.rows import dict_row

from cloaca.errors import DatabaseError
from cloaca.store.rows import Existing
from tests.store.rows import GRAPH, KNOWN, NOW, batch_of, finish, settle, shown, start
from tests.store.steps import SOON, blockers, until

MANY = 12


def test_an_execution_that_was_entered_is_there_and_waits(place):
    store = place.store()
    assert store.enter(start("e1", input='{"n":1}')) == Existing("e1", '{"n":1}')
    assert shown(store, "e1") == ("Pending", None, 0, [])
    [claimed] = place.joined("r1").claim(KNOWN, structures=[], limit=9, now=NOW)
    assert (claimed.id, claimed.input) == ("e1", '{"n":1}')


def test_a_key_that_is_taken_names_its_execution(place):
    store = place.store()
    store.enter(start("e1", key="k", input='{"n":1}'))
    assert store.enter(start("e2", key="k")) == Existing("e1", '{"n":1}')
    assert store.enter(start("e3", key="k", workflow="x")) == Existing("e3", "{}")
    assert store.read_execution("e2") is None


def test_what_is_entered_twice_is_there_once(place):
    store = place.store()
    for row in (start("e1"), start("e2", key="k")):
        assert store.enter(row) == store.enter(row) == Existing(row.id, "{}")
    assert place.rows("select count(*) from cloaca_executions") == [(2,)]


def test_in_a_callers_transaction_it_is_there_when_that_commits(place):
    store, caller = place.store(), place.connect()
    caller.execute("create table orders (number integer)")
    caller.commit()
    caller.execute("insert into orders values (1)")
    assert store.enter(start("e1", key="k"), caller) == Existing("e1", "{}")
    assert store.read_execution("e1") is None
    caller.commit()
    assert shown(store, "e1") == ("Pending", None, 0, [])
    assert place.rows("select number from orders") == [(1,)]


def test_in_a_callers_transaction_that_is_rolled_back_it_never_was(place):
    store, caller = place.store(), place.connect()
    store.enter(start("e1", key="k"), caller)
    caller.rollback()
    assert store.read_execution("e1") is None
    assert store.enter(start("e2", key="k")) == Existing("e2", "{}")


def test_a_callers_transaction_sees_the_key_that_it_has_taken_itself(place):
    store, caller = place.store(), place.connect()
    store.enter(start("e1", key="k"), caller)
    assert store.enter(start("e2", key="k"), caller) == Existing("e1", "{}")
    caller.commit()
    assert place.rows("select id from cloaca_executions") == [("e1",)]


def test_a_row_that_is_refused_says_so_and_writes_nothing(place):
    store, caller = place.store(), place.connect()
    for connection in (None, caller):
        with pytest.raises(DatabaseError):
            store.enter(start("e1", key="\ud800"), connection)
        assert store.enter(start(f"e2{connection is None}"), connection).id == f"e2{connection is None}"
    caller.commit()
    assert place.rows("select count(*) from cloaca_executions") == [(2,)]


def test_a_connection_of_another_driver_is_refused_by_name(place):
    own = sqlite3.connect(":memory:") if place.kind == "postgres" else object()
    wanted = "psycopg.Connection" if place.kind == "postgres" else "sqlite3.Connection"
    with pytest.raises(TypeError, match=rf"{type(own).__name__}: pass the {wanted} whose transaction"):
        place.store().enter(start("e1"), own)
    if place.kind == "postgres":
        own.close()


def test_callers_connections_of_every_kind_are_taken(postgres_place):
    store, keys = postgres_place.store(), iter("abcdefgh")
    kinds = [
        {"row_factory": dict_row},
        {"cursor_factory": psycopg.ClientCursor},
        {"cursor_factory": psycopg.RawCursor},
        {"autocommit": True},
    ]
    for kind in kinds:
        with psycopg.connect(postgres_place.database.text, **kind) as caller:
            key = next(keys)
            assert store.enter(start(key, key=key), caller).id == key
            assert store.enter(start(f"{key}2", key=key), caller).id == key
    with psycopg.connect(postgres_place.database.text) as caller, caller.pipeline():
        assert store.enter(start("p", key="p"), caller).id == "p"
        assert store.enter(start("p2", key="p"), caller).id == "p"
    assert len(postgres_place.rows("select id from cloaca_executions")) == 5


def test_rows_of_a_callers_connection_may_have_names(sqlite_place):
    store, caller = sqlite_place.store(), sqlite_place.connect()
    caller.row_factory = sqlite3.Row
    store.enter(start("e1", key="k"), caller)
    assert store.enter(start("e2", key="k"), caller) == Existing("e1", "{}")


def test_of_many_that_enter_one_key_at_once_one_is_there_and_all_name_it(place):
    together = Barrier(MANY)
    stores = [place.store() for _ in range(MANY)]

    def enter(number):
        together.wait()
        return stores[number].enter(start(f"e{number}", key="k"))

    with ThreadPoolExecutor(MANY) as pool:
        found = set(pool.map(enter, range(MANY)))
    [(id,)] = place.rows("select id from cloaca_executions")
    assert found == {Existing(id, "{}")}


def test_of_many_runners_that_start_the_same_keys_at_once_each_key_has_one_winner(place):
    together = Barrier(MANY)
    stores = [place.joined(f"r{number}") for number in range(MANY)]

    def commit(number):
        keys = ["k1", "k2", "k3"][:: 1 - 2 * (number % 2)]
        rows = [start(f"{key} of {number}", f"r{number}", key=key) for key in keys]
        together.wait()
        losers = stores[number].commit(batch_of(*rows))
        return {row.idempotency_key: losers.get(row.id, Existing(row.id, row.input)).id for row in rows}

    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(commit, range(MANY)))
    there = dict(place.rows("select idempotency_key, id from cloaca_executions"))
    assert set(there) == {"k1", "k2", "k3"}
    assert answers == [there] * MANY


def test_a_start_waits_for_a_key_that_a_callers_transaction_has_taken(postgres_place):
    store, caller = postgres_place.joined("r1"), postgres_place.connect()
    store.enter(start("e1", key="k"), caller)
    backend = store._db.info.backend_pid
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(store.commit, batch_of(start("e2", "r1", key="k")))
        until(lambda: blockers(postgres_place.database, backend), "it does not wait")
        caller.rollback()
        assert late.result(SOON) == {}
    assert shown(store, "e2") == ("Running", "r1", 1, [])


REMOVED_MEANWHILE = """
with gone as (delete from cloaca.executions where idempotency_key = 'k' returning 1)
select id, input from cloaca.executions where workflow = %s and idempotency_key = %s and not exists (select from gone)
"""
"""Finds an execution by its key just as somebody else removes it."""


@pytest.fixture
def pruned_meanwhile(postgres_place):
    """A store that finds nothing under a key that was taken a moment ago."""
    store = postgres_place.joined("r1")
    store.commit(batch_of(GRAPH, start("e1", "r1", key="k")))
    store.commit(batch_of(settle("e1", "r1"), finish("e1", "r1")))
    find, store._sql["find_by_key"] = store._sql["find_by_key"], REMOVED_MEANWHILE
    yield store
    store._sql["find_by_key"] = find
    # The guards mind what vanishes.
    postgres_place.database.db.execute("delete from public.violations")


def test_a_key_that_is_freed_while_it_is_looked_for_starts_a_new_execution(pruned_meanwhile):
    assert pruned_meanwhile.enter(start("e2", key="k")) == Existing("e2", "{}")
    assert shown(pruned_meanwhile, "e1") is None
    assert shown(pruned_meanwhile, "e2") == ("Pending", None, 0, [])


def test_a_turn_whose_key_is_freed_after_it_starts_the_execution_for_whoever_claims_it(pruned_meanwhile):
    losers = pruned_meanwhile.commit(batch_of(start("e2", "r1", key="k")))
    assert losers == {"e2": Existing("e2", "{}")}
    assert shown(pruned_meanwhile, "e2") == ("Pending", None, 0, [])


def test_a_turn_of_which_it_is_learned_late_what_it_lost_to_starts_again_what_is_gone_by_then(place):
    store = place.joined("r1")
    batch = batch_of(start("e2", "r1", key="k"))
    assert store.losers(batch) == {"e2": Existing("e2", "{}")}
    assert shown(store, "e2") == ("Pending", None, 0, [])
