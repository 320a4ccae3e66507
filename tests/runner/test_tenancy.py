"""Schemas and tenants as users meet them: names, credentials, two tenants side by side, removal."""

import contextlib
import inspect
import logging
import os
import pickle
import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

import cloaca
from cloaca.store.postgres import connection as driver
from cloaca.store.postgres.admin import SQL
from cloaca.store.postgres.names import KEY_WORDS
from tests import postgres
from tests.conftest import FOLDER
from tests.world import SOON, workflow_of

NOBODY = "postgresql://ada:pass-phrase@127.0.0.1:1/app"
"""Where no server listens."""

HOSTILE = [
    "x; drop schema public cascade; --",
    'x" authorization postgres; --',
    "x' or '1'='1",
    "x\0y",
    "../x",
    "\u202exyz",
    "tenänt",
    "{user}",
    "%s",
    " ",
    "x\n",
    "\ud800",
]


@pytest.fixture
def make(guarded):
    """Runners that are shut down at the end."""
    with contextlib.ExitStack() as stack:

        def make(url, *, within=cloaca.DefaultRunner, **options):
            runner = within(url, **options)
            stack.callback(runner.shutdown, timeout=1)
            return runner

        yield make


def whole(error):
    """All that could be shown of an error: its chain, its attributes, its pickle."""
    shown = "".join(traceback.format_exception(error))
    while error is not None:
        shown += f"{error!r}{vars(error)!r}"
        with contextlib.suppress(TypeError, pickle.PicklingError):
            shown += pickle.dumps(error).decode("latin-1")
        error = error.__cause__ or error.__context__
    return shown


# -- with_schema -----------------------------------------------------------------------------------------------------


def test_with_schema_takes_a_url_and_a_schema():
    assert list(inspect.signature(cloaca.DefaultRunner.with_schema).parameters) == ["database_url", "schema"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("", "Schema name cannot be empty"),
        (None, "Schema name cannot be empty"),
        *[
            (name, "must contain only alphanumeric characters and underscores")
            for name in ("a-b", "a b", "a.b", "a@b", "a$b", "-", "1-", 17, b"abc", *HOSTILE)
        ],
        *[(name, "must start with a letter") for name in ("1a", "_a", "9", "_")],
        ("x" * 64, "has 64 characters: PostgreSQL keeps 63"),
        ("x" * 65536, "has 65536 characters: PostgreSQL keeps 63"),
        *[
            (name, "is reserved by PostgreSQL: choose another")
            for name in (
                "public",
                "Public",
                "pg_catalog",
                "PG_x",
                "information_schema",
                "select",
                "User",
                "with",
                "all",
            )
        ],
    ],
)
@pytest.mark.parametrize("url", [NOBODY, "sqlite:///app.db", "nonsense"])
def test_a_schemas_name_is_looked_at_before_anything_else(schema, message, url):
    with pytest.raises(ValueError, match=message) as error:
        cloaca.DefaultRunner.with_schema(url, schema)
    assert isinstance(error.value, RuntimeError)
    assert len(str(error.value)) < 250
    assert not os.path.exists("app.db")


@pytest.mark.parametrize("caught", [ValueError, RuntimeError, cloaca.SchemaError, cloaca.DatabaseError])
@pytest.mark.parametrize("schema", ["acme", "Tenant_A", "t1", "a", "x" * 63])
def test_a_server_that_is_not_there_is_said_to_be(schema, caught):
    before = time.monotonic()
    with pytest.raises(caught, match=f"^Failed to set up schema '{schema}': .* cannot be reached") as error:
        cloaca.DefaultRunner.with_schema(NOBODY, schema)
    assert time.monotonic() - before < 5
    assert "pass-phrase" not in whole(error.value)


def test_servers_that_do_not_answer_are_given_up_within_five_seconds():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        before = time.monotonic()
        with pytest.raises(cloaca.SchemaError, match=r"Failed to set up schema 'acme': .*timeout expired"):
            cloaca.DefaultRunner.with_schema(f"postgresql://ada@{place},{place}/app", "acme")
        assert time.monotonic() - before < 5.5


