"""A disk that is full, a file that is locked or cannot be written, a commit that ends in an I/O error."""

import logging
import sqlite3
import threading

import pytest

import cloaca
from cloaca.store.sqlite.store import SqliteStore
from tests.world import SOON, run, spawn, workflow_of

ON_ITS_OWN_DISK = [
    "unshare", "-rm", "sh", "-c",
    'mkdir -p disk && mount -t tmpfs -o size=1m tmpfs disk && exec "$0" "$@"',
]  # fmt: skip

READ_ONLY = [
    "unshare", "-rm", "sh", "-c",
    'mount --bind disk disk && mount -o remount,bind,ro disk && exec "$0" "$@"',
]  # fmt: skip

FULL = """
import contextlib, logging, os, sqlite3, threading
import cloaca

inside, goes_on, waits = threading.Event(), threading.Event(), threading.Event()
runs = []

with cloaca.WorkflowBuilder("gated"):
    @cloaca.task
    def gated(context):
        runs.append("gated")
        inside.set()
        goes_on.wait(20)
        context["large"] = "x" * 300_000

    @cloaca.task(dependencies=[gated])
    def after(context):
        runs.append("after")

class Listener(logging.Handler):
    def emit(self, record):
        if "a turn could not be committed, retrying" in record.getMessage():
            waits.set()

logging.getLogger("cloaca").addHandler(Listener())
logging.getLogger("cloaca.engine").setLevel(logging.DEBUG)

def fill():
    with contextlib.suppress(OSError), open("disk/filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))

runner = cloaca.DefaultRunner("sqlite:///disk/app.db")
running = runner.start("gated")
inside.wait(20)
fill()
try:
    runner.start("gated", {"large": "y" * 300_000})
except cloaca.DatabaseError as error:
    print("refused:", error)
try:
    runner.execute("gated", {"large": "y" * 300_000})
except cloaca.DatabaseError as error:
    print("refused:", error)
waits.clear()
goes_on.set()
assert waits.wait(20)
print(running.status, runs)
print(len(runner.list_executions()), runner.get_execution(running.execution_id).tasks["after"].status)
os.unlink("disk/filler")
result = running.result(20)
print(result.status, result.error_message, len(result["large"]), runs)
print(runner.execute("gated").status)
runner.shutdown()
print(*sqlite3.connect("disk/app.db").execute("pragma integrity_check").fetchone())
"""


def test_a_full_disk_refuses_starts_keeps_what_runs_and_goes_on_when_space_returns():
    out, _ = run(FULL, prefix=ON_ITS_OWN_DISK)
    one, two, *rest = out.splitlines()
    assert one == two
    assert one.startswith("refused: no space is left for ")
    assert "app.db: free some and start again" in one
    assert rest == [
        "Running ['gated']",
        "1 Pending",
        "Completed None 300000 ['gated', 'after']",
        "Completed",
        "ok",
    ]


def test_no_runner_is_made_on_a_full_disk_and_one_is_when_space_returns():
    script = """
import contextlib, os
import cloaca

with contextlib.suppress(OSError), open("disk/filler", "wb", buffering=0) as filler:
    while True:
        filler.write(bytes(4096))
try:
    cloaca.DefaultRunner("sqlite:///disk/app.db")
except cloaca.DatabaseError as error:
    print(type(error).__mro__[1].__name__, error)
os.unlink("disk/filler")
with cloaca.DefaultRunner("sqlite:///disk/app.db") as runner:
    print(runner.list_executions())
"""
    refused, made = run(script, prefix=ON_ITS_OWN_DISK)[0].splitlines()
    assert "app.db" in refused
    assert made == "[]"


LOCKS = """
import sqlite3, sys
db = sqlite3.connect("app.db", isolation_level=None)
db.execute("begin immediate")
print("locked", flush=True)
sys.stdin.read()
"""

