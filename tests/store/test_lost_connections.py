"""What a PostgreSQL store makes of connections that end: at any statement, at a commit, with the server."""

import contextlib
import os
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from cloaca.errors import DatabaseError
from cloaca.store.postgres import connection as driver
from cloaca.store.postgres.store import PostgresStore
from cloaca.store.signals import CommitUnknown, RunnerLost, StoreUnavailable
from tests import databases, postgres
from tests.store.conftest import places
from tests.store.rows import GRAPH, KNOWN, NOW, batch_of, finish, settle, shown, start
from tests.store.steps import SOON, SteppedPostgresStore, Stepper, blockers, until

LATCH = 4711
HOLD_AT_COMMIT = f"""
create function public.hold() returns trigger language plpgsql as $$
begin perform pg_advisory_xact_lock({LATCH}); return null; end $$;
create constraint trigger hold after insert on cloaca.attempts deferrable initially deferred
for each row execute function public.hold();
"""
"""Whoever settles waits for the latch at its commit."""

SETTLED = batch_of(settle("e1", "r1"), finish("e1", "r1"))


def terminate(place, backend):
    """End a backend, and return when it is gone."""
    place.rows("select pg_terminate_backend(?)", backend)
    until(
        lambda: not place.rows("select 1 from pg_stat_activity where pid = ?", backend), "the backend goes on"
    )


def wait_until_blocked(place, backend, by):
    """Until a backend waits for another."""
    until(lambda: (by,) in blockers(place.database, backend), "it does not wait")


def backend_of(db):
    return db.execute("select pg_backend_pid()").fetchone()[0]


# -- at a commit -----------------------------------------------------------------------------------------------------


@pytest.fixture
def latch(postgres_place):
    """A connection that holds up every commit that settles, until it is rolled back."""
    postgres_place.database.db.execute(HOLD_AT_COMMIT)
    latch = postgres_place.connect()
    latch.execute("select pg_advisory_xact_lock(%s)", (LATCH,))
    return latch


@contextlib.contextmanager
def lost_at_commit(place, latch, store):
    """A turn whose connection is cut while its backend is at the commit; yields that backend."""
    store.commit(batch_of(GRAPH, start("e1", "r1")))
    backend = store._db.info.backend_pid
    with ThreadPoolExecutor(2) as pool:
        turn = pool.submit(store.commit, SETTLED)
        wait_until_blocked(place, backend, backend_of(latch))
        with socket.socket(fileno=os.dup(store._db.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
        with pytest.raises(CommitUnknown):
            turn.result(SOON)
        yield backend, pool


def joined(place, *, pooled):
    store = place.store()
    store._is_pooled = pooled
    store.join("r1", NOW)
    return store


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])
def test_who_asks_after_a_lost_reply_waits_for_the_backend_that_is_still_at_its_commit(
    postgres_place, latch, pooled
):
    store = joined(postgres_place, pooled=pooled)
    with lost_at_commit(postgres_place, latch, store) as (old, pool):
        answer = pool.submit(store.was_committed)
        waiting = "select pid from pg_stat_activity where pid <> ? and ? = any(pg_blocking_pids(pid))"
        until(lambda: postgres_place.rows(waiting, old, old), "it does not wait")
        assert shown(store, "e1")[3] == []
        latch.rollback()
        assert answer.result(SOON) is True
    assert store.losers(SETTLED) == {}
    assert shown(store, "e1") == ("Completed", None, 1, [("a", 1, "Completed")])
    store.beat()


def test_a_backend_that_is_ended_at_its_commit_has_not_committed(postgres_place, latch):
    store = joined(postgres_place, pooled=False)
    with lost_at_commit(postgres_place, latch, store) as (old, _):
        terminate(postgres_place, old)
        assert store.was_committed() is False
        latch.rollback()
    assert store.commit(SETTLED) == {}
    assert shown(store, "e1") == ("Completed", None, 1, [("a", 1, "Completed")])