@pytest.mark.parametrize(
    "url", ["sqlite:///app.db", ":memory:", "mysql://localhost/app", "", "postgresql://h:x/app"]
)
def test_with_schema_needs_postgresql(url):
    with pytest.raises(ValueError, match=r"needs a PostgreSQL URL|is not a database URL|port"):
        cloaca.DefaultRunner.with_schema(url, "acme")
    assert not os.path.exists("app.db")


def test_with_schema_runs_workflows_in_schemas_that_share_nothing(make, guarded):
    workflow_of("hello", lambda context: context.set("said", "hello"), id="hello")
    one, two = (
        make(guarded.url, within=cloaca.DefaultRunner.with_schema, schema=name) for name in ("One", "two_2")
    )
    assert one.execute("hello")["said"] == "hello"
    assert (len(one.list_executions()), two.list_executions()) == (1, [])
    assert guarded.ask('select count(*) from "One".executions') == [(1,)]


def test_a_schema_that_is_anothers_is_a_failure_to_set_it_up(guarded):
    ada, mallory = guarded.tenant("ada"), guarded.tenant("mallory")
    url = mallory.connection_string.partition("&options=")[0]
    with pytest.raises(
        cloaca.SchemaError, match=r"Failed to set up schema 'ada': .* belongs to role"
    ) as error:
        cloaca.DefaultRunner.with_schema(url, "ada")
    assert mallory.password not in whole(error.value)
    with cloaca.DefaultRunner.with_schema(ada.connection_string, "ada") as runner:
        assert runner.list_executions() == []


# -- two tenants -----------------------------------------------------------------------------------------------------


def test_two_tenants_run_one_workflow_under_one_key_and_meet_nowhere(make, guarded):
    tenants = [guarded.tenant("ada"), guarded.tenant("mallory")]
    workflow_of("bill", lambda context: context.set("paid", context["by"]), id="bill")
    runners = [make(tenant.connection_string) for tenant in tenants]
    handles = [
        runner.start("bill", {"by": tenant.username}, idempotency_key="order-17")
        for runner, tenant in zip(runners, tenants, strict=True)
    ]
    for runner, handle, tenant in zip(runners, handles, tenants, strict=True):
        assert handle.result(SOON)["paid"] == tenant.username
        assert [summary.execution_id for summary in runner.list_executions()] == [handle.execution_id]
    assert handles[0].execution_id != handles[1].execution_id


def test_what_a_tenant_asks_of_another_does_not_exist(make, guarded):
    workflow_of("bill", lambda context: None, id="bill")
    ada, mallory = (make(guarded.tenant(name).connection_string) for name in ("ada", "mallory"))
    execution = ada.execute("bill").execution_id
    for ask in (mallory.get_execution, mallory.get_handle, lambda one: mallory.list_executions(after=one)):
        with pytest.raises(cloaca.ExecutionNotFoundError):
            ask(execution)
    assert mallory.list_executions() == []


def test_a_tenant_starts_nothing_for_another_on_a_connection_of_its_own(make, guarded):
    workflow_of("bill", lambda context: None, id="bill")
    ada, mallory = guarded.tenant("ada"), guarded.tenant("mallory")
    runner = make(ada.connection_string)
    with pytest.raises(cloaca.DatabaseError, match="permission is refused"):
        runner.start("bill", connection=guarded.connect(mallory))
    assert runner.list_executions() == []


# -- creating --------------------------------------------------------------------------------------------------------


def test_credentials_say_who_and_where_and_connect(guarded):
    tenant = guarded.tenant("acme")
    assert (tenant.schema_name, len(tenant.password), tenant.password.isalnum()) == ("acme", 32, True)
    assert "search_path" in tenant.connection_string
    db = guarded.connect(tenant)
    assert db.execute("select current_user::text, current_schema()::text").fetchall() == [
        (tenant.username, "acme")
    ]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(tenant.connection_string.replace(tenant.password, tenant.password[::-1]))
    assert guarded.tenant("other").password != tenant.password


