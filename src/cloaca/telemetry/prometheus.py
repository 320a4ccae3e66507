"""Metrics for Prometheus: counters and histograms of what is committed, gauges of what runs, in a registry."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from cloaca.telemetry.observer import Attempt, Committed, Snapshot

MOST_SERIES = 1000
"""Of one metric: what comes beyond them is counted under ``OTHER``."""

OTHER = "(other)"

SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
"""Buckets of what bodies take and wait for."""

COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
ROWS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
LATE_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 3600)


class _Series:
    """The series of one metric by their labels, of which there is a bounded number."""

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self._known: dict[tuple[str, ...], Any] = {}

    def of(self, *labels: str) -> Any:
        """The series of these labels, or the one for all that is too much."""
        found = self._known.get(labels)
        if found is None:
            is_full = len(self._known) >= MOST_SERIES
            found = self._metric.labels(*([OTHER] * len(labels) if is_full else labels))
            if not is_full:
                self._known[labels] = found
        return found


class Metrics:
    """What is told of the runners of this process, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._looks: list[Callable[[], Snapshot]] = []
        workflow, task = ("workflow",), ("workflow", "task")
        self._started = _Series(
            Counter(
                "cloaca_executions_started", "Executions whose start this process has committed.", workflow,
                registry=registry,
            )
        )  # fmt: skip
        self._claimed = _Series(
            Counter(
                "cloaca_executions_claimed",
                "Executions taken up from the database: from clients, schedules, other runners.", workflow,
                registry=registry,
            )
        )  # fmt: skip
        self._finished = _Series(
            Counter(
                "cloaca_executions_finished", "Executions whose end this process has committed, by status.",
                (*workflow, "status"), registry=registry,
            )
        )  # fmt: skip
        self._attempts = _Series(
            Counter(
                "cloaca_attempts",
                "Attempts that have ended: completed, failed for good, retried (failed, and tried again), skipped.",
                (*task, "outcome"), registry=registry,
            )
        )  # fmt: skip
        self._ran = _Series(
            Histogram(
                "cloaca_attempt_duration_seconds", "How long bodies have run.", task, registry=registry,
                buckets=SECONDS,
            )
        )  # fmt: skip
        self._waited = Histogram(
            "cloaca_slot_wait_seconds", "From when an attempt was ready until it had a slot.", registry=registry,
            buckets=SECONDS,
        )  # fmt: skip
        self._commits = Histogram(
            "cloaca_commit_duration_seconds", "How long the transactions of turns have taken.", registry=registry,
            buckets=COMMIT_SECONDS,
        )  # fmt: skip
        self._rows = Histogram(
            "cloaca_commit_rows", "How many rows these have written.", registry=registry, buckets=ROWS
        )
        self._fires = Counter(
            "cloaca_schedule_executions", "Executions that schedules have started here.", registry=registry
        )
        self._late = Histogram(
            "cloaca_schedule_lateness_seconds",
            "How long after its instant a schedule has fired, the earliest where several have at once.",
            registry=registry, buckets=LATE_SECONDS,
        )  # fmt: skip
        registry.register(self)

    # -- what is told ----------------------------------------------------------------------------------------------

    def attached(self, look: Callable[[], Snapshot]) -> None:
        """See ``Observer``."""
        self._looks.append(look)

    def detached(self, look: Callable[[], Snapshot]) -> None:
        """See ``Observer``."""
        self._looks.remove(look)

    def origin(self) -> object:
        """Nothing: metrics know no callers."""
        return None

    def claimed(self, execution_id: str, workflow: str) -> None:  # noqa: ARG002 - ids are no labels
        """See ``Observer``."""
        self._claimed.of(workflow).inc()

    def committed(self, turn: Committed) -> None:
        """See ``Observer``."""
        self._commits.observe(turn.seconds)
        self._rows.observe(turn.rows)
        _count(self._started, Tally((one.workflow,) for one in turn.started))
        _count(self._attempts, Tally((one.workflow, one.task, one.outcome) for one in turn.settled))
        _count(self._finished, Tally((one.workflow, one.status) for one in turn.ended))
        for workflow, task, _, seconds in turn.settled:
            if seconds is not None:
                self._ran.of(workflow, task).observe(seconds)

    def attempt_started(self, attempt: Attempt) -> None:
        """See ``Observer``."""
        if (waited := attempt.waited_seconds) is not None:
            self._waited.observe(waited)

    def attempt_ended(self, attempt: Attempt, error: str | None) -> None:
        """See ``Observer``: it is counted once it is committed."""

    def fired(self, executions: int, late_seconds: float) -> None:
        """See ``Observer``."""
        self._fires.inc(executions)
        self._late.observe(late_seconds)

    # -- what is looked at -----------------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """The gauges, looked at now; over all runners of this process that keep their metrics here."""
        seen = [look() for look in list(self._looks)]
        plain = {
            "cloaca_executions_held": (
                "Executions that this process holds.", sum(one.held for one in seen)
            ),
            "cloaca_inbox_messages": (
                "Messages that wait for the next turn.", sum(one.messages for one in seen)
            ),
            "cloaca_backlog": (
                "1 where executions that nobody owns may wait in the database, when last looked at.",
                any(one.backlog for one in seen),
            ),
        }  # fmt: skip
        for name, (text, value) in plain.items():
            yield GaugeMetricFamily(name, text, value=value)
        yield from _gauges_of_slots(seen)


def _gauges_of_slots(seen: list[Snapshot]) -> Iterator[Metric]:
    slots = GaugeMetricFamily("cloaca_slots", "Bodies that may run at once.", labels=("kind",))
    running = GaugeMetricFamily("cloaca_bodies_running", "Bodies that hold a slot.", labels=("kind",))
    waiting = GaugeMetricFamily("cloaca_attempts_waiting", "Attempts that wait for a slot.", labels=("kind",))
    for kind in ("sync", "async"):
        found = [one.slots[kind] for one in seen if kind in one.slots]
        slots.add_metric([kind], sum(one.capacity for one in found))
        running.add_metric([kind], sum(one.busy for one in found))
        waiting.add_metric([kind], sum(one.waiting for one in found))
    return iter((slots, running, waiting))


def _count(series: _Series, tally: Tally[tuple[str, ...]]) -> None:
    for labels, number in tally.items():
        series.of(*labels).inc(number)


_kept: WeakKeyDictionary[CollectorRegistry, Metrics] = WeakKeyDictionary()
_lock = threading.Lock()


def metrics_in(registry: CollectorRegistry | None) -> Metrics:
    """The metrics of a registry, the default one without any; all runners that name it share them."""
    registry = REGISTRY if registry is None else registry
    with _lock:
        found = _kept.get(registry)
        if found is None:
            found = _kept[registry] = Metrics(registry)
        return found
