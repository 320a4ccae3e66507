"""Removing what has ended: by hand, by a runner itself, and beside others who do the same."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import cloaca
from cloaca.engine import pruning
from cloaca.runner import retention
from cloaca.store.steering import PRUNED
from tests.anywhere import impatience  # noqa: F401 - a fixture
from tests.world import SOON, workflow_of

pytestmark = pytest.mark.usefixtures("impatience")

ENDED = timedelta(0)


@pytest.fixture(autouse=True)
def _haste(monkeypatch):
    monkeypatch.setattr(pruning, "REST", 0)
    monkeypatch.setattr(pruning, "LEAST_REST_SECONDS", 0.0)


@pytest.fixture
def ended(runner, double):
    """Ten executions that have ended, oldest first."""
    return [runner.execute("double", {"n": n}).execution_id for n in range(10)]


def listed(of):
    return [one.execution_id for one in reversed(of.list_executions())]


def test_what_has_ended_goes_with_all_that_is_stored_of_it(runner, client, ended):
    waits = client.start("unknown").execution_id
    assert client.prune(older_than=ENDED) == cloaca.PruneReport(executions=10, attempts=10)
    assert listed(client) == [waits]
    assert runner._store.read_attempts(ended[0]) == []
    assert runner._store.steering.events(ended[0]) == []
    with pytest.raises(cloaca.ExecutionNotFoundError):
        runner.get_execution(ended[0])
    assert runner.prune(older_than=ENDED, keep=0) == cloaca.PruneReport(0, 0)


def test_what_is_open_stays_whatever_its_age(client):
    pending, paused = client.start("unknown"), client.start("unknown")
    client.pause(paused.execution_id)
    assert client.prune(older_than=ENDED, keep=0) == cloaca.PruneReport(0, 0)
    assert [pending.status, paused.status] == ["Pending", "Paused"]


def test_the_newest_are_kept(client, ended):
    assert client.prune(keep=10).executions == client.prune(keep=11).executions == 0
    assert client.prune(keep=4).executions == 6
    assert listed(client) == ended[6:]
    client.start("unknown")
    assert client.prune(keep=3).executions == 2
    assert listed(client)[:2] == ended[8:]
    assert client.prune(keep=0).executions == 2


def test_what_ended_a_shorter_time_ago_is_kept(client, ended):
    assert client.prune(older_than=timedelta(hours=1)).executions == 0
    now = client._now
    client._now = lambda: now() + 3601
    assert client.prune(older_than=timedelta(hours=1)).executions == 10


def test_a_dry_run_removes_nothing_and_says_what_would_be(client, ended):
    assert client.prune(keep=3, dry_run=True) == cloaca.PruneReport(executions=7, attempts=7)
    assert listed(client) == ended


@pytest.mark.parametrize("page", [1, 3, 10])
def test_a_walk_goes_through_all_pages(client, ended, monkeypatch, page):
    monkeypatch.setattr(pruning, "PAGE", page)
    monkeypatch.setattr(pruning, "COUNTED", page)
    assert client.prune(keep=2).executions == 8
    assert listed(client) == ended[8:]


def test_an_idempotency_key_is_free_again(client, runner, double):
    first = client.start("double", {"n": 1}, idempotency_key="k")
    first.result(SOON)
    client.prune(older_than=ENDED)
    second = client.start("double", {"n": 2}, idempotency_key="k")
    assert second.execution_id != first.execution_id
    assert second.result(SOON)["n"] == 4


def test_what_an_open_execution_has_started_stays_with_it(runner, client, double):
    began, go_on = threading.Event(), threading.Event()

    def parent(context):
        context["child"] = runner.execute("double", {"n": 1}).execution_id
        began.set()
        go_on.wait(SOON)

    workflow_of("parent", parent)
    handle = runner.start("parent")
    assert began.wait(SOON)
    assert client.prune(older_than=ENDED, keep=0).executions == 0
    go_on.set()
    child = handle.result(SOON)["child"]
    assert client.get_execution(child).status == "Completed"
    assert client.prune(older_than=ENDED).executions == 2


def test_one_of_many_attempts_is_removed_in_pieces_after_a_crash_too(client, runner, monkeypatch):
    def body(context): ...

    with cloaca.WorkflowBuilder("wide"):
        for number in range(7):
            cloaca.task(id=f"t{number}")(body)
    done = runner.execute("wide").execution_id
    monkeypatch.setattr(pruning, "BATCH_ATTEMPTS", 3)
    table = client._store.steering
    [row] = table.oldest(after=0, limit=9)
    assert table.remove([row], is_large=True) == [done]
    assert len(client._store.read_attempts(done)) == 7
    assert table.pruned() == [done]
    assert client.prune(older_than=ENDED) == cloaca.PruneReport(0, 0)
    assert client._store.read_attempts(done) == table.steered(PRUNED) == []
    done = runner.execute("wide").execution_id
    assert client.prune(older_than=ENDED) == cloaca.PruneReport(executions=1, attempts=7)
    assert client._store.read_attempts(done) == table.pruned() == []


def test_what_was_retried_since_it_was_read_stays(client, runner):
    def fails(context):
        raise ValueError("no")

    workflow_of("fails", fails)
    handle = runner.start("fails")
    handle.result(SOON)
    table = client._store.steering
    rows = table.oldest(after=0, limit=9)
    runner.retry(handle.execution_id)
    handle.result(SOON)
    assert table.remove(rows) == []
    assert table.remove(table.oldest(after=0, limit=9)) == [handle.execution_id]


def test_many_who_prune_at_once_remove_each_execution_once(make_runner, double, database_url):
    runner = make_runner()
    runner.start_many("double", [{"n": n} for n in range(60)])[-1].result(SOON)
    for summary in runner.list_executions():
        runner.get_handle(summary.execution_id).result(SOON)

    def prune(_):
        with cloaca.Client(database_url) as client:
            return client.prune(older_than=ENDED).executions

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(prune, range(4))) == 60
    assert runner.list_executions() == []


@pytest.mark.parametrize(
    "settings", [{"retention_days": 1e-12}, {"retention_executions": 0}], ids=["days", "executions"]
)
def test_a_runner_removes_by_itself_what_is_old(make_runner, ended, monkeypatch, settings):
    monkeypatch.setattr(retention, "SPARED_SECONDS", 0.0)
    gone = threading.Event()
    prune = retention.Retention.prune

    def told(self):
        prune(self)
        gone.set()

    monkeypatch.setattr(retention.Retention, "prune", told)
    runner = make_runner(**settings)
    assert gone.wait(SOON)
    assert runner.list_executions() == []


def test_a_runner_spares_what_has_just_ended_whatever_its_number(make_runner, ended, monkeypatch):
    looked = threading.Event()
    prune = retention.Retention.prune

    def told(self):
        prune(self)
        looked.set()

    monkeypatch.setattr(retention.Retention, "prune", told)
    runner = make_runner(retention_executions=1)
    assert looked.wait(SOON)
    assert listed(runner) == ended


def test_a_shutdown_ends_a_walk_and_leaves_the_rest(make_runner, ended, monkeypatch):
    monkeypatch.setattr(pruning, "BATCH_EXECUTIONS", 1)
    monkeypatch.setattr(pruning, "LEAST_REST_SECONDS", SOON)
    began = threading.Event()
    remove = pruning.Pruning._remove

    def told(self, batch, counts):
        began.set()
        remove(self, batch, counts)

    monkeypatch.setattr(pruning.Pruning, "_remove", told)
    monkeypatch.setattr(pruning.Pruning, "_pages", lambda self, _: [self._table.oldest(after=0, limit=10)])
    runner = make_runner(retention_days=1e-12)
    assert began.wait(SOON)
    runner.shutdown()
    assert len(runner.list_executions()) == 9


def test_without_retention_no_thread_is_started_and_nothing_removed(runner, ended):
    assert runner._retention is None
    assert listed(runner) == ended


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "prune\\(\\) needs to know what to remove: say older_than=timedelta\\(days=30\\), keep=100_000, or both"),
        ({"keep": -1}, "keep=-1 must be a whole number from 0, or None"),
        ({"keep": True}, "keep=True must be a whole number"),
        ({"older_than": 30}, "older_than=30 must be a timedelta from 0, such as timedelta\\(days=30\\), or None"),
        ({"older_than": timedelta(-1)}, "must be a timedelta from 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(client, settings, message):
    with pytest.raises(cloaca.ConfigurationError, match=message):
        client.prune(**settings)


def test_it_does_not_hold_up_an_event_loop(client):
    async def prune():
        client.prune(keep=1)

    with pytest.raises(cloaca.RunnerError, match=r"asyncio\.to_thread\(\.\.\.\.prune"):
        asyncio.run(prune())