@pytest.mark.parametrize("schema", ["UPPER_1", "x" * 63])
@pytest.mark.parametrize("password", ["p:a/s?s@w#o r%d&x=\\'\"", "pässwörd ☃", "x" * 500])
def test_any_name_and_password_that_are_allowed_work(make, guarded, schema, password):
    tenant = guarded.tenant(schema, password)
    assert tenant.password == password
    workflow_of("hello", lambda context: context.set("said", "hello"), id="hello")
    assert make(tenant.connection_string).execute("hello")["said"] == "hello"
    assert guarded.connect(tenant).execute("select current_schema()").fetchall() == [(schema,)]
    assert guarded.ask(f'select count(*) from "{schema}".executions') == [(1,)]


@pytest.mark.parametrize("name", [*HOSTILE, "", "1a", "pg_x", "public", "none", "x" * 64, 17])
@pytest.mark.parametrize("of", ["schema", "user"])
def test_a_name_that_is_not_allowed_is_refused_before_connecting(name, of):
    admin = cloaca.DatabaseAdmin(NOBODY)
    names = (name, "acme") if of == "schema" else ("acme", name)
    for refused in (
        lambda: admin.create_tenant(cloaca.TenantConfig(*names)),
        lambda: admin.remove_tenant(*names),
    ):
        with pytest.raises(cloaca.SchemaError, match=f"^{of.title()} name ") as error:
            refused()
        assert isinstance(error.value, RuntimeError)
        assert len(str(error.value)) < 250


@pytest.mark.parametrize("password", ["a\0secret", "\udcffsecret", 17, b"secret"])
def test_a_password_that_the_server_would_cut_is_refused_and_not_shown(password):
    with pytest.raises(cloaca.SchemaError, match="the password ") as error:
        cloaca.DatabaseAdmin(NOBODY).create_tenant(cloaca.TenantConfig("acme", "acme", password))
    assert "secret" not in str(error.value)


def test_a_tenant_that_exists_is_refused_by_name_and_left_alone(guarded):
    tenant = guarded.tenant("acme")
    before = guarded.names()
    for schema, user, taken in (
        ("acme", guarded.role(), "schema 'acme'"),
        ("other", tenant.username, f"role '{tenant.username}'"),
        ("acme", tenant.username, "schema 'acme'"),
    ):
        with pytest.raises(cloaca.SchemaError, match=f"was not created: {taken} exists already: choose"):
            guarded.admin.create_tenant(cloaca.TenantConfig(schema, user, "another"))
    assert guarded.names() == before
    assert guarded.connect(tenant)


@pytest.mark.parametrize(
    "statement",
    ["create_role", "create_schema", "act_as", "keep_functions_private", "act_as_before", "close_public"],
)
def test_a_tenant_is_created_whole_or_not_at_all(guarded, monkeypatch, statement):
    before, role = guarded.names(), guarded.role()
    monkeypatch.setitem(SQL, statement, f"{SQL[statement]}; select 1 / 0")
    with pytest.raises(
        cloaca.DatabaseError, match=f"tenant '{role}' with schema 'acme' was not created: .*division"
    ):
        guarded.admin.create_tenant(cloaca.TenantConfig("acme", role))
    assert guarded.names() == before
    monkeypatch.undo()
    guarded.admin.create_tenant(cloaca.TenantConfig("acme", role))


def test_of_many_who_create_one_tenant_at_once_one_does(guarded):
    role = guarded.role()

    def create(_):
        with contextlib.suppress(cloaca.SchemaError):
            return guarded.admin.create_tenant(cloaca.TenantConfig("acme", role))

    with ThreadPoolExecutor(6) as pool:
        [created] = [tenant for tenant in pool.map(create, range(6)) if tenant]
    assert guarded.connect(created)


def test_many_tenants_are_created_at_once(guarded):
    with ThreadPoolExecutor(6) as pool:
        tenants = list(pool.map(guarded.tenant, [f"t{number}" for number in range(6)]))
    assert all(map(guarded.connect, tenants))


def test_a_schema_that_is_open_to_every_role_must_be_closed_first(guarded):
    guarded.db.execute('create schema "the app"; grant usage on schema "the app" to public')
    before = guarded.names()
    role = guarded.role()
    with pytest.raises(
        cloaca.SchemaError,
        match='would have rights in schema "the app": revoke all on schema "the app" from public',
    ):
        guarded.admin.create_tenant(cloaca.TenantConfig("acme", role))
    assert guarded.names() == before
    guarded.db.execute('revoke all on schema "the app" from public')
    guarded.admin.create_tenant(cloaca.TenantConfig("acme", role))


