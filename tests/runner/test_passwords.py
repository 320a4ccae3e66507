"""Where passwords could show: errors and their chains, logs on both sides, tables, sessions, what is printed."""

import logging
import os
from pathlib import Path

import pytest

import cloaca
from cloaca.store.postgres import connection as driver
from tests.conftest import FOLDER
from tests.tenancy import whole
from tests.world import workflow_of


def log_of(guarded):
    return Path(os.environ[FOLDER], "data", "log").read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("password", [None, "a-pass-phrase-of-ada"])
def test_a_password_is_written_nowhere(runner_of, guarded, caplog, password):
    caplog.set_level(logging.DEBUG)
    guarded.db.execute(f"alter database {guarded.name} set log_statement = 'all'")
    config = cloaca.TenantConfig("acme", guarded.role(), password)
    tenant = guarded.admin.create_tenant(config)
    with pytest.raises(cloaca.SchemaError) as exists:
        guarded.admin.create_tenant(cloaca.TenantConfig("acme", guarded.role(), tenant.password))
    workflow_of("hello", lambda context: context.set("said", "hello"), id="hello")
    runner = runner_of(tenant.connection_string)
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
