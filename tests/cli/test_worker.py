"""``cloaca worker``: a process that runs what others start."""

from __future__ import annotations

import os
import signal

import pytest

import cloaca
from cloaca.cli.interrupts import Asked
from cloaca.cli.worker import _work
from tests.cli.conftest import PATIENCE_SECONDS, read_until

SHOP = """
import cloaca

with cloaca.WorkflowBuilder("orders"):

    @cloaca.task
    def pack(context):
        # One write: two bodies at once would mix their words and their ends of lines.
        print("packing\\n", end="", flush=True)
        if "gate" in context:
            with open(context["gate"]) as gate:
                gate.read()
        context["packed"] = True
"""

IMPORTS_SHOP = """
import cloaca
import shop

with cloaca.WorkflowBuilder("refunds"):

    @cloaca.task
    def refund(context): ...
"""


@pytest.fixture
def shop(folder):
    """A folder with the workflow ``orders`` in ``shop.py``, and a gate that its body waits for if it is told to."""
    folder.write("shop.py", SHOP)
    os.mkfifo(folder.path / "gate")
    return folder


def test_a_worker_runs_what_a_client_starts_and_drains_at_sigterm(shop, database_url):
    with (
        cloaca.Client(database_url) as client,
        shop.begun("worker", "shop.py", "--db", database_url) as process,
    ):
        read_until(process.stderr, "runs 'orders' of ")
        assert client.start("orders").result(PATIENCE_SECONDS)["packed"]
        held = client.start("orders", {"gate": "gate"})
        read_until(process.stdout, "packing")
        read_until(process.stdout, "packing")
        process.send_signal(signal.SIGTERM)
        read_until(process.stderr, "SIGTERM: draining for at most 30 s; a second signal stops it immediately")
        late = client.start("orders")
        shop.open_gate()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert "drained in" in process.stderr.read()
        assert held.result(0)["packed"]
        assert late.status == "Pending"


def test_what_does_not_end_by_the_deadline_is_handed_over(shop, database_url):
    command = ("worker", "shop.py", "--db", database_url, "--drain-seconds", "0")
    with cloaca.Client(database_url) as client, shop.begun(*command) as process:
        read_until(process.stderr, "ready: ")
        handle = client.start("orders", {"gate": "gate"})
        read_until(process.stdout, "packing")
        with shop.begun(*command) as heir:
            read_until(heir.stderr, "ready: ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
            read_until(heir.stdout, "packing")
            shop.open_gate()
            assert handle.result(PATIENCE_SECONDS)["packed"]
            heir.send_signal(signal.SIGTERM)
            assert "is dead" not in heir.stderr.read()


def test_a_worker_told_to_wait_leaves_what_was_started_under_another_version(shop):
    command = ("worker", "shop.py", "--drain-seconds", "0")
    with cloaca.Client(f"sqlite:///{shop.path}/cloaca.db") as client:
        with shop.begun(*command) as process:
            read_until(process.stderr, "ready: ")
            handle = client.start("orders", {"gate": "gate"})
            read_until(process.stdout, "packing")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
        shop.write("shop.py", SHOP.replace('context["packed"] = True', 'context["packed"] = "anew"'))
        with shop.begun(*command, "--on-version-change", "wait") as process:
            read_until(process.stderr, "'orders' wait: they were started with a version other than")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
        with shop.begun(*command) as process:
            read_until(process.stdout, "packing")
            shop.open_gate()
            assert handle.result(PATIENCE_SECONDS)["packed"] == "anew"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_at_once(shop, number, code):
    with (
        cloaca.Client(f"sqlite:///{shop.path}/cloaca.db") as client,
        shop.begun("worker", "shop.py") as process,
    ):
        read_until(process.stderr, "ready: ")
        client.start("orders", {"gate": "gate"})
        read_until(process.stdout, "packing")
        process.send_signal(signal.SIGTERM)
        read_until(process.stderr, "draining")
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == code


def test_as_many_bodies_run_at_once_as_it_is_told(shop):
    url = f"sqlite:///{shop.path}/cloaca.db"
    gates = [shop.path / name for name in ("one", "two", "three")]
    for gate in gates:
        os.mkfifo(gate)
    with cloaca.Client(url) as client, shop.begun("worker", "shop.py", "--concurrency", "2") as process:
        assert "2 tasks at once" in read_until(process.stderr, "ready: ")
        handles = client.start_many("orders", [{"gate": str(gate)} for gate in gates])
        read_until(process.stdout, "packing")
        read_until(process.stdout, "packing")
        gates[0].write_text("")
        read_until(process.stdout, "packing")
        gates[1].write_text("")
        gates[2].write_text("")
        assert all(handle.result(PATIENCE_SECONDS)["packed"] for handle in handles)


@pytest.mark.parametrize(
    "targets", [("shop.py", "refunds.py"), ("refunds.py", "shop"), ("refunds.py", "shop.py", "./shop.py")]
)
def test_a_module_that_another_has_imported_may_be_named_too(shop, targets):
    shop.write("refunds.py", IMPORTS_SHOP.replace("import shop", "import shop as _shop"))
    with shop.begun("worker", *targets) as process:
        assert "runs 'orders', 'refunds' of " in read_until(process.stderr, "ready: ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'FILE_OR_MODULE...'"),
        (("shop.py", "empty.py"), "empty.py registers no workflow"),
        (("json",), "json registers no workflow"),
        (
            ("shop.py", "--db", ":memory:"),
            "--db :memory: is a database in memory: no other process could start",
        ),
        (("shop.py", "--concurrency", "0"), "'--concurrency': 0 is not in the range x>=1"),
        (("shop.py", "--db", "mysql://db/shop"), "is not a database URL that cloaca supports"),
        (("shop.py", "--db", "postgresql://ada:s3cret@127.0.0.1:1/shop"), "127.0.0.1"),
    ],
)
def test_a_worker_that_cannot_work_says_why(shop, arguments, message):
    shop.write("empty.py", "")
    said = shop.refused("worker", *arguments)
    assert message in said
    assert "s3cret" not in said


def test_a_worker_whose_runner_ended_by_itself_ends_too(caplog):
    class Ended:
        is_running = False

    assert _work(Ended(), Asked(), drain_seconds=1) is False
    assert "the runner has stopped on its own" in caplog.text
