"""What the processes of a crash point do: start work and be killed, or recover what others have left."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cloaca

# Loaded before any fork, so that no point pays for it.
import cloaca.executors.loop
from cloaca.authoring import registry
from cloaca.store.postgres import connection as postgres_connection
from cloaca.store.postgres.url import PostgresUrl
from cloaca.store.sqlite import connection, store
from cloaca.store.url import SqliteUrl
from tests.crash import postgres_audit, sqlite_audit
from tests.crash.audits import count_runners
from tests.crash.journal import Journal
from tests.crash.shapes import START, Recorder, Shape

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Site:
    """The folder of one crash point."""

    folder: str
    server: str | None = None
    """The URL of its PostgreSQL database, where it is not a file in the folder."""

    @property
    def database(self) -> str:
        return os.path.join(self.folder, "crash.db")

    @property
    def url(self) -> str:
        return self.server or f"sqlite:///{self.database}"

    @property
    def log(self) -> str:
        return os.path.join(self.folder, "log")

    @property
    def journal(self) -> Journal:
        return Journal(os.path.join(self.folder, "journal"))


@dataclass(frozen=True)
class Scenario:
    """What is started in one process.

    Attributes:
        starts: Workflows to start, each under an idempotency key of its own.
        also: Workflows that must be registered besides.
        together: How many executions of each to start in one transaction instead, without keys.
        leaves_early: Shut down at once and let the next process finish.
    """

    name: str
    starts: tuple[Shape, ...]
    also: tuple[Shape, ...] = ()
    together: int = 0
    leaves_early: bool = False

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return self.starts + self.also


def audit_new_databases() -> None:
    """Have this process install the audit in every database right after its tables are made."""

    def migrate_and_audit(db: sqlite3.Connection, url: SqliteUrl) -> None:
        connection.migrate(db, url)
        sqlite_audit.install_audit(db)

    def migrate_and_audit_on_server(db: postgres_connection.Connection, url: PostgresUrl) -> None:
        migrate_on_server(db, url)
        postgres_audit.install_audit(db)

    migrate_on_server = postgres_connection.migrate
    store.__dict__["migrate"] = migrate_and_audit
    postgres_connection.migrate = migrate_and_audit_on_server


@contextmanager
def runner_on(site: Site, scenario: Scenario, *, register_first: bool) -> Iterator[cloaca.DefaultRunner]:
    """A runner that knows the scenario's workflows and no others, shut down at the end of the block."""
    # What this process registered before would be run in their place until they are registered.
    registry.use(registry.Registry())
    recorder = Recorder(site.journal, site.url)

    def register() -> None:
        for shape in scenario.shapes:
            recorder.register(shape)

    if register_first:
        register()
    with cloaca.DefaultRunner(site.url) as runner:
        recorder.runner = runner
        if not register_first:
            register()
        yield runner


def start_all(site: Site, scenario: Scenario, runner: cloaca.DefaultRunner) -> list[cloaca.ExecutionHandle]:
    """Start everything, and note each start once it was acknowledged."""
    handles = []
    for number, shape in enumerate(scenario.starts):
        key = None if scenario.together else f"key {number}"
        if scenario.together:
            started = runner.start_many(shape.name, [START] * scenario.together)
        else:
            started = [runner.start(shape.name, START, idempotency_key=key)]
        for handle in started:
            site.journal.write("acknowledged", handle.execution_id, workflow=shape.name, key=key)
        handles += started
    return handles


def work(site: Site, scenario: Scenario, *, register_first: bool) -> None:
    """Start everything, wait for all of it unless it is left early, shut down."""
    with runner_on(site, scenario, register_first=register_first) as runner:
        handles = start_all(site, scenario, runner)
        if scenario.leaves_early:
            runner.shutdown(timeout=0)
        for handle in [] if scenario.leaves_early else handles:
            note_result(site, handle, runner)


def recover(site: Site, scenario: Scenario, *, register_first: bool, starts_again: bool) -> None:
    """Make a runner on what others have left, wait until all of it has finished, and note how long that took.

    Args:
        starts_again: Repeat every start under its key first; otherwise nobody asks for anything.
    """
    began = time.monotonic()
    with runner_on(site, scenario, register_first=register_first) as runner:
        if starts_again:
            handles = start_all(site, scenario, runner)
        else:
            handles = [runner.get_handle(found.execution_id) for found in runner.list_executions(limit=1000)]
        for handle in handles:
            handle.result(PATIENCE_SECONDS)
        until(lambda: all(found.status.is_final for found in runner.list_executions(limit=1000)))
        site.journal.write("recovered", "", seconds=time.monotonic() - began)
        for handle in handles:
            note_result(site, handle, runner)
        # Where nothing was left to do this runner would leave before it can tell that the other one is dead.
        until(lambda: count_runners(site.url) == 1)


def note_result(site: Site, handle: cloaca.ExecutionHandle, runner: cloaca.DefaultRunner) -> None:
    """Note what the starter is told, and what is read from the database."""
    result, record = handle.result(PATIENCE_SECONDS), runner.get_execution(handle.execution_id)
    for status, context in ((result.status, result.final_context), (record.status, record.context)):
        site.journal.write(
            "result", handle.execution_id, workflow=handle.workflow_name, status=str(status),
            context=context.to_dict(),
        )  # fmt: skip


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {PATIENCE_SECONDS:g} s")
        time.sleep(0.005)
