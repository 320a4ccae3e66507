"""``cloaca plan``: what a deploy would mean."""

import json
import re
import sqlite3
from contextlib import closing

import pytest

import cloaca

OLD = """
import cloaca

with cloaca.WorkflowBuilder("orders"):

    @cloaca.task
    def fetch(context): ...
"""
NEW = (
    OLD
    + """
    @cloaca.task(dependencies=[fetch])
    def load(context): ...
"""
)


@pytest.fixture
def shop(folder):
    """Code as it is and as it shall be, and a database with an execution that its first claim has given no tasks yet."""
    folder.write("old.py", OLD)
    folder.write("new.py", NEW)
    with cloaca.Client(f"sqlite:///{folder.path}/cloaca.db") as client:
        client.start("orders")
    return folder


def test_nothing_waits_where_the_first_claim_chooses(shop):
    done = shop.run("plan", "new.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "orders: 1 unfinished execution\n  fetch: runs the new code\n  load: runs the new code\nno execution would wait\n"
    )


def test_what_would_wait_is_told_and_is_exit_code_2(shop):
    with cloaca.Client(f"sqlite:///{shop.path}/cloaca.db") as client:
        client.start("refunds")
    done = shop.run("plan", "old.py")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.splitlines() == [
        "orders: 1 unfinished execution",
        "  fetch: runs the new code",
        "refunds: 1 unfinished execution, 1 would wait",
        "  1 of 1: this code does not register the workflow",
        "some would wait: run them with the code that started them, or cancel them",
    ]
    told = json.loads(shop.run("plan", "old.py", "--json").stdout)
    assert told["waits"] == sum(one["waits"] for one in told["workflows"]) > 0
    assert [(one["workflow"], one["live"], one["waits"]) for one in told["workflows"]] == [
        ("orders", 1, 0), ("refunds", 1, 1),
    ]  # fmt: skip
    assert told["workflows"][0]["tasks"] == [
        {"task": "fetch", "keeps": 0, "runs_new": 1, "runs_same": 0, "waits": 0}
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["old.py", "--db", "sqlite:///absent.db"], "absent.db: check --db"),
        (["old.py", "--db", "sqlite:///:memory:"], "in memory"),
        (["absent.py"], "there is no file absent.py"),
        (
            ["old.py", "--db", "sqlite:///empty.db"],
            "empty.db has no cloaca tables: check --db, or create them: cloaca migrate --db sqlite:///empty.db",
        ),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_compared_is_refused(shop, arguments, message):
    shop.write("empty.db", "")
    done = shop.run("plan", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "delete from cloaca_migrations where version > 1",
            r"have version 1, but this release needs \d+: once no",
        ),
        (
            "insert into cloaca_migrations values (99, '')",
            r"have version 99, but this release knows only \d+: upgrade",
        ),
    ],
)
def test_tables_of_another_release_are_no_ground_to_say_that_nothing_would_wait(shop, change, said):
    with closing(sqlite3.connect(shop.path / "cloaca.db")) as db, db:
        db.execute(change)
    assert re.search(said, shop.refused("plan", "old.py"))


def test_nothing_is_changed(shop):
    before = shop.path.joinpath("cloaca.db").read_bytes()
    shop.run("plan", "old.py")
    assert shop.path.joinpath("cloaca.db").read_bytes() == before
