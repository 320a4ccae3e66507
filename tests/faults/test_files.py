"""Files that are damaged, torn, foreign or empty."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

import cloaca
from tests.world import SOON, run, workflow_of


def hello(context):
    context["said"] = "hello"


@pytest.fixture
def filled():
    """A database of twenty executions, all of it in its main file."""
    workflow_of("hello", hello)
    with cloaca.DefaultRunner("sqlite:///app.db") as runner:
        for handle in runner.start_many("hello", [{"text": "x" * 3000}] * 20):
            handle.result(SOON)
    shutil.rmtree("app.db-locks")
    return Path("app.db")


def garbage(content):
    return os.urandom(len(content))


def text(content):
    return b"not a database " * 1000


def without_header(content):
    return bytes(100) + content[100:]


def without_schema(content):
    return content[:100] + b"\xff" * 3996 + content[4096:]


def half(content):
    return content[: len(content) // 2]


def one_page(content):
    return content[:4096]


def half_a_header(content):
    return content[:50]


@pytest.mark.parametrize(
    "damage", [garbage, text, without_header, without_schema, half, one_page, half_a_header]
)
def test_a_damaged_file_is_refused_by_name_and_never_made_anew(filled, tmp_path, damage):
    content = damage(filled.read_bytes())
    filled.write_bytes(content)
    with pytest.raises(
        cloaca.DatabaseError,
        match=r"/app\.db is damaged or is not a SQLite database \(.*\): restore it from a copy",
    ):
        cloaca.DefaultRunner("sqlite:///app.db")
    assert filled.read_bytes() == content


def test_a_file_that_is_refused_leaves_nothing_beside_it(tmp_path):
    Path("app.db").write_bytes(b"not a database " * 100)
    with pytest.raises(cloaca.DatabaseError):
        cloaca.DefaultRunner("sqlite:///app.db")
    assert [path.name for path in tmp_path.iterdir()] == ["app.db"]


def test_damage_in_the_data_is_a_typed_error_and_the_file_is_kept(filled):
    """Flipped bytes in the pages of the executions are met when these are read."""
    content = bytearray(filled.read_bytes())
    with sqlite3.connect(filled) as db:
        pages = [
            row[0]
            for row in db.execute("select rootpage from sqlite_master where name = 'cloaca_executions'")
        ]
    db.close()
    for page in pages:
        start = (page - 1) * 4096
        content[start : start + 64] = bytes(byte ^ 0xFF for byte in content[start : start + 64])
    filled.write_bytes(content)
    with pytest.raises(cloaca.DatabaseError, match=r"app\.db is damaged"):
        cloaca.DefaultRunner("sqlite:///app.db").list_executions()
    assert len(filled.read_bytes()) == len(content)


def test_a_directory_is_refused_by_name(tmp_path):
    (tmp_path / "app.db").mkdir()
    with pytest.raises(cloaca.DatabaseError, match=r"app\.db is a folder: name a file in it"):
        cloaca.DefaultRunner("sqlite:///app.db")


def test_a_file_of_zero_bytes_is_a_new_database(make_runner):
    Path("app.db").touch()
    workflow_of("hello", hello)
    assert make_runner().execute("hello")["said"] == "hello"


def test_tables_of_an_application_are_left_alone(make_runner):
    with sqlite3.connect("app.db") as db:
        db.execute("create table orders (id integer)")
        db.execute("insert into orders values (7)")
    db.close()
    workflow_of("hello", hello)
    make_runner().execute("hello")
    db = sqlite3.connect("app.db")
    assert db.execute("select * from orders").fetchall() == [(7,)]
    names = {row[0] for row in db.execute("select name from sqlite_master where type = 'table'")}
    db.close()
    assert all(name.startswith("cloaca_") for name in names - {"orders"})


def test_a_file_of_a_newer_release_is_refused_and_left_as_it_is(filled):
    db = sqlite3.connect(filled)
    with db:
        db.execute("insert into cloaca_migrations values (99, datetime('now'))")
    db.close()
    content = filled.read_bytes()
    with pytest.raises(
        cloaca.MigrationError, match=r"have version 99, but this release knows only \d+: upgrade"
    ) as refused:
        cloaca.DefaultRunner("sqlite:///app.db")
    assert refused.value.target_version < 99
    assert filled.read_bytes() == content


DIES = """
import os
import cloaca

