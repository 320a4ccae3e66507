"""What a runner counts, measures and shows for Prometheus."""

import sys
import threading

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

import cloaca
from cloaca.telemetry import series
from cloaca.telemetry.prometheus import metrics_in
from tests.world import SOON, run, workflow_of


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def cloaca_config(registry):
    """What runners that go by a clock are made with."""
    return cloaca.DefaultRunnerConfig(metrics=registry)


def test_executions_and_attempts_are_counted_by_how_they_ended(make_runner, database_url, registry):
    with cloaca.WorkflowBuilder("etl"):

        @cloaca.task
        def fetch(context): ...

        @cloaca.task(dependencies=[fetch], retry_attempts=1, retry_delay_ms=1)
        def load(context):
            raise ValueError("no")

        @cloaca.task(dependencies=[load])
        def tell(context): ...

    make_runner(database_url, metrics=registry).execute("etl")
    value = registry.get_sample_value
    assert value("cloaca_executions_started_total", {"workflow": "etl"}) == 1
    assert value("cloaca_executions_finished_total", {"workflow": "etl", "status": "Failed"}) == 1
    attempts = {
        (sample.labels["task"], sample.labels["outcome"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "cloaca_attempts_total"
    }
    assert attempts == {
        ("fetch", "completed"): 1,
        ("load", "retried"): 1,
        ("load", "failed"): 1,
        ("tell", "skipped"): 1,
    }
    assert value("cloaca_attempt_duration_seconds_count", {"workflow": "etl", "task": "load"}) == 2
    assert value("cloaca_slot_wait_seconds_count") == 3
    assert value("cloaca_commit_duration_seconds_count") >= 4
    assert value("cloaca_commit_rows_sum") >= 6


def test_what_waits_and_runs_is_seen_while_it_does(make_runner, registry):
    runs, may_end = threading.Event(), threading.Event()

    def body(context):
        runs.set()
        assert may_end.wait(SOON)

    workflow_of("gated", body)
    runner = make_runner(metrics=registry, max_concurrent_tasks=1)
    handles = runner.start_many("gated", [{}, {}, {}])
    assert runs.wait(SOON)
    value = registry.get_sample_value
    assert value("cloaca_executions_held") == 3
    assert value("cloaca_slots", {"kind": "sync"}) == 1
    assert value("cloaca_bodies_running", {"kind": "sync"}) == 1
    assert value("cloaca_attempts_waiting", {"kind": "sync"}) == 2
    may_end.set()
    for handle in handles:
        handle.result(SOON)
    runner.shutdown()
    assert value("cloaca_executions_held") == 0
    assert value("cloaca_slots", {"kind": "sync"}) == 0


def test_what_a_client_has_started_is_counted_as_claimed(make_runner, registry):
    workflow_of("double", lambda context: None, id="double")
    with cloaca.Client("sqlite:///shared.db") as client:
        execution = client.start("double").execution_id
    runner = make_runner("sqlite:///shared.db", metrics=registry)
    runner.get_handle(execution).result(SOON)
    value = registry.get_sample_value
    assert value("cloaca_executions_claimed_total", {"workflow": "double"}) == 1
    assert value("cloaca_executions_started_total", {"workflow": "double"}) is None
    runner.execute("double")
    assert value("cloaca_executions_started_total", {"workflow": "double"}) == 1
    assert value("cloaca_executions_finished_total", {"workflow": "double", "status": "Completed"}) == 2


def test_a_start_that_finds_its_key_taken_is_not_counted_again(make_runner, registry):
    workflow_of("double", lambda context: None, id="double")
    runner = make_runner(metrics=registry)
    for _ in range(2):
        runner.start("double", idempotency_key="once").result(SOON)
    assert registry.get_sample_value("cloaca_executions_started_total", {"workflow": "double"}) == 1


def test_what_the_clock_and_triggers_start_is_counted_with_how_late_it_was(
    cloaca_runner, cloaca_clock, registry
):
    workflow_of("report", lambda context: None, id="one")
    cloaca_runner.register_cron_workflow("report", "*/10 * * * *", "UTC")

    @cloaca.trigger(workflow="report", poll_interval="60s")
    def every_minute():
        return True

    cloaca_clock.move(1200)
    value = registry.get_sample_value
    assert value("cloaca_schedule_executions_total", {"by": "clock"}) == 2
    assert value("cloaca_schedule_executions_total", {"by": "trigger"}) == 20
    assert value("cloaca_schedule_lateness_seconds_count") == 2
    assert value("cloaca_schedule_lateness_seconds_sum") == 0
    assert value("cloaca_executions_claimed_total", {"workflow": "report"}) == 22


def test_runners_of_one_process_share_the_metrics_of_a_registry(make_runner, registry):
    workflow_of("double", lambda context: None, id="double")
    for name in ("one", "two"):
        make_runner(f"sqlite:///{name}.db", metrics=registry, max_concurrent_tasks=3).execute("double")
    assert registry.get_sample_value("cloaca_executions_started_total", {"workflow": "double"}) == 2
    assert registry.get_sample_value("cloaca_slots", {"kind": "sync"}) == 6


def test_true_means_the_default_registry(make_runner):
    workflow_of("of-the-default-registry", lambda context: None, id="only")
    make_runner(metrics=True).execute("of-the-default-registry")
    labels = {"workflow": "of-the-default-registry"}
    assert REGISTRY.get_sample_value("cloaca_executions_started_total", labels) == 1
    assert metrics_in(None) is metrics_in(REGISTRY)


def test_the_number_of_series_is_bounded(make_runner, registry, monkeypatch):
    monkeypatch.setattr(series, "MOST_SERIES", 2)
    runner = make_runner(metrics=registry)
    for number in range(4):
        workflow_of(f"w{number}", lambda context: None, id="only")
        runner.execute(f"w{number}")
    value = registry.get_sample_value
    assert value("cloaca_executions_started_total", {"workflow": "w1"}) == 1
    assert value("cloaca_executions_started_total", {"workflow": "w2"}) is None
    assert value("cloaca_executions_started_total", {"workflow": "(other)"}) == 2


@pytest.mark.parametrize(
    ("setting", "module", "extra"),
    [
        ("metrics", "prometheus_client", "pip install 'pycloaca[prometheus]'"),
        ("tracing", "opentelemetry", "pip install 'pycloaca[opentelemetry]'"),
    ],
)
def test_a_missing_extra_is_named(monkeypatch, setting, module, extra):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("prometheus", "opentelemetry"):
        monkeypatch.delitem(sys.modules, f"cloaca.telemetry.{name}", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(cloaca.ConfigurationError) as refused:
        cloaca.DefaultRunner("sqlite:///:memory:", cloaca.DefaultRunnerConfig(**{setting: True}))
    assert f"{setting} needs the module '{module}', which is not installed: {extra}" in str(refused.value)


@pytest.mark.parametrize("setting", ["metrics", "tracing"])
def test_what_is_no_registry_or_provider_is_refused(setting):
    with pytest.raises(cloaca.ConfigurationError, match=f"{setting}=8000 must be True, False or a"):
        cloaca.DefaultRunnerConfig(**{setting: 8000})


def test_a_process_without_telemetry_loads_none_of_it():
    out, _ = run(
        """
import sys
import cloaca
with cloaca.WorkflowBuilder("double"):
    @cloaca.task
    def double(context): ...
with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
    runner.execute("double")
    assert runner._engine.core.observer is None
loaded = ("prometheus_client", "opentelemetry", "cloaca.engine.telemetry", "cloaca.telemetry")
print([name for name in loaded if name in sys.modules])
"""
    )
    assert out == "[]\n"