def test_a_turn_after_one_that_is_in_doubt_finds_out_first(postgres_place, latch):
    store = joined(postgres_place, pooled=False)
    with lost_at_commit(postgres_place, latch, store):
        latch.rollback()
    store.beat()
    store.commit(batch_of(start("e2", "r1")))
    assert postgres_place.rows("select turn from cloaca_runners") == [(4,)]
    assert shown(store, "e1")[0] == "Completed"


def test_as_long_as_the_old_backend_is_at_its_commit_nobody_takes_its_runner_for_dead(postgres_place, latch):
    store, other = joined(postgres_place, pooled=False), postgres_place.joined("r2")
    with lost_at_commit(postgres_place, latch, store):
        assert [row.holds_lock for row in other.other_runners()] == [True]
        latch.rollback()
        assert store.was_committed() is True
    assert [row.holds_lock for row in other.other_runners()] == [True]


# -- at any statement ------------------------------------------------------------------------------------------------

TURNS = {
    "settle": lambda store: store.commit(SETTLED),
    "start": lambda store: store.commit(batch_of(start("e2", "r1", key="k"))),
    "a start that loses": lambda store: store.commit(batch_of(start("e3", "r1", key="taken"))),
    "claim": lambda store: store.claim(KNOWN, structures=[GRAPH], limit=1, now=NOW),
    "release": lambda store: store.release("r1", ["e1"], now=NOW),
    "beat": lambda store: store.beat(),
}


@pytest.mark.parametrize("name", TURNS)
def test_a_connection_that_ends_at_any_statement_of_a_turn_leaves_all_of_it_or_nothing(postgres_place, name):
    place = postgres_place
    keeper = place.joined("keeper")
    keeper.commit(batch_of(GRAPH, start("taken", "keeper", key="taken")))
    for before in range(20):
        place.database.db.execute("truncate cloaca.attempts, cloaca.executions, cloaca.events")
        keeper.commit(batch_of(start("taken", "keeper", key="taken"), start("waits")))
        store = place.joined("r1", lambda: SteppedPostgresStore(place.database))
        store.commit(batch_of(start("e1", "r1")))
        turn = place.rows("select turn from cloaca_runners where id = 'r1'")
        stepper = Stepper(store, TURNS[name])
        stepper.step(before)
        if stepper.is_done:
            break
        terminate(place, store._db.info.backend_pid)
        stepper.finish()
        assert isinstance(stepper.error, (CommitUnknown, StoreUnavailable)), (before, stepper.error)
        store.stepper = None
        moved = place.rows("select turn from cloaca_runners where id = 'r1'") != turn
        if isinstance(stepper.error, CommitUnknown):
            assert store.was_committed() is moved
        else:
            assert not moved
        assert place.rows("select count(*) from cloaca_attempts") == [(int(moved and name == "settle"),)]
        if not moved:
            TURNS[name](store)
        store.beat()
        store.leave()
    assert before >= 3


@pytest.mark.parametrize(
    "work",
    [
        lambda store: store.was_committed(),
        lambda store: store.losers(batch_of(start("e1", "r1", key="k"))),
        lambda store: store.leave(),
        lambda store: store.join("r2", NOW),
    ],
    ids=["was_committed", "losers", "leave", "join"],
)
def test_a_single_statement_on_a_connection_that_has_ended_says_that_it_is_not_there(postgres_place, work):
    store = postgres_place.joined("r1")
    store.commit(batch_of(start("e1", "r1", key="k")))
    terminate(postgres_place, store._db.info.backend_pid)
    with pytest.raises(StoreUnavailable):
        work(store)
    work(store)


def test_readers_do_not_notice_a_connection_that_has_ended(postgres_place):
    store = postgres_place.store()
    for work in (
        lambda: store.read_execution("e1"),
        store.waiting_structures,
        lambda: store.enter(start("e1", key="k")),
        lambda: store.watch("e1"),
    ):
        terminate(postgres_place, backend_of(store._open_reader()))
        work()
    assert postgres_place.rows("select id, watched from cloaca_executions") == [("e1", True)]


