"""Schemas other than ``cloaca``, under names and search paths that mean no good."""

import queue

import pytest

from cloaca.errors import ConfigurationError
from cloaca.runner.stores import store_of
from tests.store.rows import GRAPH, KNOWN, NOW, batch_of, finish, settle, shown, start
from tests.store.steps import SOON

HOSTILE = """
create schema evil;
create table evil.runners (like cloaca.runners);
create table evil.executions (like cloaca.executions);
create function evil.pg_advisory_lock(bigint) returns void language sql as 'select pg_catalog.pg_sleep(0)';
create function evil.now() returns timestamptz language sql as $$ select 'infinity'::timestamptz $$;
create function evil.pg_notify(text, text) returns void language sql as 'select pg_catalog.pg_sleep(0)';
create function evil.demand(boolean, text) returns void language sql as 'select pg_catalog.pg_sleep(0)';
"""
NAMES = [
    "tenant",
    'we"ird; drop schema public',
    "100%s %% %(x)s",
    "cloaca.x",
    "Ünïcode ' \\ $$",
    "select",
    "é" * 31,
]


@pytest.fixture
def make_store(postgres_place):
    stores = []

    def make(schema=None):
        stores.append(store_of(postgres_place.database.text, schema=schema))
        stores[-1].prepare()
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def live(store, other):
    """All that a store does, once."""
    store.join("r1", NOW)
    other.join("r2", NOW)
    store.commit(batch_of(GRAPH, start("e1", "r1", key="k"), start("e2")))
    assert other.enter(start("e3", key="k")).id == "e1"
    store.commit(batch_of(settle("e1", "r1"), finish("e1", "r1")))
    assert shown(other, "e1") == ("Completed", None, 1, [("a", 1, "Completed")])
    assert other.waiting_structures() == [("w", "s")]
    assert [execution.id for execution in other.claim(KNOWN, structures=[GRAPH], limit=9, now=NOW)] == ["e2"]
    other.release("r2", ["e2"], now=NOW)
    listed = store.list_executions(workflow=None, status=None, after=None, limit=9)
    assert {row.id for row in listed} == {"e1", "e2"}
    assert store.was_committed() is False
    store.declare_dead("r2")
    store.remove_dead("r2")
    assert store.other_runners() == []
    store.leave()


@pytest.mark.parametrize("schema", NAMES)
def test_a_schema_of_any_name_holds_all_of_it(postgres_place, make_store, schema):
    live(make_store(schema), make_store(schema))
    assert postgres_place.rows("select count(*) from cloaca_executions") == [(0,)]
    assert postgres_place.rows("select 1 from pg_namespace where nspname = ?", schema) == [(1,)]


@pytest.mark.parametrize("schema", ["", "x" * 64, "é" * 32, "a\0b"])
def test_a_name_that_the_server_would_cut_or_refuse_is_refused_here(schema):
    with pytest.raises(ConfigurationError, match="names of 1 to 63 bytes without NUL"):
        store_of("postgresql://localhost/app", schema=schema)


def test_tenants_see_nothing_of_each_other(make_store):
    one, two = make_store("one"), make_store("two")
    for store in (one, two):
        store.join("r1", NOW)
    one.commit(batch_of(GRAPH, start("e1", "r1", key="k"), start("e2")))
    assert two.read_execution("e1") is None
    assert two.waiting_structures() == []
    assert two.enter(start("e1", key="k")).id == "e1"
    assert two.other_runners() == one.other_runners() == []


@pytest.mark.parametrize("path", ["evil, pg_catalog", "evil", ""])
def test_no_search_path_decides_what_a_statement_means(postgres_place, make_store, path):
    database = postgres_place.database
    database.db.execute(HOSTILE)
    database.db.execute(
        f"alter database {database.url.options['dbname']} set search_path = {path or repr('')}"
    )
    store, other = make_store(), make_store()
    store.join("r0", NOW)
    locks = "select count(*) from pg_locks where locktype = 'advisory' and database = "
    locks += "(select oid from pg_database where datname = current_database())"
    assert postgres_place.rows(locks) == [(1,)]
    store.leave()
    live(store, other)
    assert postgres_place.rows("select count(*) from evil.runners, evil.executions") == [(0,)]


def test_those_who_listen_in_a_schema_are_told_what_ends_there_and_what_can_be_claimed(make_store):
    heard = {name: queue.SimpleQueue() for name in ("one", "two")}
    stores = {name: make_store(name) for name in heard}
    for name, store in stores.items():
        store.join("r1", NOW)
        store.listen(lambda executions, name=name: heard[name].put(list(executions)))
        assert heard[name].get(timeout=SOON) == [], "what was told before it listened"
    store, told = stores["one"], heard["one"]
    store.commit(batch_of(start("e1", "r1"), start("e2", "r1")))
    stores["one"].watch("e1")
    store.commit(batch_of(finish("e1", "r1"), finish("e2", "r1")))
    store.announce(work=True)
    assert [told.get(timeout=SOON), told.get(timeout=SOON)] == [["e1"], []]
    store.announce(work=False)
    store.enter(start("e3"))
    assert told.get(timeout=SOON) == []
    stores["two"].announce(work=True)
    assert heard["two"].get(timeout=SOON) == []
    assert heard["two"].empty()
    assert told.empty()
