"""Tenants as users meet them: two side by side, creating, removing."""

import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

import cloaca
from cloaca.store.postgres.admin import SQL
from tests.tenancy import HOSTILE, NOBODY
from tests.world import SOON, workflow_of

# -- two tenants ------------------------------------------------------------------------------------------------------


def test_two_tenants_run_one_workflow_under_one_key_and_meet_nowhere(runner_of, guarded):
    tenants = [guarded.tenant("ada"), guarded.tenant("mallory")]
    workflow_of("bill", lambda context: context.set("paid", context["by"]), id="bill")
    runners = [runner_of(tenant.connection_string) for tenant in tenants]
    handles = [
        runner.start("bill", {"by": tenant.username}, idempotency_key="order-17")
        for runner, tenant in zip(runners, tenants, strict=True)
    ]
    for runner, handle, tenant in zip(runners, handles, tenants, strict=True):
        assert handle.result(SOON)["paid"] == tenant.username
        assert [summary.execution_id for summary in runner.list_executions()] == [handle.execution_id]
    assert handles[0].execution_id != handles[1].execution_id


def test_what_a_tenant_asks_of_another_does_not_exist(runner_of, guarded):
    workflow_of("bill", lambda context: None, id="bill")
    ada, mallory = (runner_of(guarded.tenant(name).connection_string) for name in ("ada", "mallory"))
    execution = ada.execute("bill").execution_id
    for ask in (mallory.get_execution, mallory.get_handle, lambda one: mallory.list_executions(after=one)):
        with pytest.raises(cloaca.ExecutionNotFoundError):
            ask(execution)
    assert mallory.list_executions() == []


def test_a_client_of_a_tenant_meets_no_other(runner_of, guarded):
    ada, mallory = guarded.tenant("ada"), guarded.tenant("mallory")
    hers, his = (runner_of(tenant.connection_string, make=cloaca.Client) for tenant in (ada, mallory))
    handle = hers.start("bill", {"by": "ada"}, idempotency_key="k")
    assert his.start("bill", {"by": "mallory"}, idempotency_key="k").execution_id != handle.execution_id
    with pytest.raises(cloaca.ExecutionNotFoundError):
        his.get_execution(handle.execution_id)
    elsewhere = mallory.connection_string.replace("%3Dmallory", "%3Dada")
    with pytest.raises(cloaca.SchemaError, match="belongs to role"):
        runner_of(elsewhere, make=cloaca.Client).list_executions()
    assert [summary.execution_id for summary in hers.list_executions()] == [handle.execution_id]


def test_a_tenant_starts_nothing_for_another_on_a_connection_of_its_own(runner_of, guarded):
    workflow_of("bill", lambda context: None, id="bill")
    ada, mallory = guarded.tenant("ada"), guarded.tenant("mallory")
    runner = runner_of(ada.connection_string)
    with pytest.raises(cloaca.DatabaseError, match="permission is refused"):
        runner.start("bill", connection=guarded.connect(mallory))
    assert runner.list_executions() == []


# -- creating ---------------------------------------------------------------------------------------------------------


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
def test_any_name_and_password_that_are_allowed_work(runner_of, guarded, schema, password):
    tenant = guarded.tenant(schema, password)
    assert tenant.password == password
    workflow_of("hello", lambda context: context.set("said", "hello"), id="hello")
    assert runner_of(tenant.connection_string).execute("hello")["said"] == "hello"
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


# -- removing ---------------------------------------------------------------------------------------------------------


def test_a_tenant_that_works_is_removed_and_leaves_nothing(runner_of, guarded):
    other = guarded.tenant("other")
    before = guarded.names()
    tenant = guarded.tenant("acme")
    runner = runner_of(tenant.connection_string)
    workflow_of("hello", lambda context: context.set("said", "hello"), id="hello")
    runner.execute("hello")
    guarded.connect(tenant).execute("create table mine (a int); create temp table passing (a int)")
    guarded.connect(tenant).execute("select lo_create(0)")
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
