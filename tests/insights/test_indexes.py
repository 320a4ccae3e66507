"""What is read page by page is found by indexes, however many executions there are."""

import pytest

from cloaca.store.postgres.steering import SQL as POSTGRES
from cloaca.store.sqlite.steering import SQL as SQLITE
from tests import databases

READS = {
    "list_workflows": {"sqlite": (), "postgres": ()},
    "list_of_workflow": {"sqlite": ("w", "Running", 7, 500), "postgres": ("w", "Running", 7, 500)},
    "read_outcomes": {"sqlite": ('["a", "b"]',), "postgres": (["a", "b"],)},
    "read_events": {"sqlite": ("a",), "postgres": ("a",)},
}


@pytest.mark.parametrize("name", READS)
def test_sqlite_finds_it_by_an_index(name):
    database = databases.new("sqlite")
    plan = [row[3] for row in database.rows("explain query plan " + SQLITE[name], *READS[name]["sqlite"])]
    database.close()
    scans = [step for step in plan if step.startswith("SCAN cloaca_") and "INDEX" not in step]
    assert not scans
    assert any("INDEX" in step or "PRIMARY KEY" in step for step in plan)
    assert not any("TEMP B-TREE FOR ORDER BY" in step for step in plan if name.startswith("list"))


@pytest.mark.parametrize("name", READS)
def test_postgresql_can_find_it_by_an_index(name):
    database = databases.new("postgres")
    database.db.execute("set enable_seqscan = off")
    database.db.execute("set enable_bitmapscan = off")
    rows = database.db.execute("explain " + POSTGRES[name], READS[name]["postgres"]).fetchall()
    database.close()
    plan = "\n".join(row[0] for row in rows)
    assert "Index" in plan
    assert "Seq Scan" not in plan
    assert "Sort" not in plan or name == "read_outcomes"
