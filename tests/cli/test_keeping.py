"""``cloaca migrate`` and ``cloaca prune``."""

from __future__ import annotations

import contextlib
import re
import sqlite3

import pexpect
import pytest

from tests.cli.conftest import rest_of


def test_migrate_makes_the_tables_and_says_from_which_version_to_which(shell):
    if shell.url.startswith("postgresql"):
        assert (
            "has no cloaca tables: check CLOACA_DATABASE_URL, or create them: cloaca migrate"
            in shell.refused("list")
        )
    first = shell.json("migrate")
    assert (first["from"], first["to"]) == (0, first["to"])
    assert first["to"] >= 3
    assert "s3cret" not in first["database"]
    assert shell.json("migrate") == first | {"from": first["to"]}
    assert f"its tables have version {first['to']}, as this release needs\n" in shell.run("migrate")


def test_migrate_brings_older_tables_up_to_date(shell, sqlite_url):
    from cloaca.store.sqlite.connection import MIGRATIONS  # noqa: PLC0415

    db = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    db.execute("create table cloaca_migrations (version integer primary key, applied_at text not null)")
    db.execute("insert into cloaca_migrations values (1, '')")
    for statement in MIGRATIONS[0][1]:
        db.execute(statement)
    db.commit()
    db.close()
    last = MIGRATIONS[-1][0]
    refused = shell.refused("list", "--db", sqlite_url)
    assert f"have version 1, but this release needs {last}: once no older release uses them" in refused
    assert f"migrated from version 1 to {last}\n" in shell.run("migrate", "--db", sqlite_url)


def test_tables_of_a_newer_release_are_refused(sqlite_url, shell):
    shell.run("migrate", "--db", sqlite_url)
    with contextlib.closing(
        sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    ) as db:
        db.execute("insert into cloaca_migrations values (999, '')")
    assert "have version 999, but this release knows only" in shell.refused("migrate", "--db", sqlite_url)


def test_prune_removes_what_is_old_once_it_is_told_to(shell, ended):
    assert shell.run("prune", "--keep", "1", "--dry-run") == "1 execution with 3 attempts would be removed\n"
    assert "Removing 1 execution that have ended cannot be undone" in shell.refused("prune", "--keep", "1")
    assert shell.json("prune", "--keep", "1", "--yes") == {"executions": 1, "attempts": 3, "dry_run": False}
    assert [one["execution_id"] for one in shell.json("list")["executions"]] == [ended[1]]
    assert shell.run("prune", "--older-than", "1d") == "0 executions with 0 attempts removed\n"
    assert shell.json("prune", "--older-than", "0s", "--yes")["executions"] == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "say what to remove: --older-than 30d, --keep 100000, or both"),
        (["--older-than", "soon"], "--older-than 'soon' must be a number and s, m, h, d or w"),
        (["--older-than", "-3d"], "must be a number"),
        (["--older-than", "9" * 30 + "w"], "must be a number"),
        (["--keep", "-1"], "is not in the range"),
    ],
)
def test_a_prune_that_says_nothing_sensible_is_refused(shell, options, why):
    assert why in shell.refused("prune", *options)


def test_on_a_terminal_prune_asks(folder):
    folder.run("run", "etl.py")
    with folder.terminal("prune", "--keep", "0") as child:
        child.expect(re.escape("Removing 1 execution that have ended? [y/N]"))
        child.sendline("y")
        assert "1 execution with 3 attempts removed" in rest_of(child)
        assert child.exitstatus == 0


def test_ctrl_c_at_the_question_is_the_code_of_ctrl_c(folder):
    folder.run("run", "etl.py")
    with folder.terminal("prune", "--keep", "0") as child:
        child.expect("y/N")
        # One that comes just before the answer is waited for is seen with the next: Python blocks in between.
        while child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1):
            child.sendintr()
        assert "Traceback" not in child.before
        child.close()
        assert child.exitstatus == 130
    with folder.terminal("prune", "--keep", "0") as child:
        child.expect("y/N")
        child.sendeof()
        assert "Nothing was removed." in rest_of(child)
        assert child.exitstatus == 1
