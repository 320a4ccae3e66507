"""The spans that a runner makes, and in which context bodies run."""

import asyncio
import logging
import threading

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from prometheus_client import CollectorRegistry

import cloaca
from tests.world import SOON, run, workflow_of


class Exporter(InMemorySpanExporter):
    """Keeps spans, and tells who waits for one."""

    def __init__(self):
        super().__init__()
        self.changed = threading.Condition()

    def export(self, spans):
        with self.changed:
            self.changed.notify_all()
            return super().export(spans)


class Traces:
    """A provider, and the spans that have ended under it."""

    def __init__(self, **settings):
        self.exporter = Exporter()
        self.provider = TracerProvider(**settings)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def of(self, name):
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def wait_for(self, name):
        with self.exporter.changed:
            assert self.exporter.changed.wait_for(lambda: self.of(name), SOON)

    def one(self, name):
        (span,) = self.of(name)
        return span


@pytest.fixture
def traces():
    return Traces()


def is_below(span, other):
    return span.parent is not None and span.parent.span_id == other.context.span_id


def facts(span):
    return {name.removeprefix("cloaca."): value for name, value in span.attributes.items()}


def test_what_a_body_opens_is_below_its_attempt_below_the_execution_below_the_caller(make_runner, traces):
    with cloaca.WorkflowBuilder("etl"):

        @cloaca.task
        def fetch(context):
            with traces.tracer.start_as_current_span("query"):
                pass

        @cloaca.task(dependencies=[fetch])
        async def load(context):
            await asyncio.sleep(0)
            with traces.tracer.start_as_current_span("write"):
                pass

    runner = make_runner(tracing=traces.provider)
    with traces.tracer.start_as_current_span("request"):
        result = runner.execute("etl")
    execution, fetch, load = traces.one("workflow etl"), traces.one("task fetch"), traces.one("task load")
    assert is_below(execution, traces.one("request"))
    assert is_below(fetch, execution)
    assert is_below(traces.one("query"), fetch)
    assert is_below(load, execution)
    assert is_below(traces.one("write"), load)
    ids = {"execution_id": result.execution_id, "workflow": "etl"}
    assert facts(execution) == ids | {"status": "Completed"}
    assert facts(fetch) == ids | {"task": "fetch", "attempt": 1}
    assert execution.start_time <= fetch.start_time <= fetch.end_time <= load.start_time <= load.end_time


def test_every_attempt_has_a_span_and_says_how_it_failed(make_runner, traces):
    def load(context):
        raise ValueError("no route")

    workflow_of("etl", load, retry_attempts=1, retry_delay_ms=1)
    make_runner(tracing=traces.provider).execute("etl")
    spans = traces.of("task load")
    assert [span.attributes["cloaca.attempt"] for span in spans] == [1, 2]
    assert [span.status.description for span in spans] == ["ValueError: no route"] * 2
    execution = traces.one("workflow etl")
    assert not execution.status.is_ok
    assert execution.status.description == "task 'load' failed: ValueError: no route"
    assert facts(execution)["status"] == "Failed"


def test_an_execution_that_a_body_starts_is_below_its_attempt(make_runner, traces):
    workflow_of("child", lambda context: None, id="only")
    runner = make_runner(tracing=traces.provider)

    def parent(context):
        runner.execute("child")

    workflow_of("parent", parent)
    runner.execute("parent")
    assert is_below(traces.one("workflow child"), traces.one("task parent"))


def test_many_started_at_once_are_all_below_the_caller_with_its_baggage(make_runner, traces):
    def body(given):
        given["tenant"] = baggage.get_baggage("tenant")

    workflow_of("many", body)
    runner = make_runner(tracing=traces.provider)
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    with traces.tracer.start_as_current_span("batch"):
        handles = runner.start_many("many", [{}, {}, {}])
    context.detach(token)
    assert [handle.result(SOON)["tenant"] for handle in handles] == ["acme"] * 3
    assert all(is_below(span, traces.one("batch")) for span in traces.of("workflow many"))


def test_without_a_caller_an_execution_begins_a_trace_of_its_own(make_runner, traces):
    workflow_of("alone", lambda context: None, id="only")
    runner = make_runner(tracing=traces.provider)
    for _ in range(2):
        runner.execute("alone")
    one, other = traces.of("workflow alone")
    assert one.parent is other.parent is None
    assert one.context.trace_id != other.context.trace_id


def test_what_another_process_has_started_is_found_by_its_id(make_runner, traces):
    workflow_of("claimed", lambda context: None, id="only")
    with cloaca.Client("sqlite:///shared.db") as client:
        started = client.start("claimed").execution_id
    make_runner("sqlite:///shared.db", tracing=traces.provider).get_handle(started).result(SOON)
    execution, task = traces.one("workflow claimed"), traces.one("task only")
    assert facts(execution)["claimed"] is True
    assert execution.attributes["cloaca.execution_id"] == started
    assert is_below(task, execution)