with cloaca.WorkflowBuilder("chain"):
    @cloaca.task
    def one(context):
        context["one"] = "x" * 500

    @cloaca.task(dependencies=[one])
    def two(context):
        if context["n"] == 7:
            os._exit(9)

runner = cloaca.DefaultRunner("sqlite:///app.db")
for n in range(8):
    runner.execute("chain", {"n": n})
"""


@pytest.fixture(scope="module")
def torn(tmp_path_factory):
    """The files of a process that was killed, with nothing of its log in the main file."""
    folder = tmp_path_factory.mktemp("torn")
    before = os.getcwd()
    os.chdir(folder)
    try:
        run(DIES, status=9)
    finally:
        os.chdir(before)
    assert (folder / "app.db-wal").stat().st_size > 100_000
    return folder


def copy_of(torn, length, *, flipped=None):
    """The same database with so many bytes of its log."""
    shutil.copyfile(torn / "app.db", "app.db")
    log = bytearray((torn / "app.db-wal").read_bytes()[:length])
    if flipped is not None:
        log[flipped] ^= 0xFF
    Path("app.db-wal").write_bytes(log)
    Path("app.db-shm").unlink(missing_ok=True)


CONTRADICTIONS = """
select 'finished with an open task', id from cloaca_executions where finished_at is not null
    and (select count(*) from cloaca_attempts where execution_id = id and status = 'Completed') != 2
union all
select 'a task without its execution', execution_id from cloaca_attempts
    where execution_id not in (select id from cloaca_executions)
union all
select 'an open execution with nothing left to do', id from cloaca_executions where finished_at is null
    and (select count(*) from cloaca_attempts where execution_id = id and status = 'Completed') = 2
"""


def state_of(path="app.db"):
    """What is in a file: tables, executions, tasks that ended; checks that it is whole and without contradiction."""
    db = sqlite3.connect(path)
    try:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        if not db.execute("select count(*) from sqlite_master").fetchone()[0]:
            return (0, 0, 0)
        assert db.execute(CONTRADICTIONS).fetchall() == []
        counts = [
            db.execute(f"select count(*) from cloaca_{table}").fetchone()[0]
            for table in ("executions", "attempts")
        ]
        return (1, *counts)
    finally:
        db.close()


def test_a_log_torn_at_any_sector_leaves_what_was_committed_before(torn):
    """Truncated at every 512 bytes: a growing prefix of commits, each whole, never a contradiction."""
    size = (torn / "app.db-wal").stat().st_size
    states = []
    for length in range(0, size + 512, 512):
        copy_of(torn, min(length, size))
        states.append(state_of())
    assert states == sorted(states)
    assert states[0] == (0, 0, 0)
    assert states[-1] == (1, 8, 15)
    assert len(set(states)) > 20


@pytest.mark.parametrize("tenth", range(0, 10, 3))
def test_a_runner_goes_on_from_a_torn_log(torn, make_runner, tenth):
    size = (torn / "app.db-wal").stat().st_size
    copy_of(torn, size * tenth // 10 // 512 * 512)
    with cloaca.WorkflowBuilder("chain"):
        one = cloaca.task(id="one")(lambda context: context.set("one", "x" * 500))
        cloaca.task(id="two", dependencies=[one])(lambda context: None)
    runner = make_runner()
    for summary in runner.list_executions():
        assert runner.get_handle(summary.execution_id).result(SOON).status == "Completed"
    assert runner.execute("chain", {"n": 9}).status == "Completed"
    runner.shutdown()
    state_of()


@pytest.mark.parametrize("sixth", range(1, 6))
def test_a_flipped_byte_in_the_log_leaves_what_was_committed_before(torn, sixth):
    size = (torn / "app.db-wal").stat().st_size
    copy_of(torn, size, flipped=size * sixth // 6)
    tables, executions, attempts = state_of()
    assert executions < 8 or attempts < 15 or tables == 0
