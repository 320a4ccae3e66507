"""Finding executions by the beginning of an id, and the workflows that have any, along an index each."""

from cloaca.clock import id_bounds, new_id
from cloaca.store.postgres.steering import SQL as POSTGRES
from cloaca.store.sqlite.steering import SQL as SQLITE
from tests.store.rows import batch_of, start
from tests.store.test_claims import scans

MANY = 2_000


def fill(place):
    ids = sorted(new_id() for _ in range(MANY))
    rows = [start(id, workflow=f"w{number % 3}") for number, id in enumerate(ids)]
    store = place.joined("r1")
    store.commit(batch_of(*rows))
    return ids, store.steering


def test_a_beginning_finds_the_ids_that_have_it(place):
    ids, steering = fill(place)
    assert steering.ids_between(*id_bounds(""), limit=3) == ids[:3]
    assert steering.ids_between(*id_bounds(ids[7]), limit=3) == [ids[7]]
    for size in (8, 9, 14, 20, 35):
        wanted = [id for id in ids if id.startswith(ids[7][:size])]
        assert steering.ids_between(*id_bounds(ids[7][:size].upper()), limit=MANY) == wanted
    assert steering.ids_between("", "", limit=3) == []


def test_workflows_are_named_once_each(place):
    _, steering = fill(place)
    assert steering.workflow_names() == ["w0", "w1", "w2"]


def test_both_are_found_along_an_index_on_postgres(postgres_place):
    ids, _ = fill(postgres_place)
    assert _read(postgres_place, "find_ids", (ids[7], ids[7], 5)) <= 1
    assert _read(postgres_place, "list_workflow_names", ()) < 10


def _read(place, name, parameters):
    """How many rows of executions a statement has read, none of them without an index."""
    db = place.database.db
    db.execute("set enable_seqscan = off")
    [[[plan]]] = db.execute(f"explain (analyze, format json) {POSTGRES[name]}", parameters).fetchall()
    found = list(scans(plan["Plan"]))
    assert not any(kind == "Seq Scan" for kind, _, _ in found)
    return sum(read for _, _, read in found)


def test_both_are_found_along_an_index_on_sqlite(sqlite_place):
    for name in ("find_ids", "list_workflow_names"):
        parameters = ("0", "1", 5)[: SQLITE[name].count("?")]
        plan = [row[3] for row in sqlite_place.rows(f"explain query plan {SQLITE[name]}", *parameters)]
        assert any("USING COVERING INDEX" in line for line in plan)
        assert not any(line.startswith("SCAN cloaca_executions") and "INDEX" not in line for line in plan), (
            plan
        )
