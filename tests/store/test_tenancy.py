"""What one tenant can see, hear or do of another, in SQL and with its own credentials: nothing."""

import contextlib
import queue
import re
import tempfile

import psycopg
import pytest
from psycopg import sql

from cloaca.errors import ConfigurationError, DatabaseError, SchemaError
from cloaca.runner.stores import store_of
from cloaca.store.postgres import connection as driver
from cloaca.store.postgres.connection import MIGRATIONS, MIGRATIONS_TABLE, TABLES, qualified
from cloaca.store.postgres.store import SQL
from cloaca.store.postgres.url import parse_postgres_url
from cloaca.store.signals import RunnerLost, StoreUnavailable
from tests.databases import YOUNG
from tests.store.pooler import Pooler
from tests.store.rows import GRAPH, KNOWN, NOW, shown, start
from tests.store.steps import SOON, until
from tests.tenancy import new_guarded

RIGHTS = """
select 'schema', nspname::text from pg_namespace n where nspname !~ '^pg_' and nspname <> 'information_schema'
    and (has_schema_privilege(n.oid, 'usage') or has_schema_privilege(n.oid, 'create'))
union all
select 'relation', nspname || '.' || relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where nspname !~ '^pg_' and nspname <> 'information_schema' and relkind = any('{r,v,m,p,f}')
    and has_table_privilege(c.oid, 'select, insert, update, delete, truncate, references, trigger, maintain')
union all
select 'function', nspname || '.' || proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where nspname !~ '^pg_' and nspname <> 'information_schema' and has_function_privilege(p.oid, 'execute')
union all
select 'database', datname from pg_database where has_database_privilege(oid, 'create')
union all
select 'role', rolname from pg_roles where pg_has_role(oid, 'member') and rolname <> current_user
"""


@pytest.fixture
def two(guarded):
    """Two tenants, of whom ``mallory`` is curious about ``ada``."""
    return guarded.tenant("ada"), guarded.tenant("mallory")