def test_that_public_was_closed_is_logged_once(guarded, caplog):
    with caplog.at_level(logging.WARNING, "cloaca"):
        for name in ("one", "two"):
            guarded.tenant(name)
    assert caplog.text.count("schema public of ") == 1


def test_an_admin_who_is_no_superuser_needs_createrole_and_the_database(guarded):
    owner = guarded.role()
    guarded.db.execute(f"create role {owner} login createrole password 'owner'")
    url = guarded.url.replace("postgres@", f"{owner}:owner@")
    role = guarded.role()
    config = cloaca.TenantConfig("acme", role)
    with pytest.raises(cloaca.DatabaseError, match="permission is refused"):
        cloaca.DatabaseAdmin(url).create_tenant(config)
    guarded.db.execute(
        f"alter database {guarded.name} owner to {owner}; revoke connect on database {guarded.name} from public"
    )
    tenant = cloaca.DatabaseAdmin(url).create_tenant(config)
    assert guarded.connect(tenant).execute("select count(*) from executions").fetchall() == [(0,)]
    statement = "select 1 from pg_auth_members where roleid = %s::regrole and (set_option or inherit_option)"
    assert guarded.ask(statement, role) == []
    cloaca.DatabaseAdmin(url).remove_tenant("acme", role)
    assert guarded.ask("select 1 from pg_roles where rolname = %s", role) == []
    guarded.db.execute(f"alter database {guarded.name} owner to postgres")


# -- removing --------------------------------------------------------------------------------------------------------


def test_a_tenant_that_works_is_removed_and_leaves_nothing(make, guarded):
    other = guarded.tenant("other")
    before = guarded.names()
    tenant = guarded.tenant("acme")
    runner = make(tenant.connection_string)
    workflow_of("hello", lambda context: context.set("said", "hello"), id="hello")
    runner.execute("hello")
    guarded.connect(tenant).execute("create table mine (a int); create temp table passing (a int)")
    guarded.admin.remove_tenant("acme", tenant.username)
    assert guarded.ask("select 1 from pg_stat_activity where usename = %s", tenant.username) == []
    assert [row for row in guarded.names() if row[0] != tenant.username] == before
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(tenant.connection_string)
    with pytest.raises(cloaca.DatabaseError):
        runner.list_executions()
    assert guarded.connect(other)
    with pytest.raises(
        cloaca.SchemaError, match=f"there is no tenant '{tenant.username}' with schema 'acme'"
    ):
        guarded.admin.remove_tenant("acme", tenant.username)
    guarded.admin.create_tenant(cloaca.TenantConfig("acme", tenant.username))


def test_only_a_schema_and_its_own_role_are_removed_together(guarded):
    one, two = guarded.tenant("one"), guarded.tenant("two")
    guarded.db.execute("create schema cloaca")
    before = guarded.names()
    for schema, user in (
        ("one", two.username),
        ("two", one.username),
        ("cloaca", "postgres"),
        ("one", "postgres"),
        ("absent", one.username),
        ("one", "absent"),
    ):
        with pytest.raises(cloaca.SchemaError, match=f"there is no tenant '{user}' with schema '{schema}'"):
            guarded.admin.remove_tenant(schema, user)
    assert guarded.names() == before


def test_what_a_tenant_owns_elsewhere_is_not_lost_with_it(guarded):
    tenant = guarded.tenant("acme")
    guarded.db.execute("create table public.theirs (a int)")
    guarded.db.execute(f"alter table public.theirs owner to {tenant.username}")
    before = guarded.names()
    with pytest.raises(
        cloaca.SchemaError, match=r"was not removed: the role also has table public\.theirs: drop that"
    ):
        guarded.admin.remove_tenant("acme", tenant.username)
    assert guarded.names() == before
    assert guarded.connect(tenant)
    guarded.db.execute("alter table public.theirs owner to postgres")
    guarded.db.execute(f"grant select on public.theirs to {tenant.username}")
    guarded.admin.remove_tenant("acme", tenant.username)
    assert guarded.ask("select count(*) from public.theirs") == [(0,)]


