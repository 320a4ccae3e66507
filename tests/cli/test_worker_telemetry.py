"""``cloaca worker``: metrics over HTTP, and spans."""

from __future__ import annotations

import re
import signal
import socket
import urllib.error
import urllib.request

import pytest

import cloaca
from tests.cli.conftest import PATIENCE_SECONDS

SHOP = """
import cloaca

with cloaca.WorkflowBuilder("orders"):

    @cloaca.task
    def pack(context):
        context["packed"] = True
"""

TRACED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: f"span {span.name}\\n")))
trace.set_tracer_provider(provider)
"""


@pytest.fixture
def shop(folder):
    folder.write("shop.py", SHOP)
    return folder


def line_with(stream, text):
    while text not in (line := stream.readline()):
        assert line, f"ended without {text!r}"
    return line


def scraped(url):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=PATIENCE_SECONDS) as answer:
        return answer.read().decode()


def test_a_worker_serves_its_metrics_until_it_ends(shop):
    url = f"sqlite:///{shop.path}/cloaca.db"
    with (
        cloaca.Client(url) as client,
        shop.begun("worker", "shop.py", "--metrics-port", "0") as process,
    ):
        metrics = re.search(r"http://127\.0\.0\.1:\d+/metrics", line_with(process.stderr, "metrics: "))[0]
        line_with(process.stderr, "ready: ")
        assert client.start("orders").result(PATIENCE_SECONDS)["packed"]
        text = scraped(metrics)
        for line in (
            'cloaca_executions_claimed_total{workflow="orders"} 1.0',
            'cloaca_executions_finished_total{status="Completed",workflow="orders"} 1.0',
            'cloaca_attempts_total{outcome="completed",task="pack",workflow="orders"} 1.0',
            'cloaca_attempt_duration_seconds_count{task="pack",workflow="orders"} 1.0',
            "# TYPE cloaca_slot_wait_seconds histogram",
            'cloaca_slots{kind="sync"} 4.0',
            "cloaca_executions_held 0.0",
            "process_cpu_seconds_total",
        ):
            assert line in text
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    with pytest.raises(urllib.error.URLError):
        scraped(metrics)


def test_a_worker_without_the_option_listens_nowhere(shop):
    with shop.begun("worker", "shop.py") as process:
        line_with(process.stderr, "ready: ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert "metrics" not in process.stderr.read()


def test_a_port_that_is_taken_is_refused_before_anything_runs(shop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = shop.refused("worker", "shop.py", "--metrics-port", str(port))
    assert f"--metrics-port {port}: cannot listen on '127.0.0.1'" in said
    assert "choose another port, 0 for a free one" in said
    assert not (shop.path / "cloaca.db").exists()


@pytest.mark.parametrize("address", ["203.0.113.1", "no such host"])
def test_an_address_of_another_machine_is_refused(shop, address):
    said = shop.refused("worker", "shop.py", "--metrics-port", "0", "--metrics-address", address)
    assert f"--metrics-port 0: cannot listen on {address!r}" in said


def test_an_address_without_a_port_is_refused(shop):
    said = shop.refused("worker", "shop.py", "--metrics-address", "0.0.0.0")
    assert "--metrics-address 0.0.0.0 needs a port: give --metrics-port PORT too" in said


def test_a_worker_makes_spans_by_the_provider_that_its_module_sets(shop):
    shop.write("traced.py", TRACED + SHOP)
    with (
        cloaca.Client(f"sqlite:///{shop.path}/cloaca.db") as client,
        shop.begun("worker", "traced.py", "--tracing") as process,
    ):
        line_with(process.stderr, "ready: ")
        client.start("orders").result(PATIENCE_SECONDS)
        assert line_with(process.stdout, "span ") == "span task pack\n"
        assert line_with(process.stdout, "span ") == "span workflow orders\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