def test_a_runner_with_nothing_to_write_takes_its_lock_again_at_its_next_look(postgres_place):
    store, other = postgres_place.joined("r1"), postgres_place.joined("r2")
    terminate(postgres_place, store._db.info.backend_pid)
    assert [row.holds_lock for row in other.other_runners()] == [False]
    store.other_runners()
    assert [row.holds_lock for row in other.other_runners()] == [True]
    store.beat()


# -- with the server -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_server():
    """A server that only these tests restart."""
    with tempfile.TemporaryDirectory(prefix="cloaca-postgres-") as folder:
        server = postgres.Server(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def own_place(own_server):
    yield from places(databases.PostgresDatabase(own_server.url))


def crash(own_server, place):
    own_server.control("restart", "-m", "immediate")
    place.database.reconnect()


def test_after_a_restart_of_the_server_a_turn_is_in_doubt_once_and_goes_on(own_server, own_place):
    store = own_place.joined("r1", lambda: PostgresStore(own_place.database.url))
    store.commit(batch_of(GRAPH, start("e1", "r1")))
    assert store.read_execution("e1") is not None
    crash(own_server, own_place)
    with pytest.raises((CommitUnknown, StoreUnavailable)):
        store.commit(SETTLED)
    assert store.was_committed() is False
    assert store.commit(SETTLED) == {}
    assert shown(store, "e1") == ("Completed", None, 1, [("a", 1, "Completed")])
    assert store.enter(start("e2")).id == "e2"


def test_locks_prove_nothing_on_a_server_that_has_just_been_started(own_server, own_place):
    store = own_place.joined("r1")
    watcher = own_place.store(lambda: PostgresStore(own_place.database.url))
    crash(own_server, own_place)
    assert [row.holds_lock for row in watcher.other_runners()] == [None]
    assert [row.holds_lock for row in own_place.store().other_runners()] == [False]
    assert store.other_runners() == []
    assert [row.holds_lock for row in own_place.store().other_runners()] == [True]


def test_a_server_that_is_gone_is_named_and_comes_back(own_server, own_place):
    store = own_place.joined("r1")
    store.commit(batch_of(GRAPH, start("e1", "r1")))
    own_server.control("stop", "-m", "immediate")
    try:
        with pytest.raises((CommitUnknown, StoreUnavailable)):
            store.commit(SETTLED)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                store.was_committed()
            with pytest.raises((CommitUnknown, StoreUnavailable)):
                store.commit(SETTLED)
            with pytest.raises(DatabaseError, match="cannot be reached"):
                store.read_execution("e1")
            with pytest.raises(DatabaseError, match="cannot be reached"):
                store.enter(start("e2"))
    finally:
        own_server.start()
        own_place.database.reconnect()
    assert store.commit(SETTLED) == {}
    assert shown(store, "e1")[0] == "Completed"


# -- stopped within a turn -------------------------------------------------------------------------------------------


def test_a_runner_that_is_stopped_while_it_sends_a_turn_does_not_hold_up_who_takes_over(
    postgres_place, monkeypatch
):
    other = postgres_place.joined("r2")
    # Of the stopped one alone: the other's turn waits for as long.
    monkeypatch.setattr(driver, "TURN_SECONDS", 0.2)
    stopped = postgres_place.joined("r1")
    db = stopped._connection()
    assert db.info.server_version >= driver.KNOWS_TRANSACTION_TIMEOUT
    with contextlib.suppress(psycopg.Error), db.pipeline():
        db.execute("begin", prepare=True)
        db.execute(stopped._sql["advance_turn"], (1, "r1", 0, 0), prepare=True)
        # It waits for the row, less long than a lock is waited for.
        other.declare_dead("r1")
    with pytest.raises((CommitUnknown, StoreUnavailable)):
        stopped.beat()
    with pytest.raises(RunnerLost):
        stopped.was_committed()