def test_a_removal_that_was_cut_off_can_be_done_again(guarded, monkeypatch):
    tenant = guarded.tenant("acme")
    monkeypatch.setitem(SQL, "drop_role", "select 1/0")
    with pytest.raises(cloaca.DatabaseError, match=r"was not removed: .*division"):
        guarded.admin.remove_tenant("acme", tenant.username)
    assert guarded.ask("select count(*) from acme.executions") == [(0,)]
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(tenant.connection_string)
    monkeypatch.undo()
    guarded.admin.remove_tenant("acme", tenant.username)
    assert guarded.ask("select 1 from pg_roles where rolname = %s", tenant.username) == []


# -- passwords -------------------------------------------------------------------------------------------------------


def log_of(guarded):
    return Path(os.environ[FOLDER], "data", "log").read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("password", [None, "a-pass-phrase-of-ada"])
def test_a_password_is_written_nowhere(make, guarded, caplog, password):
    caplog.set_level(logging.DEBUG)
    guarded.db.execute(f"alter database {guarded.name} set log_statement = 'all'")
    config = cloaca.TenantConfig("acme", guarded.role(), password)
    tenant = guarded.admin.create_tenant(config)
    with pytest.raises(cloaca.SchemaError) as exists:
        guarded.admin.create_tenant(cloaca.TenantConfig("acme", guarded.role(), tenant.password))
    workflow_of("hello", lambda context: context.set("said", "hello"), id="hello")
    runner = make(tenant.connection_string)
    result = runner.execute("hello")
    with pytest.raises(cloaca.DatabaseError) as refused:
        cloaca.DefaultRunner(tenant.connection_string.replace("acme", "absent"))
    rows = [guarded.ask(f"select t::text from acme.{table} t") for table in ("migrations", *driver.TABLES)]
    queries = guarded.ask("select query, application_name from pg_stat_activity")
    log = log_of(guarded)
    assert "SCRAM-SHA-256$" in log
    assert f'create role "{tenant.username}"' in log
    shown = [config, tenant, runner, guarded.admin, result, rows, queries, log, caplog.text]
    shown += [str(config), str(tenant), whole(exists.value), whole(refused.value)]
    for where in shown:
        assert tenant.password not in repr(where)
    verifiers = guarded.ask("select rolpassword from pg_authid where rolname = %s", tenant.username)
    assert verifiers[0][0].startswith("SCRAM-SHA-256$")


@pytest.mark.parametrize(
    "url",
    [
        "postgres:/ada:s3cret@localhost/app",
        "mysql://ada:s3cret@localhost/app",
        "postgresql://ada:s3cret/x@localhost/app",
        "postgresql://ada:5?s3cret@localhost/app",
        "postgresql://ada:s3cret?x@localhost/app",
        "postgresql://ada:s3cret@localhost:x/app",
        "postgresql://ada:s3cret@localhost/app?sslmod=require",
        "postgresql://ada:s3cret@localhost/app?options=-csearch_path%3Da-b",
        "postgresql://ada:s3cret@127.0.0.1:1/app",
        "postgresql://127.0.0.1:1/app?user=ada&password=s3cret",
        "postgresql://ada:s3cret@127.0.0.1:1/app?connect_timeout=soon",
        "postgresql://ada:s3cret@127.0.0.1:1/app?sslmode=maybe",
        "mysql://localhost/app?password=s3cret",
        "postgresql://ada:s3cret@localhost/app\0",
    ],
)
def test_a_url_that_cannot_be_used_keeps_its_password(url):
    for use in (cloaca.DefaultRunner, lambda url: cloaca.DatabaseAdmin(url).remove_tenant("acme", "acme")):
        with pytest.raises(cloaca.CloacaException) as error:
            use(url)
        assert "s3cret" not in whole(error.value)


