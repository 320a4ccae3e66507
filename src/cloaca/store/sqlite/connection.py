"""Opening a SQLite database, and interpreting its errors."""

from __future__ import annotations

import os
import sqlite3
import time
from urllib.parse import quote

from cloaca.errors import DatabaseError, MigrationError
from cloaca.model.shown import shown
from cloaca.store.signals import CommitUnknown, RowRefused, StoreUnavailable
from cloaca.store.statements import load_migrations
from cloaca.store.url import SqliteUrl

MIGRATIONS = load_migrations(os.path.join(os.path.dirname(__file__), "migrations"))

BUSY_POLL_SECONDS = 0.005

_REFUSED = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    OverflowError,
    UnicodeEncodeError,
)


def connect(url: SqliteUrl, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection with the URL's settings.

    Raises:
        DatabaseError: The file cannot be opened, is not a SQLite database, or is damaged.
    """
    mode = "ro" if read_only else url.mode
    name = ":memory:" if url.path is None else f"file:{quote(url.path)}?mode={mode}"
    try:
        db = sqlite3.connect(
            name, uri=url.path is not None, isolation_level=None, check_same_thread=False,
            timeout=url.busy_timeout_seconds,
        )  # fmt: skip
    except sqlite3.Error as error:
        raise DatabaseError(explained(error, url)) from error
    try:
        if url.path is not None and not read_only:
            _set_journal_mode(db, url)
            db.execute(f"pragma synchronous={url.synchronous}")
            # Only the holder of the gate checkpoints: before 3.51.3, a checkpoint during a commit of another process can
            # corrupt the log.
            db.execute("pragma wal_autocheckpoint=0")
        db.execute("select 1 from sqlite_master limit 1").fetchone()
    except sqlite3.Error as error:
        db.close()
        raise DatabaseError(explained(error, url)) from error
    return db


def _set_journal_mode(db: sqlite3.Connection, url: SqliteUrl) -> None:
    """Change the journal mode once nobody else uses the file; SQLite itself does not wait for that, despite its busy timeout."""
    give_up = time.monotonic() + url.busy_timeout_seconds
    while True:
        try:
            db.execute(f"pragma journal_mode={url.journal_mode}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
            time.sleep(BUSY_POLL_SECONDS)
        else:
            return


def migrate(db: sqlite3.Connection, url: SqliteUrl) -> None:
    """Migrate the tables to the version that this release needs: in one transaction, and once, whoever comes first.

    Raises:
        MigrationError: The database was created by a newer release, or refuses.
    """
    target = MIGRATIONS[-1][0]
    try:
        version = tables_version(db)
        if version < target:
            db.execute("begin immediate")
            version = tables_version(db)
            _apply(db, version)
            db.execute("commit")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("rollback")
        raise MigrationError(explained(error, url), target_version=target) from error
    if version > target:
        raise MigrationError(
            f"the tables of {url.text} have version {version}, but this release knows only {target}: upgrade pycloaca",
            target_version=target,
        )


def tables_version(db: sqlite3.Connection) -> int:
    """The version of the tables; 0 if there are none."""
    known = db.execute("select 1 from sqlite_master where name = 'cloaca_migrations'").fetchone()
    found = db.execute("select max(version) from cloaca_migrations").fetchone() if known else None
    return int(found[0] or 0) if found else 0


def _apply(db: sqlite3.Connection, version: int) -> None:
    if not version:
        db.execute("create table cloaca_migrations (version integer primary key, applied_at text not null)")
    for number, statements in MIGRATIONS:
        if number > version:
            for statement in statements:
                db.execute(statement)
            db.execute("insert into cloaca_migrations values (?, datetime('now'))", (number,))


def explained(error: BaseException, url: SqliteUrl) -> str:
    """What a driver's error means for whoever has to act on it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    where = url.path or "the database in memory"
    match code:
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return f"{where} is damaged or is not a SQLite database ({error}): restore it from a copy, or name another file"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return locked(url)
        case sqlite3.SQLITE_FULL:
            return f"no space is left for {where}: free some and start again; what was committed is safe"
        case sqlite3.SQLITE_READONLY:
            advice = "grant write permission on the file and its folder"
            advice = "drop mode=ro from its URL, for a runner writes" if url.mode == "ro" else advice
            return f"{where} cannot be written: {advice}"
        case sqlite3.SQLITE_CANTOPEN:
            return _why_not_opened(error, where, url)
        case _:
            return f"{where}: {error}"


def _why_not_opened(error: BaseException, where: str, url: SqliteUrl) -> str:
    if os.path.isdir(where):
        return f"{where} is a folder: name a file in it, such as sqlite:///{where}/cloaca.db"
    if url.mode in {"ro", "rw"} and not os.path.exists(where):
        return f"{where} does not exist, and mode={url.mode} creates none: check its name, or drop mode from the URL"
    return (
        f"{shown(where, most=300)[1:-1]} cannot be opened ({error}): check that it exists and its permissions"
    )


def locked(url: SqliteUrl) -> str:
    """The message for a lock that another process did not release."""
    return (
        f"{url.path or 'the database in memory'} was locked by another process for {url.busy_timeout_seconds:g} s: end "
        "that process's transaction (a stopped process still holds it), or wait longer with ?timeout=SECONDS"
    )


def refusal(error: Exception, url: SqliteUrl, *, at_commit: bool) -> Exception:
    """The store's signal for an error.

    A commit that runs out of space is known to have failed: the frame that would make it valid was not written. After any
    other error at a commit, its fate is unknown.
    """
    if isinstance(error, _REFUSED):
        return RowRefused(str(error))
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if at_commit and code != sqlite3.SQLITE_FULL:
        return CommitUnknown(str(error))
    return StoreUnavailable(DatabaseError(explained(error, url)))
