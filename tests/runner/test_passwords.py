"""Where passwords could show: errors and their chains, logs on both sides, tables, sessions, what is printed."""

import logging
import os
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

import cloaca
from cloaca.cli.main import cloaca as command_line
from cloaca.store.postgres import connection as driver
from cloaca.store.postgres.url import parse_postgres_url
from tests.conftest import FOLDER
from tests.tenancy import whole
from tests.world import workflow_of

FLOW = """
import cloaca
with cloaca.WorkflowBuilder("hello"):
    @cloaca.task
    def hello(context): ...
"""


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
        # A password that is not escaped, and has ended at a '?' or '/'.
        "postgresql://ada:5?s3cret=x@localhost/app",
        "postgresql://ada:5?s3cret&y@localhost/app",
        "postgresql://ada:5?host=s3cret@localhost/app",
        "postgresql://ada:5?dbname=s3cret@localhost/app",
        "postgresql://ada:5432/s3cret@localhost/app",
        "postgresql://ada:5432/s3cret@localhost/app?sslmode=disable",
        "postgresql://127.0.0.1:1/postgresql%3A%2F%2Fada%3As3cret@h",
        # One that holds what the driver's connection string escapes, or spaces that a message would lose.
        "postgresql://ada:s3cret%27%5C%20%20x@127.0.0.1:1/app?sslmode=maybe",
        "postgresql://ada:s3cret%00@127.0.0.1:1/app",
        "postgresql://ada:s3%63ret@127.0.0.1:1/app?connect_timeout=soon",
        # Among the options.
        "postgresql://127.0.0.1:1/app?user=ada&pass%77ord=s3cret",
        "postgresql://127.0.0.1:1/app?user=ada&sslpassword=s3cret",
        "postgresql://127.0.0.1:1/app?user=ada&PASSWORD=s3cret",
        "postgresql://127.0.0.1:1/app?user=ada&password:s3cret",
        "postgresql://127.0.0.1:1/app?passfile=/none&password=s3cret",
        "postgresql://127.0.0.1:1/app?service=none&password=s3cret",
        # Of other databases, and of other kinds.
        "mysql://ada:s3cret/app",
        "mysql://localhost/app?passwd=s3cret",
        "mysql://localhost/app?pass%77ord=s3cret",
        "host=127.0.0.1 port=1 user=ada password = 's3cret x'",
        "sqlite://ada:s3cret@localhost/app.db",
        "sqlite:///app.db?password=s3cret",
        "folder/app.db?password=s3cret",
    ],
)
def test_a_url_that_cannot_be_used_keeps_its_password(url, caplog):
    caplog.set_level(logging.DEBUG)
    uses = (
        cloaca.DefaultRunner,
        lambda url: cloaca.Client(url).list_executions(),
        lambda url: cloaca.DatabaseAdmin(url).remove_tenant("acme", "acme"),
    )
    for use in uses:
        with pytest.raises(cloaca.CloacaException) as error:
            use(url)
        assert "s3cret" not in whole(error.value)
    for arguments in (["worker", "flow.py"], ["run", "flow.py"]):
        Path("flow.py").write_text(FLOW)
        done = CliRunner().invoke(command_line, [*arguments, "--db", url])
        assert done.exit_code == 2
        assert "s3cret" not in done.output + whole(done.exception)
    assert "s3cret" not in caplog.text


def test_a_password_that_the_server_refuses_is_not_quoted_wherever_it_comes_from(guarded, monkeypatch):
    tenant = guarded.admin.create_tenant(cloaca.TenantConfig("acme", guarded.role(), "right"))
    wrong = tenant.connection_string.replace(":right@", ":s3cret%20%20%27x@")
    without = tenant.connection_string.replace(":right@", "@")
    passfile = Path("passfile").resolve()
    passfile.write_text("*:*:*:*:s3cret")
    passfile.chmod(0o600)
    cases = [(wrong, None), (without, "s3cret"), (f"{without}&passfile={passfile}", None)]
    for url, of_the_environment in cases:
        if of_the_environment:
            monkeypatch.setenv("PGPASSWORD", of_the_environment)
        else:
            monkeypatch.delenv("PGPASSWORD", raising=False)
        with pytest.raises(cloaca.DatabaseError, match="password authentication failed") as refused:
            cloaca.DefaultRunner(url)
        assert "s3cret" not in whole(refused.value)


def test_a_driver_that_quotes_the_password_is_not_quoted():
    url = parse_postgres_url("postgresql://ada:s3cret%20%20it%27s@localhost/app?sslpassword=other")
    said = "bad 's3cret  it's', 's3cret  it\\'s', s3cret%20%20it%27s, s3cret it's, other"
    text = driver.explained(psycopg.OperationalError(said), url)
    assert "s3cret" not in text
    assert "other" not in text
    assert text.count("***") == 5