# -- DatabaseAdmin ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///app.db", "is SQLite, which has no roles and schemas: tenants need a PostgreSQL URL"),
        ("postgresql://localhost", "names no database: write postgresql://user:password@host/DATABASE"),
        ("postgresql://localhost/", "names no database"),
        ("nonsense", "is not a database URL"),
        ("", "is not a database URL"),
    ],
)
@pytest.mark.parametrize("caught", [RuntimeError, ValueError, cloaca.InvalidDatabaseUrl])
def test_an_admin_needs_a_database_of_postgresql(url, message, caught):
    with pytest.raises(caught, match=message):
        cloaca.DatabaseAdmin(url)


def test_an_admin_takes_timeouts_and_whether_to_encrypt():
    admin = cloaca.DatabaseAdmin(NOBODY, connection_timeout=2.5, command_timeout=7, enable_ssl=True)
    assert repr(admin) == "DatabaseAdmin('postgresql://ada@127.0.0.1:1/app')"
    assert admin._url.options["sslmode"] == "require"
    assert (
        cloaca.DatabaseAdmin(NOBODY + "?sslmode=verify-full", enable_ssl=True)._url.options["sslmode"]
        == "verify-full"
    )
    assert cloaca.DatabaseAdmin(NOBODY, enable_ssl=False)._url.options["sslmode"] == "disable"
    for name in ("connection_timeout", "command_timeout"):
        for value in (0, -1, "1", True, float("nan"), float("inf")):
            with pytest.raises(
                cloaca.ConfigurationError, match=f"{name}=.* must be a number of seconds above 0"
            ):
                cloaca.DatabaseAdmin(NOBODY, **{name: value})


def test_a_command_that_takes_too_long_is_given_up(guarded):
    tenant = guarded.tenant("acme")
    with guarded.connect(tenant) as db, db.transaction():
        db.execute("lock table executions")
        holder = psycopg.connect(guarded.url)
        holder.execute("lock table acme.structures in access share mode")
        admin = cloaca.DatabaseAdmin(guarded.url, command_timeout=1)
        with pytest.raises(cloaca.DatabaseError, match=r"was not removed: .*statement timeout"):
            admin.remove_tenant("acme", tenant.username)
        holder.close()
        db.close()


def test_a_config_is_read_only_and_hides_its_password():
    config = cloaca.TenantConfig(schema_name="acme", username="ada", password="s3cret")
    assert (config.schema_name, config.username, config.password) == ("acme", "ada", "s3cret")
    assert (cloaca.TenantConfig("acme", "ada").password, cloaca.TenantConfig("acme", "ada", "").password) == (
        "",
        "",
    )
    for name in ("schema_name", "username", "password"):
        with pytest.raises(AttributeError):
            setattr(config, name, "x")
    assert "s3cret" not in f"{config!r}{config}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://admin:x@db.example:5433/app?sslmode=verify-full&sslcert=admin.crt&application_name=a%20b",
        "postgresql://admin@[::1]:5432/app",
        "postgresql://admin@h1:1,h2:2/app",
        "postgresql:///app?host=/run/pg&port=7",
    ],
)
def test_credentials_lead_where_the_admin_was_led_as_somebody_else(url):
    admin = cloaca.DatabaseAdmin(url)
    told = admin._url.of_user("ada", password="p@:/?#[]% ☃", schema="Acme")
    read = psycopg.conninfo.conninfo_to_dict(told)
    assert (read.pop("user"), read.pop("password"), read.pop("options")) == (
        "ada",
        "p@:/?#[]% ☃",
        '-csearch_path="Acme"',
    )
    kept = {
        name: value
        for name, value in admin._url.options.items()
        if name not in ("user", "password", "sslcert")
    }
    assert {name: value for name, value in read.items() if value} == kept
    again = cloaca.store.url.parse_database_url(told)
    assert (again.schema, again.options) == ("Acme", kept | {"user": "ada", "password": "p@:/?#[]% ☃"})


def test_the_reserved_words_are_the_servers():
    with psycopg.connect(postgres.Server(Path(os.environ[FOLDER])).url) as db:
        words = db.execute("select word from pg_get_keywords() where catcode in ('R', 'T')").fetchall()
    assert {word for (word,) in words} <= set(KEY_WORDS.split())
