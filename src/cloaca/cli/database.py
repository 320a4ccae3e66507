"""The database that a command works on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from cloaca.cli.exit_codes import Refused
from cloaca.runner.client import Client
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.runner.runner import DefaultRunner
from cloaca.runner.stores import DEFAULT_URL, inspection_of
from cloaca.store.masking import masked
from cloaca.store.url import SqliteUrl, parse_database_url

VARIABLE = "CLOACA_DATABASE_URL"
GRACE_SECONDS = 0.5
"""How long running bodies may continue when the command ends; those that finish need not run again."""

database_option = click.option(
    "--db",
    "--database-url",
    "url",
    metavar="URL",
    envvar=VARIABLE,
    default=DEFAULT_URL,
    show_default=True,
    show_envvar=True,
    help="The database, such as sqlite:///app.db.",
)


@contextmanager
def opened(url: str) -> Iterator[DefaultRunner]:
    """A runner on the database.

    At the end of the block it quickly hands over other executions that it has taken up, and after Ctrl-C its own as well.
    """
    # Schedules are for long-running processes.
    runner = DefaultRunner(url, DefaultRunnerConfig(enable_cron_scheduling=False))
    try:
        yield runner
    finally:
        runner.shutdown(timeout=GRACE_SECONDS)


@contextmanager
def asking(url: str) -> Iterator[Client]:
    """A client of an existing database with the tables that this release needs.

    Commands that only read must not create tables in what may be the wrong database, or migrate those that an older
    release is using.

    Raises:
        Refused: The file does not exist, the database is in memory, or its tables have another version.
    """
    check_kept(url, why="it is lost when the command that created it ends: name a file or a server")
    check_exists(url)
    check_tables(url)
    with Client(url) as client:
        yield client


def check_tables(url: str) -> None:
    """Refuse tables that this release cannot read.

    Raises:
        Refused: There are none, or they belong to an older or a newer release.
    """
    with closing(inspection_of(url)) as inspection:
        version, needed = inspection.tables_version(), inspection.known_version
    if not version:
        raise Refused(
            f"{without_password(url)} has no cloaca tables: check {_source_of(url)}, or create them: {command_for(url, 'migrate')}"
        )
    if version > needed:
        raise Refused(
            f"the tables of {without_password(url)} have version {version}, but this release knows only {needed}: upgrade pycloaca"
        )
    if version < needed:
        raise Refused(
            f"the tables of {without_password(url)} have version {version}, but this release needs {needed}: once no older "
            f"release uses them, migrate them: {command_for(url, 'migrate')}"
        )


def check_kept(url: str, *, why: str) -> None:
    """Refuse a database in memory.

    Raises:
        Refused: It is in memory.
    """
    if not is_kept(url):
        raise Refused(f"--db {without_password(url)} is a database in memory: {why}")


def check_exists(url: str) -> None:
    """Refuse a file that does not exist, which a runner would create.

    Raises:
        Refused: It does not exist.
    """
    parsed = parse_database_url(url)
    if isinstance(parsed, SqliteUrl) and not is_there(url):
        raise Refused(
            f"there is no database {parsed.path}: check {_source_of(url)} and the current directory"
        )


def _source_of(url: str) -> str:
    """Where the URL was read, as far as that can be told."""
    return VARIABLE if url == os.environ.get(VARIABLE) else "--db"


def is_there(url: str) -> bool:
    """Whether the database exists; assumed of a server, which is not contacted."""
    parsed = parse_database_url(url)
    return not isinstance(parsed, SqliteUrl) or parsed.path is None or os.path.exists(parsed.path)


def is_kept(url: str) -> bool:
    """Whether the database outlives this process."""
    parsed = parse_database_url(url)
    return not isinstance(parsed, SqliteUrl) or parsed.path is not None


def without_password(url: str) -> str:
    """The URL in a form that can be printed and logged.

    >>> without_password("postgresql://ada:secret@db/app")
    'postgresql://ada:***@db/app'
    """
    return masked(url)


def option_for(url: str) -> list[str]:
    """The ``--db`` option with which a printed command refers to this database.

    A password is never printed: if the URL came from the environment, the command omits it, and otherwise a placeholder
    takes its place.
    """
    shown = without_password(url)
    return [] if shown != url and url == os.environ.get(VARIABLE) else ["--db", shown]


def command_for(url: str, *words: str) -> str:
    """A command on this database to type next, quoted for a shell; ``--db`` is omitted if it is the default."""
    meant = os.environ.get(VARIABLE) or DEFAULT_URL
    return shlex.join(["cloaca", *words, *([] if url == meant else option_for(url))])
