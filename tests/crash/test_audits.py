"""The audit of PostgreSQL tells which transaction made a change, and whether somebody could see it by then."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import cloaca
from tests.crash.audits import latest_change, read_tables
from tests.crash.postgres_audit import install_audit
from tests.crash.tables import saw


@pytest.fixture
def audited_url(postgres_url: str) -> Iterator[str]:
    with cloaca.Client(postgres_url) as client:
        client.list_executions(limit=1)
    with psycopg.connect(postgres_url, autocommit=True) as db:
        install_audit(db)
        db.execute(
            "insert into cloaca.runners (id, host, pid, joined_at) values ('one', 'h', 1, 0), ('two', 'h', 2, 0)"
        )
        yield postgres_url


def turn(url: str, runner: str) -> psycopg.Connection[tuple[object, ...]]:
    """A transaction that has advanced a runner's turn and released nothing, still open."""
    db = psycopg.connect(url)
    db.execute("update cloaca.runners set turn = turn + 1 where id = %s", (runner,))
    return db


def test_a_change_is_seen_from_its_commit_on_although_a_later_one_was_committed_before(
    audited_url: str,
) -> None:
    with turn(audited_url, "one") as early:
        with turn(audited_url, "two"):
            pass
        between = latest_change(audited_url)
        early.commit()
        after = latest_change(audited_url)
    changes = {change.owner: change for change in read_tables(audited_url).changes}
    assert changes["one"].seq < changes["two"].seq
    assert [saw(between, changes[runner]) for runner in ("one", "two")] == [False, True]
    assert [saw(after, changes[runner]) for runner in ("one", "two")] == [True, True]


def test_what_overlaps_is_told_apart_by_whose_turn_it_was(audited_url: str) -> None:
    with turn(audited_url, "one") as one, turn(audited_url, "two") as two:
        two.execute("update cloaca.runners set epoch = epoch + 1 where id = 'two'")
        one.execute("delete from cloaca.runners where id = 'one'")
    changes = [(c.subject, c.owner, c.writer) for c in read_tables(audited_url).changes]
    assert changes == [
        ("turn", "one", "one"), ("turn", "two", "two"), ("dead", "two", "two"), ("left", "one", "one"),
    ]  # fmt: skip