def test_an_execution_that_is_handed_over_goes_on_in_a_span_of_the_next_runner(make_runner, traces):
    runs, may_end = threading.Event(), threading.Event()

    def body(context):
        runs.set()
        may_end.wait(SOON)

    workflow_of("gated", body)
    runner = make_runner("sqlite:///shared.db", tracing=traces.provider)
    handle = runner.start("gated")
    assert runs.wait(SOON)
    runner.shutdown(timeout=0)
    may_end.set()
    make_runner("sqlite:///shared.db", tracing=traces.provider).get_handle(handle.execution_id).result(SOON)
    first, second = traces.of("workflow gated")
    assert facts(first)["handed_over"] is True
    assert facts(second)["claimed"] is True
    assert facts(first)["execution_id"] == facts(second)["execution_id"]


CRASHING = """
import os
import cloaca
with cloaca.WorkflowBuilder("etl"):
    @cloaca.task
    def fetch(context):
        context["rows"] = 3
    @cloaca.task(dependencies=[fetch])
    def load(context):
        os._exit(7)
runner = cloaca.DefaultRunner("sqlite:///shared.db")
handle = runner.start("etl")
print(handle.execution_id, flush=True)
handle.wait()
"""


def test_what_a_crash_has_left_is_found_by_the_ids_of_its_spans(make_runner, traces):
    out, _ = run(CRASHING, status=7)
    with cloaca.WorkflowBuilder("etl"):

        @cloaca.task
        def fetch(context):
            raise AssertionError("it is completed")

        @cloaca.task(dependencies=[fetch])
        def load(context):
            context["loaded"] = context["rows"]

    runner = make_runner("sqlite:///shared.db", tracing=traces.provider)
    assert runner.get_handle(out.strip()).result(SOON)["loaded"] == 3
    ids = {"execution_id": out.strip(), "workflow": "etl"}
    assert facts(traces.one("workflow etl")) == ids | {"claimed": True, "status": "Completed"}
    assert facts(traces.one("task load")) == ids | {"task": "load", "attempt": 1}
    assert traces.of("task fetch") == []


def test_the_global_provider_is_used_where_none_is_given(make_runner, traces, monkeypatch):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", traces.provider)
    workflow_of("plain", lambda context: None, id="only")
    make_runner(tracing=True).execute("plain")
    assert traces.one("task only")


def test_a_body_of_a_runner_without_tracing_runs_in_no_span(make_runner, traces):
    def body(context):
        context["is_recording"] = trace.get_current_span().is_recording()

    workflow_of("plain", body)
    with traces.tracer.start_as_current_span("request"):
        assert make_runner().execute("plain")["is_recording"] is False


class Broken(SpanProcessor):
    def on_start(self, span, parent_context=None):
        raise RuntimeError("the collector is gone")


def test_telemetry_that_fails_fails_no_execution_and_is_logged_once(make_runner, caplog):
    provider = TracerProvider()
    provider.add_span_processor(Broken())
    workflow_of("plain", lambda context: None, id="only")
    runner = make_runner(tracing=provider)
    for _ in range(3):
        assert runner.execute("plain").status == "Completed"
    logged = [record for record in caplog.records if record.name == "cloaca.telemetry"]
    assert [record.levelno for record in logged] == [logging.ERROR]
    assert "the collector is gone" in caplog.text


def test_an_execution_that_is_not_sampled_has_no_spans_and_neither_have_its_bodies(make_runner):
    traces = Traces(sampler=ParentBased(ALWAYS_OFF))

    def body(context):
        with traces.tracer.start_as_current_span("query") as span:
            context["trace"] = span.get_span_context().trace_id != 0

    workflow_of("unsampled", body)
    assert make_runner(tracing=traces.provider).execute("unsampled")["trace"] is True
    assert traces.exporter.get_finished_spans() == ()


def test_a_cancelled_execution_is_counted_and_its_spans_end(make_runner, traces):
    registry, runs = CollectorRegistry(), threading.Event()

    def body(context, handle):
        runs.set()
        handle.defer_until(lambda: False, poll_interval_ms=60_000)

    workflow_of("endless", body)
    runner = make_runner(tracing=traces.provider, metrics=registry)
    handle = runner.start("endless")
    assert runs.wait(SOON)
    handle.cancel()
    runner.shutdown()
    labels = {"workflow": "endless", "status": "Cancelled"}
    assert registry.get_sample_value("cloaca_executions_finished_total", labels) == 1
    assert facts(traces.one("workflow endless"))["status"] == "Cancelled"
    assert facts(traces.one("task body"))["discarded"] is True


def test_a_paused_execution_goes_on_in_another_span_and_a_retry_says_its_round(make_runner, traces):
    runs, may_end = threading.Event(), threading.Event()

    with cloaca.WorkflowBuilder("steered"):

        @cloaca.task
        def first(context):
            runs.set()
            assert may_end.wait(SOON)

        @cloaca.task(dependencies=[first])
        def second(context, handle):
            if handle.idempotency_key.endswith("/1"):
                raise ValueError("no")

    runner = make_runner(tracing=traces.provider)
    handle = runner.start("steered")
    assert runs.wait(SOON)
    handle.pause()
    may_end.set()
    traces.wait_for("workflow steered")
    handle.resume()
    assert handle.result(SOON).status == "Failed"
    handle.retry()
    assert handle.result(SOON).status == "Completed"
    spans = [facts(span) for span in traces.of("workflow steered")]
    assert [(span.get("handed_over"), span.get("status")) for span in spans] == [
        (True, None),
        (None, "Failed"),
        (None, "Completed"),
    ]
    assert [facts(span).get("round") for span in traces.of("task second")] == [None, 2]