def refused(db, statement, values=None):
    """Whether the server refuses it for want of rights."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute(statement, values)
    return True


# -- tables ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eavesdropper():
    """A connection of ``mallory``, beside ``ada``, who has an execution."""
    with new_guarded() as database:
        ada, mallory = database.tenant("ada"), database.tenant("mallory")
        database.store(ada.connection_string).enter(start("e1", key="k"))
        yield database.connect(mallory)
        assert database.ask("select id, status, watched from ada.executions") == [("e1", "Pending", False)]


@pytest.mark.parametrize("name", sorted(SQL))
def test_a_statement_of_the_store_is_refused_in_the_schema_of_another(eavesdropper, name):
    statement = qualified(SQL[name], "ada", binds=True)
    assert "ada" in statement
    assert refused(eavesdropper, statement, [None] * len(re.findall(r"%s", statement)))


@pytest.mark.parametrize("statement", [MIGRATIONS_TABLE, *[s for _, part in MIGRATIONS for s in part]])
def test_a_statement_that_makes_the_tables_is_refused_in_the_schema_of_another(eavesdropper, statement):
    assert refused(eavesdropper, qualified(statement, "ada"))


@pytest.mark.parametrize("table", ["migrations", *TABLES])
@pytest.mark.parametrize(
    "statement",
    [
        "select count(*) from {}",
        "table {}",
        "copy {} to stdout",
        "insert into {} default values",
        "delete from {}",
        "truncate {}",
        "lock table {} in access share mode",
        "create index on {} ((1))",
        "drop table {}",
        "alter table {} owner to current_user",
        "grant select on {} to public",
        "explain select * from {}",
        "create table mallory.copied (like {})",
        "create table mallory.child () inherits ({})",
    ],
)
def test_a_table_of_another_is_closed_to_everything(eavesdropper, statement, table):
    with eavesdropper.transaction(force_rollback=True):
        assert refused(eavesdropper, statement.format(f"ada.{table}"))


@pytest.mark.parametrize(
    "statement",
    [
        "create table public.x (a int)",
        "create table ada.x (a int)",
        "create schema another",
        "drop schema ada cascade",
        "alter schema ada rename to mine",
        "alter schema ada owner to current_user",
        "grant usage on schema ada to current_user",
        "create view mallory.seen as select * from ada.executions",
        "create role another login",
        "create database another",
        "set role postgres",
        "set session authorization postgres",
        "copy mallory.executions to program 'cat'",
        "select pg_read_file('pg_hba.conf')",
        "select * from pg_authid",
        "alter system set log_statement = 'all'",
        "select * from pg_statistic",
    ],
)
def test_what_would_lead_out_of_a_tenants_schema_is_refused(eavesdropper, statement):
    assert refused(eavesdropper, statement)


def test_a_tenant_has_rights_in_its_schema_and_in_no_other(guarded, two):
    _, mallory = two
    rights = guarded.connect(mallory).execute(RIGHTS).fetchall()
    assert {("schema", "mallory"), ("relation", "mallory.executions")} <= set(rights)
    assert all(name == "mallory" or name.startswith("mallory.") for _, name in rights)
    assert guarded.ask(
        "select rolcanlogin, rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls or rolinherit "
        "from pg_roles where rolname = %s",
        mallory.username,
    ) == [(True, False)]


def test_all_that_lies_in_a_tenants_schema_is_its_own(guarded, two):
    owners = guarded.ask(
        "select distinct pg_get_userbyid(owner) from (select relowner, relnamespace from pg_class "
        "union all select proowner, pronamespace from pg_proc union all select nspowner, oid from pg_namespace) o "
        "(owner, schema) where schema = 'ada'::regnamespace"
    )
    assert owners == [(two[0].username,)]
    db = guarded.connect(two[0])
    db.execute("create table ada.mine (a int); create function ada.one() returns int language sql return 1")
    assert guarded.ask("select proacl::text from pg_proc where oid = 'ada.one'::regproc") == [
        (f"{{{two[0].username}=X/{two[0].username}}}",)
    ]


def test_no_function_runs_with_rights_that_its_caller_lacks(guarded, two):
    statement = "select 1 from pg_proc where pronamespace = 'ada'::regnamespace and prosecdef"
    assert guarded.ask(statement) == []


# -- sessions --------------------------------------------------------------------------------------------------------


def test_what_a_session_asks_is_hidden_from_other_tenants(guarded, two):
    ada, mallory = map(guarded.connect, two)
    pid = ada.info.backend_pid
    ada.execute("select 'a question of hers'")
    statement = "select query, state, query_start, client_addr from pg_stat_activity where pid = %s"
    assert mallory.execute(statement, (pid,)).fetchall() == [("<insufficient privilege>", None, None, None)]
    for end in ("pg_terminate_backend", "pg_cancel_backend", "pg_log_backend_memory_contexts"):
        assert refused(mallory, f"select {end}(%s)", (pid,))


def test_no_tenant_hears_another_and_none_is_woken_by_another(guarded, two):
    told = {tenant.schema_name: queue.SimpleQueue() for tenant in two}
    stores = {tenant.schema_name: guarded.store(tenant.connection_string) for tenant in two}
    for name, store in stores.items():
        store.join("r1", NOW)
        store.listen(lambda ended, name=name: told[name].put(list(ended)))
        assert told[name].get(timeout=SOON) == [], "what was told before it listened"
    spy = guarded.connect(two[1])
    channels = [name for (name,) in guarded.ask("select nspname from pg_namespace")]
    channels += ["cloaca", "cloaca_ada", "ada.cloaca", *SQL]
    for channel in channels:
        spy.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        spy.execute("select pg_notify(%s, 'e1')", (channel,))
    assert len(list(spy.notifies(timeout=0, stop_after=len(channels)))) == len(channels), "its own"
    stores["ada"].enter(start("e1"))
    assert told["ada"].get(timeout=SOON) == []
    stores["mallory"].announce(work=True)
    assert told["mallory"].get(timeout=SOON) == []
    assert told["ada"].empty()
    assert told["mallory"].empty()
    assert list(spy.notifies(timeout=0)) == []


def test_channels_are_random_and_each_schemas_own(guarded, two):
    channels = [
        guarded.ask(f"select channel from {name}.migrations where version = 1")[0][0]
        for name in ("ada", "mallory")
    ]
    assert len(set(channels)) == 2
    assert all(re.fullmatch("cloaca_[0-9a-f]{32}", channel) for channel in channels)


def believing(store):
    """The store, made to believe locks of a server that has just been started."""
    store._sql["list_runners"] = store._sql["list_runners"].replace(YOUNG, "interval '0 seconds'")
    return store


def test_a_lock_that_another_tenant_holds_keeps_no_dead_runner_alive(guarded, two):
    ada, other = (believing(guarded.store(two[0].connection_string)) for _ in range(2))
    ada.join("r1", NOW)
    other.join("r2", NOW)
    spy = guarded.connect(two[1])
    [(high, low)] = spy.execute(
        "select classid, objid from pg_locks where locktype = 'advisory' and pid = %s",
        (ada._db.info.backend_pid,),
    ).fetchall()
    key = (high << 32 | low) - (1 << 64 if high >> 31 else 0)
    assert [row.holds_lock for row in other.other_runners()] == [True]
    assert spy.execute("select pg_advisory_unlock(%s)", (key,)).fetchall() == [(False,)]
    assert [row.holds_lock for row in other.other_runners()] == [True]
    ada._disconnect()
    until(lambda: spy.execute("select pg_try_advisory_lock(%s)", (key,)).fetchall() == [(True,)], "held")
    assert [row.holds_lock for row in other.other_runners()] == [False]


def test_a_runner_whose_lock_another_tenant_has_taken_learns_that_it_must_rejoin(guarded, two, monkeypatch):
    monkeypatch.setattr(
        driver, "SETTINGS", driver.SETTINGS.replace("lock_timeout = '5s'", "lock_timeout = '50ms'")
    )
    store = believing(guarded.store(two[0].connection_string))
    store.join("r1", NOW)
    spy, key = guarded.connect(two[1]), store._lock_key("r1")
    store._disconnect()
    until(lambda: spy.execute("select pg_try_advisory_lock(%s)", (key,)).fetchall() == [(True,)], "held")
    with pytest.raises(RunnerLost):
        store.beat()
    store.join("r2", NOW)
    store.beat()
    assert [(row.id, row.holds_lock) for row in store.other_runners()] == [("r1", False)]


def test_a_lock_that_is_held_by_ones_own_role_is_waited_for(guarded, two, monkeypatch):
    monkeypatch.setattr(
        driver, "SETTINGS", driver.SETTINGS.replace("lock_timeout = '5s'", "lock_timeout = '50ms'")
    )
    store = believing(guarded.store(two[0].connection_string))
    store.join("r1", NOW)
    twin, key = guarded.connect(two[0]), store._lock_key("r1")
    store._disconnect()
    until(lambda: twin.execute("select pg_try_advisory_lock(%s)", (key,)).fetchall() == [(True,)], "held")
    with pytest.raises(StoreUnavailable):
        store.beat()
    twin.execute("select pg_advisory_unlock_all()")
    store.beat()


# -- the schema that is meant ----------------------------------------------------------------------------------------


def test_tenants_live_side_by_side(guarded, two):
    ada, mallory = (guarded.store(tenant.connection_string) for tenant in two)
    for store in (ada, mallory):
        store.join("r1", NOW)
        assert store.enter(start("e1", key="k", input=f'{{"of":"{store.url.schema}"}}')).id == "e1"
    assert ada.read_execution("e1").input == '{"of":"ada"}'
    assert [row.id for row in mallory.claim(KNOWN, structures=[GRAPH], limit=9, now=NOW)] == ["e1"]
    assert shown(ada, "e1") == ("Pending", None, 0, [])
    assert ada.other_runners() == mallory.other_runners() == []
    ada.beat()


def in_schema(url, schema):
    """The URL with another search path."""
    return url.partition("&options=")[0] + f"&options=-csearch_path%3D{schema}"


def test_credentials_open_no_schema_but_their_own(guarded, two):
    theirs = in_schema(two[1].connection_string, "ada")
    for store in (store_of(theirs), store_of(theirs.partition("&options=")[0], schema="ada")):
        with pytest.raises(
            SchemaError, match=f"schema 'ada' belongs to role '{two[0].username}', not to '{two[1].username}'"
        ):
            store.prepare()
        assert (store._db, store._reader) == (None, None)
        for ask in (lambda s: s.read_execution("e1"), lambda s: s.enter(start("e1"))):
            with pytest.raises(SchemaError):
                ask(store)
        store.close()
    until(
        lambda: not guarded.ask("select 1 from pg_stat_activity where usename = %s", two[1].username),
        "a connection stays open",
    )


def test_a_schema_that_is_missing_and_may_not_be_made_is_named(guarded, two):
    store = store_of(in_schema(two[0].connection_string, "missing"))
    with pytest.raises(
        SchemaError, match=r"no schema 'missing', and role 'guarded_.*' may not create it: have it"
    ):
        store.prepare()
    store.close()


def test_a_superuser_does_not_work_in_a_tenants_schema_which_could_make_it_do_anything(guarded, two):
    store = store_of(guarded.url, schema="ada")
    with pytest.raises(SchemaError, match=r"schema 'ada' belongs to role .*, not to 'postgres': connect as"):
        store.prepare()
    store.close()


def test_a_table_of_somebody_else_in_ones_schema_is_a_doubt(guarded, two):
    guarded.db.execute("alter table ada.runners owner to postgres")
    store = store_of(two[0].connection_string)
    with pytest.raises(
        SchemaError, match="table 'runners' of schema 'ada' does not belong to the schema's owner"
    ):
        store.prepare()
    store.close()


def test_a_schema_that_is_given_away_while_it_is_used_is_left(guarded, two):
    store = guarded.store(two[0].connection_string)
    assert store.read_execution("e1") is None
    guarded.db.execute("alter schema ada owner to postgres")
    guarded.ask("select pg_terminate_backend(%s, 5000)", store._reader.info.backend_pid)
    with pytest.raises(SchemaError, match="belongs to role 'postgres'"):
        store.read_execution("e1")
    assert store._reader is None


@pytest.mark.parametrize(
    ("options", "schema"),
    [
        ("-csearch_path=acme", "acme"),
        ("-c search_path=acme,public", "acme"),
        ("--search_path=acme", "acme"),
        ("--search-path=acme", "acme"),
        ("-csearch_path=Acme", "acme"),
        ('-csearch_path="Acme"', "Acme"),
        ("-cstatement_timeout=7 -csearch_path=acme", "acme"),
        ("-cstatement_timeout=7", "cloaca"),
    ],
)
def test_a_search_path_is_read_as_the_server_reads_it(options, schema):
    url = parse_postgres_url(f"postgresql://localhost/app?options={options.replace('=', '%3D')}")
    assert (url.schema, url.is_own) == (schema, schema != "cloaca")
    assert url.options.get("options") == ("-cstatement_timeout=7" if "statement" in options else None)


@pytest.mark.parametrize(
    "options",
    [
        "-csearch_path=",
        "-csearch_path=a-b",
        '-csearch_path="$user",public',
        "-csearch_path=a -csearch_path=b",
        "-csearch_path=a\\ b",
        "-csearch_path='a'",
        "-csearch_path",
        "-c search_path = a",
        "-csearch_path=,a",
    ],
)
def test_a_search_path_that_leaves_a_doubt_is_refused(options):
    with pytest.raises(ConfigurationError, match="does not say which schema is meant"):
        parse_postgres_url(f"postgresql://localhost/app?options={options.replace('=', '%3D')}")


def test_a_search_path_and_a_schema_that_differ_are_refused():
    url = "postgresql://localhost/app?options=-csearch_path%3Dacme"
    with pytest.raises(
        ConfigurationError, match="schema='other' and the search path of the database URL, 'acme', are not"
    ):
        parse_postgres_url(url, schema="other")
    assert parse_postgres_url(url, schema="acme").schema == "acme"


def test_what_else_the_options_set_holds_for_the_session(guarded, two):
    url = two[0].connection_string.replace("options=", "options=-cstatement_timeout%3D7777%20")
    store = guarded.store(url)
    assert store._reader.execute("show statement_timeout").fetchall() == [("7777ms",)]


def test_a_pooler_that_hands_on_a_connection_with_another_search_path_leaks_nothing(guarded):
    """Poolers share connections among the clients of one role: here two schemas of it."""
    with tempfile.TemporaryDirectory(prefix="cloaca-pooler-") as folder, contextlib.ExitStack() as stack:
        pooler = stack.enter_context(contextlib.closing(Pooler(folder, guarded.url)))
        stores = {}
        for name in ("one", "two"):
            stores[name] = store_of(pooler.url, schema=name)
            stack.callback(stores[name].close)
            stores[name].prepare()
        with psycopg.connect(pooler.url, autocommit=True, prepare_threshold=None) as other:
            for path in ("two", "one", "public", ""):
                other.execute("select set_config('search_path', %s, false)", (path,))
                other.execute("set default_transaction_isolation = 'serializable'")
                stores["one"].enter(start(f"e{path}", key=path))
        assert stores["two"].waiting_structures() == []
        assert stores["two"].read_execution("e") is None
    assert guarded.ask("select count(*) from one.executions") == [(4,)]
    assert guarded.ask("select count(*) from two.executions") == [(0,)]


def test_a_password_that_is_wrong_is_refused_and_named_nowhere(guarded, two):
    wrong = two[0].connection_string.replace(two[0].password, "not-the-password")
    with pytest.raises(DatabaseError, match=r"refuses the connection .*check user, password") as error:
        store_of(wrong).prepare()
    assert "not-the-password" not in f"{error.value}{error.value.__cause__!r}{error.value.__dict__}"
