"""Both databases are spoken to by the same names, and their tables are named in every statement."""

import re

from cloaca.store.postgres.connection import MIGRATIONS as POSTGRES_MIGRATIONS
from cloaca.store.postgres.schedules import SQL as POSTGRES_SCHEDULES
from cloaca.store.postgres.steering import SQL as POSTGRES_STEERING
from cloaca.store.postgres.store import SQL as POSTGRES
from cloaca.store.sqlite.connection import MIGRATIONS as SQLITE_MIGRATIONS
from cloaca.store.sqlite.schedules import SQL as SQLITE_SCHEDULES
from cloaca.store.sqlite.steering import SQL as SQLITE_STEERING
from cloaca.store.sqlite.store import SQL as SQLITE

ONLY_WHERE_PROCESSES_ARE_NOTIFIED = {"watch_execution", "notify", "read_channel"}
ONLY_WHERE_TRANSACTIONS_TAKE_TURNS = {"note_release", "note_claim"}
ONLY_WHERE_TRANSACTIONS_OVERLAP = {"lock_owner"}


def test_statements_have_the_same_names():
    assert (
        set(POSTGRES) - ONLY_WHERE_PROCESSES_ARE_NOTIFIED == set(SQLITE) - ONLY_WHERE_TRANSACTIONS_TAKE_TURNS
    )
    assert set(POSTGRES_STEERING) - ONLY_WHERE_TRANSACTIONS_OVERLAP == set(SQLITE_STEERING)
    assert set(POSTGRES_SCHEDULES) == set(SQLITE_SCHEDULES)


def test_migrations_have_the_same_numbers():
    assert [number for number, _ in POSTGRES_MIGRATIONS] == [number for number, _ in SQLITE_MIGRATIONS]


def test_every_table_is_named_with_its_schema_or_prefix():
    tables = "runners|structures|executions|attempts|schedules|fires|events|steered"
    for name, statement in (POSTGRES | POSTGRES_SCHEDULES | POSTGRES_STEERING).items():
        bare = re.sub(r"--.*", "", statement)
        assert not re.search(rf"(from|into|update|join) (?!cloaca\.)({tables})\b", bare), name
    for name, statement in (SQLITE | SQLITE_SCHEDULES | SQLITE_STEERING).items():
        bare = re.sub(r"--.*", "", statement)
        assert not re.search(rf"(from|into|update|join) (?!cloaca_)({tables})\b", bare), name