HOLDS_THE_GATE = """
import fcntl, os, sys
gate = os.open("app.db-locks/gate", os.O_RDWR)
fcntl.flock(gate, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def gated():
    """A workflow of a task that waits for ``goes_on`` and one after it; what ran is in ``runs``."""

    class Gated:
        inside, goes_on, runs = threading.Event(), threading.Event(), []

    with cloaca.WorkflowBuilder("gated"):

        @cloaca.task
        def first(context):
            Gated.runs.append("first")
            Gated.inside.set()
            Gated.goes_on.wait(SOON)

        @cloaca.task(dependencies=[first])
        def second(context):
            Gated.runs.append("second")

    yield Gated
    Gated.goes_on.set()


class Heard(logging.Handler):
    """Sets ``heard`` when the engine has logged a text."""

    def __init__(self, text):
        super().__init__()
        self.text, self.heard = text, threading.Event()

    def emit(self, record):
        if self.text in record.getMessage():
            self.heard.set()


@pytest.fixture
def waits(caplog):
    """An event: a turn could not be committed. What recurs is a warning once, and debugging output then."""
    caplog.set_level(logging.DEBUG, "cloaca.engine")
    handler = Heard("a turn could not be committed, retrying")
    logging.getLogger("cloaca").addHandler(handler)
    yield handler.heard
    logging.getLogger("cloaca").removeHandler(handler)


@pytest.mark.parametrize("holder", [LOCKS, HOLDS_THE_GATE], ids=["database", "gate"])
def test_a_locked_file_refuses_starts_keeps_what_runs_and_goes_on_when_it_is_free(
    make_runner, gated, waits, holder
):
    runner = make_runner("sqlite:///app.db?timeout=0.05")
    running = runner.start("gated")
    assert gated.inside.wait(SOON)
    with spawn(holder) as process:
        assert process.stdout.readline() == "locked\n"
        for call in (runner.start, runner.execute):
            with pytest.raises(
                cloaca.DatabaseError, match=r"app\.db was locked by another process for 0\.05 s: end"
            ):
                call("gated")
        with pytest.raises(cloaca.DatabaseError, match="was locked by another process"):
            cloaca.DefaultRunner("sqlite:///app.db?timeout=0.05")
        waits.clear()
        gated.goes_on.set()
        assert waits.wait(SOON)
        assert running.status == "Running"
        assert [summary.execution_id for summary in runner.list_executions()] == [running.execution_id]
        assert gated.runs == ["first"]
        process.stdin.close()
    assert running.result(SOON).status == "Completed"
    assert gated.runs == ["first", "second"]
    assert runner.execute("gated").status == "Completed"


def test_a_lock_that_ends_in_time_is_waited_for(make_runner, gated):
    gated.goes_on.set()
    runner = make_runner("sqlite:///app.db?timeout=20")
    with spawn(LOCKS) as process:
        assert process.stdout.readline() == "locked\n"
        starting = threading.Thread(target=lambda: gated.runs.append(runner.execute("gated").status))
        starting.start()
        process.stdin.close()
        starting.join(SOON)
    assert gated.runs == ["first", "second", "Completed"]


READS = """
import cloaca

with cloaca.WorkflowBuilder("hello"):
    @cloaca.task
    def hello(context): ...

try:
    cloaca.DefaultRunner("sqlite:///disk/app.db")
except cloaca.DatabaseError as error:
    print(error)
"""


def test_a_file_on_a_read_only_disk_is_refused_by_name(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with cloaca.DefaultRunner("sqlite:///disk/app.db"):
        pass
    out, _ = run(READS, prefix=READ_ONLY)
    assert "disk/app.db cannot be" in out
    assert "permission" in out


def test_a_file_that_is_new_on_a_read_only_disk_is_refused_by_name(tmp_path):
    (tmp_path / "disk").mkdir()
    out, _ = run(READS, prefix=READ_ONLY)
    assert "disk/app.db cannot be opened" in out
    assert not list((tmp_path / "disk").iterdir())


def test_a_runner_on_a_url_that_only_reads_says_so():
    with cloaca.DefaultRunner("sqlite:///app.db"):
        pass
    with pytest.raises(
        cloaca.CloacaException, match="drop mode=ro from its URL, for a runner writes"
    ) as refused:
        cloaca.DefaultRunner("sqlite:///app.db?mode=ro")
    assert isinstance(refused.value, ValueError | RuntimeError)


def test_a_url_that_does_not_create_says_that_the_file_is_not_there(tmp_path):
    with pytest.raises(cloaca.DatabaseError, match=r"app\.db does not exist, and mode=rw creates none"):
        cloaca.DefaultRunner("sqlite:///app.db?mode=rw")
    assert not list(tmp_path.iterdir())


class FailsToCommit:
    """A connection whose commits end in an I/O error, with or without having happened."""

    def __init__(self, db, failures):
        self._db, self._failures = db, failures

    def __getattr__(self, name):
        return getattr(self._db, name)

    def execute(self, sql, *parameters):
        if sql == "commit" and self._failures:
            self._db.execute(self._failures.pop())
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return self._db.execute(sql, *parameters)


@pytest.mark.parametrize("happened", ["commit", "rollback"])
def test_an_io_error_at_a_commit_is_found_out_and_nothing_is_lost_or_repeated(
    make_runner, gated, monkeypatch, happened
):
    connection, failures = SqliteStore._connection, []
    monkeypatch.setattr(SqliteStore, "_connection", lambda store: FailsToCommit(connection(store), failures))
    runner = make_runner()
    failures.append(happened)
    running = runner.start("gated", idempotency_key="k")
    assert gated.inside.wait(SOON)
    failures.append(happened)
    gated.goes_on.set()
    assert running.result(SOON).status == "Completed"
    assert failures == []
    assert gated.runs == ["first", "second"]
    assert runner.start("gated", idempotency_key="k").execution_id == running.execution_id
    record = runner.get_execution(running.execution_id)
    assert [task.status for task in record.tasks.values()] == ["Completed", "Completed"]


def test_an_unreadable_answer_is_a_typed_error(make_runner, monkeypatch):
    workflow_of("hello", lambda context: None, id="hello")
    runner = make_runner()
    execution_id = runner.execute("hello").execution_id
    monkeypatch.setitem(
        __import__("cloaca.store.sqlite.store", fromlist=["SQL"]).SQL,
        "read_execution",
        "select * from absent",
    )
    with pytest.raises(cloaca.DatabaseError, match=r"app\.db: no such table: absent"):
        runner.get_execution(execution_id)
