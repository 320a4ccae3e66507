"""Behind a transaction pooler: it is noticed, and nothing is asked of a session that may be another's."""

import contextlib
import logging
import tempfile

import pytest

from cloaca.runner.stores import store_of
from cloaca.store.signals import Fenced
from tests.store.pooler import Pooler
from tests.store.rows import GRAPH, KNOWN, NOW, batch_of, finish, settle, shown, start


@pytest.fixture
def pooled(postgres_url):
    """Stores behind one pooler."""
    with (
        tempfile.TemporaryDirectory(prefix="cloaca-pooler-") as folder,
        contextlib.closing(Pooler(folder, postgres_url)) as pooler,
        contextlib.ExitStack() as stack,
    ):

        def make(runner):
            store = store_of(pooler.url)
            stack.callback(store.close)
            store.prepare()
            store.join(runner, NOW)
            return store

        yield make


def test_a_pooler_is_noticed_and_said_to_cost_the_proof_of_death(pooled, caplog):
    with caplog.at_level(logging.WARNING, "cloaca.store"):
        one, two = pooled("r1"), pooled("r2")
    assert "reached through a pooler: a dead runner is noticed only when its lease ends" in caplog.text
    assert [(row.id, row.holds_lock) for row in two.other_runners()] == [("r1", None)]
    one.beat()
    assert [row.turn for row in two.other_runners()] == [1]


def test_stores_that_share_a_connection_do_all_that_others_do(pooled):
    one, two = pooled("r1"), pooled("r2")
    for number in range(8):
        id = f"e{number}"
        assert one.commit(batch_of(GRAPH, start(id, "r1", key=id), start(f"w{number}"))) == {}
        assert two.commit(batch_of(start(f"late{number}", "r2", key=id)))[f"late{number}"].id == id
        with pytest.raises(Fenced):
            two.commit(batch_of(settle(id, "r2")))
        one.commit(batch_of(settle(id, "r1"), finish(id, "r1")))
        [claimed] = two.claim(KNOWN, structures=[GRAPH], limit=1, now=NOW)
        assert claimed.id == f"w{number}"
        assert shown(two, id) == ("Completed", None, 1, [("a", 1, "Completed")])
        assert one.enter(start(f"x{number}", workflow="x", key=id)).id == f"x{number}"
        assert two.was_committed() is False
    assert one.waiting_structures() == [("x", "s")]


def test_what_is_told_reaches_nobody_and_listening_is_said_to_be_polling(pooled, caplog):
    store = pooled("r1")
    with caplog.at_level(logging.INFO, "cloaca.store"):
        store.listen(lambda executions: None)
    assert "what happens elsewhere is polled for" in caplog.text
    store.watch("e1")
    store.announce(work=True)
