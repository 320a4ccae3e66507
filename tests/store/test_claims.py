"""Who gets what nobody owns, and at what cost."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from cloaca.store.postgres.store import SQL as POSTGRES
from cloaca.store.rows import Known, Structure
from cloaca.store.sqlite.store import SQL as SQLITE
from tests.store.rows import GRAPH, KNOWN, NOW, batch_of, finish, settle, start

STORES = 8
MANY = 4_000


def claim(store, limit=100, known=KNOWN):
    return store.claim(known, structures=[], limit=limit, now=NOW)


def test_eight_stores_that_claim_at_once_get_each_execution_once(place):
    place.joined("r0").commit(batch_of(GRAPH, *(start(f"e{n:03}") for n in range(200))))
    stores = [place.joined(f"r{n}") for n in range(1, STORES + 1)]
    together = Barrier(STORES)

    def claim_all(store):
        together.wait()
        mine = []
        while claimed := claim(store, limit=7):
            mine += claimed
        return mine

    with ThreadPoolExecutor(STORES) as pool:
        claimed = [execution for mine in pool.map(claim_all, stores) for execution in mine]
    assert sorted(execution.id for execution in claimed) == [f"e{n:03}" for n in range(200)]
    assert {execution.fence for execution in claimed} == {1}
    assert place.rows("select count(*) from cloaca_executions where owner is null") == [(0,)]


def test_claims_take_the_oldest_first(place):
    store = place.joined("r1")
    store.commit(batch_of(*(start(f"e{n}", structure="st"[n % 2]) for n in range(9))))
    known = [*KNOWN, Known("w", "t", "t", "v")]
    assert [execution.id for execution in claim(store, 4, known)] == ["e0", "e1", "e2", "e3"]
    assert [execution.id for execution in claim(store, 9, known)] == ["e4", "e5", "e6", "e7", "e8"]


def test_only_what_is_known_is_claimed(place):
    store = place.joined("r1")
    store.commit(
        batch_of(
            start("e1", structure="other"), start("e2", workflow="x"), start("e3"), start("e4", structure="")
        )
    )
    assert [execution.id for execution in claim(store)] == ["e3"]
    assert store.waiting_structures() == [("w", ""), ("w", "other"), ("x", "s")]
    assert claim(store, known=[]) == []


def test_a_first_claim_chooses_the_structure_and_the_version(place):
    store = place.joined("r1")
    store.commit(batch_of(start("e1", structure="")))
    structure = Structure("new", "w", "{}")
    [claimed] = store.claim([Known("w", "", "new", "v2")], structures=[structure], limit=1, now=NOW + 3)
    assert (claimed.structure, claimed.version, claimed.started_at, claimed.fence) == (
        "new",
        "v2",
        NOW + 3,
        1,
    )
    row = store.read_execution("e1")
    assert (row.structure, row.version, row.status, row.owner) == ("new", "v2", "Running", "r1")
    assert store.read_structures(["new"]) == {"new": "{}"}


def test_a_claim_of_one_version_leaves_the_others(place):
    store = place.joined("r1")
    store.commit(batch_of(start("e1", structure="s"), start("e2", structure="")))
    newer = [Known("w", "s", "s", "v2", "v2"), Known("w", "", "s", "v2")]
    assert [(one.id, one.version) for one in claim(store, known=newer)] == [("e2", "v2")]
    assert store.waiting_versions() == [("w", "s", "v")]
    both = [*newer, Known("w", "s", "s", "v", "v")]
    assert [(one.id, one.version) for one in claim(store, known=both)] == [("e1", "v")]
    assert store.waiting_versions() == []


def test_a_claim_brings_the_attempts_and_keeps_when_it_was_started(place):
    one, two = place.joined("r1"), place.joined("r2")
    one.commit(batch_of(GRAPH, start("e1", "r1"), settle("e1", "r1"), start("e2")))
    one.release("r1", ["e1"], now=NOW)
    first, second = two.claim(KNOWN, structures=[GRAPH], limit=5, now=NOW + 9)
    assert (first.id, first.fence, first.started_at) == ("e1", 3, NOW)
    assert [(attempt.task, attempt.status) for attempt in first.attempts] == [("a", "Completed")]
    assert (second.id, second.fence, second.started_at, second.attempts) == ("e2", 1, NOW + 9, [])
    assert not one.owned_by("r1", limit=9)
    assert [row.id for row in two.owned_by("r2", limit=9)] == ["e1", "e2"]


def test_a_claim_goes_round_what_another_transaction_holds(postgres_place):
    store = postgres_place.joined("r1")
    store.commit(batch_of(*(start(f"e{n}") for n in range(3))))
    other = postgres_place.connect()
    other.execute("select 1 from cloaca.executions where id = 'e1' for update")
    assert [execution.id for execution in claim(store)] == ["e0", "e2"]
    other.rollback()
    assert [execution.id for execution in claim(store)] == ["e1"]


# -- the cost, where there is much -----------------------------------------------------------------------------------


def fill(place):
    """Finished executions, and as many that wait, of two structures and one that is not known."""
    store = place.joined("filler")
    done = [start(f"d{n}", "filler") for n in range(MANY)]
    store.commit(batch_of(*done, *(finish(row.id, "filler") for row in done)))
    structures = ["s", "s", "t", "unknown"]
    store.commit(batch_of(*(start(f"w{n}", structure=structures[n % 4]) for n in range(MANY))))
    return store


def scans(plan):
    """Each scan of the executions in a PostgreSQL plan: kind, index, rows that it has read."""
    if plan.get("Relation Name") == "executions" and "Scan" in plan["Node Type"]:
        read = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
        yield plan["Node Type"], plan.get("Index Name"), read
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


def explain(place, name, parameters):
    """The scans of a statement under the plan that it has when it was prepared long ago."""
    db = place.database.db
    db.execute("set plan_cache_mode = force_generic_plan")
    with db.transaction(force_rollback=True):
        [[[plan]]] = db.execute(f"explain (analyze, format json) {POSTGRES[name]}", parameters).fetchall()
    return list(scans(plan["Plan"]))


def test_what_waits_is_found_along_its_index_on_postgres(postgres_place):
    store = fill(postgres_place)
    assert store.waiting_structures() == [("w", "s"), ("w", "t"), ("w", "unknown")]
    for analysed in (False, True):
        if analysed:
            postgres_place.database.db.execute("analyze")
        found = explain(postgres_place, "list_waiting", ())
        assert {index for _, index, _ in found} == {"executions_waiting"}
        assert sum(read for _, _, read in found) < 20


def test_a_claim_reads_no_more_than_it_could_take_on_postgres(postgres_place):
    fill(postgres_place)
    known = [["w"] * 3, ["s", "t", ""], ["s", "t", "s"], ["v"] * 3, [None] * 3]
    for analysed in (False, True):
        if analysed:
            postgres_place.database.db.execute("analyze")
        found = explain(postgres_place, "claim_executions", [*known, 10, 10, 10, "r1", NOW, "r1", NOW])
        waiting = [(kind, read) for kind, index, read in found if index == "executions_waiting"]
        assert waiting
        assert not any(kind == "Seq Scan" for kind, _, _ in found)
        assert sum(read for _, _, read in found) < 200


def test_what_waits_is_found_along_its_index_on_sqlite(sqlite_place):
    fill(sqlite_place)
    plan = [row[3] for row in sqlite_place.rows(f"explain query plan {SQLITE['list_waiting']}")]
    searches = [line for line in plan if "cloaca_executions" in line]
    assert searches
    assert all("INDEX cloaca_executions_waiting" in line or "PRIMARY KEY" in line for line in searches)
    assert store_reads(sqlite_place, "list_waiting", ()) < 500


def test_a_claim_reads_no_more_than_it_could_take_on_sqlite(sqlite_place):
    fill(sqlite_place)
    known = json.dumps([["w", "s", "s", "v"], ["w", "t", "t", "v"], ["w", "", "s", "v"]])
    assert store_reads(sqlite_place, "claim_executions", ("r1", NOW, known, 10)) < 5_000


def store_reads(place, name, parameters):
    """Steps of SQLite's virtual machine that a statement takes."""
    db, steps = place.database.db, []
    db.execute("begin")
    db.set_progress_handler(lambda: steps.append(0), 10)
    db.execute(SQLITE[name], parameters).fetchall()
    db.set_progress_handler(None, 0)
    db.execute("rollback")
    return 10 * len(steps)
