"""Looking at a database from outside: who holds it up, and how it is stored."""

import os
import subprocess
import sys

import pytest

from cloaca.store.postgres import inspection as postgres
from cloaca.store.postgres.inspection import PostgresInspection
from cloaca.store.sqlite import inspection, lock_holders
from cloaca.store.sqlite.inspection import SqliteInspection
from cloaca.store.sqlite.store import SqliteStore
from cloaca.store.url import parse_database_url
from tests.store.rows import batch_of, start
from tests.store.test_claims import scans

HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(sys.argv[2])
db.execute("select count(*) from cloaca_executions").fetchall()
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def inspected(place):
    """What looks at the database of a place."""
    looking = SqliteInspection if place.kind == "sqlite" else PostgresInspection
    found = looking(place.database.url)
    yield found
    found.close()


@pytest.fixture
def hold(sqlite_place):
    """Another process in a transaction on the file; its id."""
    processes = []

    def begin(statement):
        command = [sys.executable, "-c", HOLD, sqlite_place.database.url.path, statement]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"holds\n"
        return process.pid

    yield begin
    for process in processes:
        process.communicate()


def test_what_has_not_ended_is_counted(place, inspected):
    store = place.joined("r1")
    store.commit(
        batch_of(
            *(start(f"e{n}", "r1" if n < 2 else None, workflow="vw"[n % 2]) for n in range(5)),
            start("e5", workflow="x"),
        )
    )
    assert inspected.owned() == {"r1": 2}
    assert [row[:2] for row in inspected.waiting()] == [("v", 2), ("w", 1), ("x", 1)]
    assert [row.runs for row in inspected.waiting()] == [True, True, False]
    assert [row.execution for row in inspected.newest(limit=2)] == ["e5", "e4"]
    assert inspected.suspected(limit=5) == []
    place.rows(
        "insert into cloaca_attempts (execution_id, task, attempt, status, crashes) values ('e0', 'a', 1, 'Suspect', 2) returning 1"
    )
    assert inspected.suspected(limit=5) == [("e0", "v", "a", 2)]


def test_the_server_and_its_tables_have_versions(place, inspected):
    assert inspected.server().split()[0] in ("SQLite", "PostgreSQL")
    assert inspected.tables_version() == inspected.known_version
    assert inspected.holders(patience=1) == []
    assert inspected.damages(thorough=True) == []


def test_the_process_that_holds_a_files_lock_is_named(sqlite_place, hold):
    looking = SqliteInspection(sqlite_place.database.url)
    pid = hold("begin immediate")
    (holder,) = looking.holders(patience=0.05)
    assert holder.who.startswith(f"process {pid} (python")
    assert (holder.what, holder.remedy) == (
        "the write lock",
        f"end its transaction, or the process: kill {pid}",
    )


def test_the_process_that_holds_the_gate_is_named(sqlite_place):
    store = sqlite_place.joined("r1")
    looking = SqliteInspection(sqlite_place.database.url)
    script = (
        "import fcntl, sys\nfile = open(sys.argv[1])\nfcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('holds', flush=True)\nsys.stdin.read()"
    )
    gate = f"{sqlite_place.database.url.path}-locks/gate"
    command = [sys.executable, "-c", script, gate]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        (holder,) = looking.holders(patience=0.05)
        assert f"process {process.pid} " in holder.who
        assert holder.what == "the gate that writers queue at"
        process.communicate()
    assert looking.holders(patience=5) == []
    store.beat()


def test_a_log_that_has_grown_names_who_reads_for_long(sqlite_place, hold, monkeypatch):
    sqlite_place.joined("r1").commit(batch_of(start("e1")))
    pid = hold("begin")
    monkeypatch.setattr(inspection, "LARGE_LOG_BYTES", 0)
    (damage,) = SqliteInspection(sqlite_place.database.url).damages(thorough=False)
    assert damage.check == "log"
    assert f"process {pid} (python" in damage.what


