"""Waiting for what somebody else removes meanwhile."""

import asyncio
import threading
from datetime import timedelta

import pytest

import cloaca
from tests.world import SOON

pytestmark = pytest.mark.usefixtures("impatience")

GONE = "is not in .*: it was deleted or pruned"


def remove_untold(client, execution):
    """Between two looks of whoever waits, which sees neither the cancel before it nor that it ended."""
    assert client._store.steering.delete(execution, lambda _standing: None)


@pytest.fixture
def handle(client):
    """On an execution that nobody runs."""
    return client.start("unknown here")


def test_a_wait_for_what_was_removed_before_it_began_ends_at_once(handle, client):
    remove_untold(client, handle.execution_id)
    with pytest.raises(cloaca.ExecutionNotFoundError, match=GONE):
        handle.result(SOON)
    with pytest.raises(cloaca.ExecutionNotFoundError, match=GONE):
        handle.wait(0)
    with pytest.raises(cloaca.ExecutionNotFoundError, match=GONE):
        asyncio.run(asyncio.wait_for(awaited(handle), SOON))


async def awaited(handle):
    return await handle


@pytest.mark.parametrize("how", ["thread", "loop"])
def test_a_wait_ends_when_what_it_waits_for_is_removed(how, handle, client):
    told = []

    def wait():
        with pytest.raises(cloaca.ExecutionNotFoundError, match=GONE):
            told.append(handle.result(SOON) if how == "thread" else asyncio.run(awaited(handle)))
        told.append("gone")

    thread = threading.Thread(target=wait)
    thread.start()
    while not client._completions.waiting:
        thread.join(0.001)
    remove_untold(client, handle.execution_id)
    thread.join(SOON)
    assert told == ["gone"]


def test_a_wait_ends_when_what_it_waits_for_is_pruned(handle, client, database_url):
    with cloaca.Client(database_url) as other:
        other.cancel(handle.execution_id)
        assert other.prune(older_than=timedelta(0)).executions == 1
    with pytest.raises(cloaca.ExecutionNotFoundError, match=GONE):
        handle.result(SOON)


@pytest.fixture
def after_a_look(client, monkeypatch):
    """Has something happen between two reads of whoever waits for an execution that has ended."""

    def after_a_look(work):
        read = client._store.read_execution

        def read_and_work(execution):
            row = read(execution)
            monkeypatch.undo()
            work()
            return row

        monkeypatch.setattr(client._store, "read_execution", read_and_work)

    return after_a_look


def test_what_is_removed_while_its_result_is_read_is_reported_in_the_same_words(handle, client, after_a_look):
    handle.cancel()
    after_a_look(handle.delete)
    with pytest.raises(cloaca.ExecutionNotFoundError, match=GONE):
        handle.result(SOON)


def test_what_is_retried_while_its_result_is_read_has_none_yet(handle, client, after_a_look):
    handle.cancel()
    after_a_look(handle.retry)
    assert not handle.wait(0)
    assert handle.status == "Pending"
