"""Every statement finds its rows along an index, whatever the database knows of its tables, and however many rows they have.

A scan of a table that grows with what was ever started is a mistake, unless it is in ``ALLOWED`` with its reason.
"""

import re
from pathlib import Path

import pytest

import cloaca
from cloaca.store.statements import load_statements
from tests.scale.contents import contents, statements

GROWING = {"executions", "attempts", "events", "fires", "schedules"}

ALLOWED = {
    ("list_cron_schedules", "schedules"): "pages by offset, as its API does: it costs what it skips",
    ("list_triggers", "schedules"): "as list_cron_schedules",
    ("any_schedule", "schedules"): "the first row in any order",
    ("any_ahead", "schedules"): "the last entry of an index",
    ("list_waiting", "executions"): "the first entry of an index, and jumps from there",
    ("list_workflow_names", "executions"): "as list_waiting",
    ("list_workflows", "executions"): "as list_waiting",
    ("list_executions_in", "executions"): "as list_waiting",
    ("list_waiting_versions", "executions"): "costs what waits, where executions wait for their version",
    ("count_owned", "executions"): "costs what is open",
    ("count_waiting", "executions"): "costs what waits and what is owned",
    ("list_suspected", "executions"): "as count_waiting",
    ("list_newest", "executions"): "the last entries of an index",
    ("owned_triggers", "schedules"): "at each look for what was declared; there are as many as code declares",
    ("claim_triggers", "schedules"): "as owned_triggers",
    ("release_triggers", "schedules"): "once, when a runner ends",
}

ADMINISTRATION = "tenancy"
"""Statements on roles and schemas, which are no queries."""


def named(kind):
    """All statements of a dialect, by name."""
    files = (Path(cloaca.__file__).parent / "store" / kind).glob("*.sql")
    found = [load_statements(str(file)) for file in files if file.stem != ADMINISTRATION]
    return {name: statement for statements in found for name, statement in statements.items()}


SQLITE, POSTGRES = named("sqlite"), named("postgres")

SIZE = 400


def fill(place, contents):
    for structure in contents.structures:
        values = ", ".join("'" + text.replace("'", "''") + "'" for text in structure)
        place.database.db.execute(
            f"insert into {'cloaca.' if place.kind == 'postgres' else 'cloaca_'}structures values ({values})"
        )
    for statement in statements(place.kind, SIZE, contents):
        place.database.db.execute(statement)


@pytest.fixture(scope="module")
def made():
    return contents()


@pytest.fixture(params=["new", "filled", "analysed"])
def state(request):
    """What the database knows of its tables."""
    return request.param


# -- SQLite ----------------------------------------------------------------------------------------------------------


def scanned_on_sqlite(db, statement):
    """The tables that grow and that a statement reads from one end to the other."""
    tables = dict(re.findall(r"\bcloaca_(\w+)(?: as)? (\w+)", statement))
    aliases = {alias: table for table, alias in tables.items()}
    parameters = [None] * max(
        [statement.count("?") - len(re.findall(r"\?\d", statement))] + [int(n) for n in re.findall(r"\?(\d+)", statement)]
    )  # fmt: skip
    for *_, line in db.execute(f"explain query plan {statement}", parameters).fetchall():
        if line.startswith("SCAN "):
            name = line.split()[1]
            table = name.removeprefix("cloaca_") if name.startswith("cloaca_") else aliases.get(name)
            if table in GROWING:
                yield table, line


def test_no_statement_scans_what_grows_on_sqlite(sqlite_place, made, state):
    db = sqlite_place.database.db
    if state != "new":
        fill(sqlite_place, made)
    if state == "analysed":
        db.execute("analyze")
    assert not [
        (name, line)
        for name, statement in SQLITE.items()
        for table, line in scanned_on_sqlite(db, statement)
        if (name, table) not in ALLOWED
    ]


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def nodes(plan, limited=False):
    """Each scan of a table that grows, and whether no more of it is read than is asked for."""
    limited = (limited or plan["Node Type"] == "Limit") and plan["Node Type"] not in (
        "Sort",
        "Aggregate",
        "Hash",
    )
    if plan.get("Relation Name") in GROWING and "Scan" in plan["Node Type"]:
        yield plan, limited
    for inner in plan.get("Plans", ()):
        yield from nodes(inner, limited)


def is_bounded(plan, limited):
    """Whether a scan begins where its rows are; in the order of an index it may also just begin."""
    if "Index Cond" in plan or "TID Cond" in plan:
        return True
    if plan["Node Type"] == "Bitmap Heap Scan":
        return all(map(is_range, plan["Plans"][:1]))
    return limited and "Filter" not in plan and "Index" in plan["Node Type"]


def is_range(plan):
    """Whether a bitmap is made of parts of indices."""
    if plan["Node Type"] == "Bitmap Index Scan":
        return "Index Cond" in plan
    return all(map(is_range, plan["Plans"]))


def unbounded_on_postgres(db, statement):
    """The scans of what grows that are not bounded, under the plan that is kept for any parameters."""
    numbers = iter(range(1, 100))
    text = re.sub(r"%s", lambda _: f"${next(numbers)}", statement).replace("%%", "%")
    count = next(numbers) - 1
    db.execute(f"prepare asked as {text}".encode())
    values = f"({', '.join(['null'] * count)})" if count else ""
    [[[plan]]] = db.execute(f"explain (format json) execute asked{values}".encode()).fetchall()
    db.execute("deallocate asked")
    for node, limited in nodes(plan["Plan"]):
        if not is_bounded(node, limited):
            yield {
                key: node[key]
                for key in ("Node Type", "Relation Name", "Index Name", "Filter")
                if key in node
            }


def test_no_statement_scans_what_grows_on_postgres(postgres_place, made, state):
    if state != "new":
        fill(postgres_place, made)
    if state == "analysed":
        postgres_place.database.db.execute("analyze")
    store = postgres_place.store()
    store.prepare()
    db = store._open_reader()
    db.execute("set plan_cache_mode = force_generic_plan")
    assert not [
        (name, scan)
        for name, statement in POSTGRES.items()
        for scan in unbounded_on_postgres(db, statement)
        if (name, scan["Relation Name"]) not in ALLOWED
    ]


def test_what_is_allowed_to_scan_is_a_statement_on_a_table_that_grows():
    assert {name for name, _ in ALLOWED} <= set(SQLITE) | set(POSTGRES)
    assert {table for _, table in ALLOWED} <= GROWING