def test_looking_leaves_no_file_behind(sqlite_url):
    url = parse_database_url(sqlite_url)
    store = SqliteStore(url)
    store.prepare()
    store.close()
    before = sorted(os.listdir(os.path.dirname(url.path)))
    looking = SqliteInspection(url)
    assert looking.tables_version() == looking.known_version
    looking.close()
    assert sorted(os.listdir(os.path.dirname(url.path))) == before


def test_damage_is_found_by_reading_all_of_the_file(sqlite_place):
    sqlite_place.joined("r1").commit(batch_of(*(start(f"e{n:04}") for n in range(500))))
    sqlite_place.rows("pragma wal_checkpoint(truncate)")
    looking = SqliteInspection(sqlite_place.database.url)
    assert looking.damages(thorough=True) == []
    looking.close()
    path = sqlite_place.database.url.path
    copy = f"{path}.damaged"
    with open(path, "rb") as file:
        pages = bytearray(file.read())
    root = sqlite_place.rows("select rootpage from sqlite_master where name = 'cloaca_executions'")[0][0]
    pages[(root - 1) * 4096 : (root - 1) * 4096 + 64] = b"\xff" * 64
    with open(copy, "wb") as file:
        file.write(pages)
    damaged = SqliteInspection(sqlite_place.database.url._replace(path=copy))
    assert damaged.damages(thorough=False) == []
    (damage,) = damaged.damages(thorough=True)
    damaged.close()
    os.unlink(copy)
    assert (damage.check, damage.remedy) == ("integrity", "restore it from a copy, and check the disk")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/app.db", "ext4"),
        ("/srv/share/app.db", "nfs4"),
        ("/srv/shared.db", "ext4"),
        ("/mnt/my disk/a.db", "fuse.sshfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path, kind):
    mounts = [
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n",
        "30 22 0:40 / /srv/share rw shared:9 - nfs4 server:/share rw\n",
        "31 22 0:41 / /mnt/my\\040disk rw - fuse.sshfs host: rw\n",
    ]
    assert lock_holders.file_system(path, mounts) == kind


def test_a_transaction_that_holds_rows_is_named_on_postgres(postgres_place):
    postgres_place.joined("r1").commit(batch_of(start("e1")))
    looking = PostgresInspection(postgres_place.database.url)
    db = postgres_place.connect()
    db.execute("select 1 from cloaca.executions")
    assert looking.holders(patience=0) == []
    db.execute("update cloaca.executions set error = null")
    (holder,) = looking.holders(patience=0)
    assert holder.who.startswith(f"session {db.info.backend_pid} of role 'postgres'")
    assert "idle in transaction" in holder.what
    assert holder.remedy.endswith(f"select pg_terminate_backend({db.info.backend_pid})")
    assert looking.holders(patience=60) == []
    db.rollback()
    looking.close()


def test_what_has_ended_is_never_read_on_sqlite(sqlite_place):
    for name, statement in inspection.SQL.items():
        parameters = (5,) * statement.count("?")
        plan = [row[3] for row in sqlite_place.rows(f"explain query plan {statement}", *parameters)]
        reads = [line for line in plan if "cloaca_executions" in line]
        indexes = ("cloaca_executions_owned", "cloaca_executions_waiting")
        assert reads
        assert name == "list_newest" or all(any(index in line for index in indexes) for line in reads), plan


def test_what_has_ended_is_never_read_on_postgres(postgres_place):
    rows = [start(f"e{n:04}") for n in range(3000)]
    postgres_place.joined("r1").commit(batch_of(*rows))
    db = postgres_place.database.db
    db.execute("alter table cloaca.executions disable trigger all")
    db.execute("update cloaca.executions set finished_at = 1, status = 'Completed' where id > 'e0009'")
    db.execute("analyze")
    db.execute("set enable_seqscan = off")
    for name in ("count_owned", "count_waiting", "list_suspected"):
        parameters = (5,) * postgres.SQL[name].count("%s")
        [[[plan]]] = db.execute(f"explain (analyze, format json) {postgres.SQL[name]}", parameters).fetchall()
        found = list(scans(plan["Plan"]))
        assert not any(kind == "Seq Scan" for kind, _, _ in found)
        assert sum(read for _, _, read in found) < 50
