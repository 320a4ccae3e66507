"""Metrics for Prometheus: counters and histograms of what is committed, gauges of what runs, in a registry."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from cloaca.telemetry.observer import Attempt, Committed, Snapshot
from cloaca.telemetry.series import Counts, Distributions

SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
"""The buckets for the time that bodies run and wait."""

COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
ROWS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
LATE_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 3600)

STARTED = "Executions whose start this process has committed."
CLAIMED = "Executions taken up from the database: from clients, schedules, other runners."
FINISHED = "Executions that have ended while this process held them, by status."
ATTEMPTS = "Attempts that have ended: completed, failed for good, retried (failed, and tried again), skipped."
FIRES = "Executions that schedules and triggers have started here."
RAN = "How long bodies have run."
WAITED = "From when an attempt was ready until it had a slot."
COMMITS = "How long the transactions of turns have taken."
WRITTEN = "How many rows these have written."
LATE = "How long after its instant a schedule has fired, the earliest where several have at once."


class Metrics:
    """Receives the reports of this process's runners.

    They are counted here and not in metrics of ``prometheus_client``, which take a lock for each number of each attempt.
    """

    def __init__(self) -> None:
        self._looks: list[Callable[[], Snapshot]] = []
        self._lock = threading.Lock()
        self._started, self._claimed, self._finished = Counts(), Counts(), Counts()
        self._attempts, self._fires = Counts(), Counts()
        self._ran, self._waited = Distributions(SECONDS), Distributions(SECONDS)
        self._commits, self._rows = Distributions(COMMIT_SECONDS), Distributions(ROWS)
        self._late = Distributions(LATE_SECONDS)

    # -- what is told ----------------------------------------------------------------------------------------------

    def attached(self, look: Callable[[], Snapshot]) -> None:
        """See ``Observer``."""
        self._looks.append(look)

    def detached(self, look: Callable[[], Snapshot]) -> None:
        """See ``Observer``."""
        self._looks.remove(look)

    def origin(self) -> object:
        """Does nothing: metrics do not depend on callers."""
        return None

    def claimed(self, execution_id: str, workflow: str) -> None:  # noqa: ARG002 - ids are no labels
        """See ``Observer``."""
        with self._lock:
            self._claimed.add(workflow)

    def committed(self, turn: Committed) -> None:
        """See ``Observer``."""
        with self._lock:
            self._commits.observe(turn.seconds)
            self._rows.observe(turn.rows)
            for start in turn.started:
                self._started.add(start.workflow)
            for workflow, task, outcome, seconds in turn.settled:
                self._attempts.add(workflow, task, outcome)
                if seconds is not None:
                    self._ran.observe(seconds, workflow, task)
            for ended in turn.ended:
                self._finished.add(ended.workflow, ended.status)

    def left(self, execution_id: str, workflow: str, status: str | None) -> None:  # noqa: ARG002 - ids are no labels
        """See ``Observer``."""
        if status is not None:
            with self._lock:
                self._finished.add(workflow, status)

    def attempt_started(self, attempt: Attempt) -> None:
        """See ``Observer``."""
        waited = attempt.waited_seconds
        if waited is not None:
            with self._lock:
                self._waited.observe(waited)

    def attempt_ended(self, attempt: Attempt, error: str | None) -> None:
        """See ``Observer``: attempts are counted once they are committed."""

    def fired(self, executions: int, late_seconds: float | None) -> None:
        """See ``Observer``."""
        with self._lock:
            self._fires.add("trigger" if late_seconds is None else "clock", number=executions)
            if late_seconds is not None:
                self._late.observe(late_seconds)

    # -- what is shown ---------------------------------------------------------------------------------------------

    def describe(self) -> list[Metric]:
        """The names of the metrics, by which a registry distinguishes collectors."""
        return list(self.collect())

    def collect(self) -> Iterator[Metric]:
        """All metrics; the gauges are read now, over all runners of this process that use this registry."""
        with self._lock:
            kept = [*self._counters(), *self._histograms()]
        yield from kept
        seen = [look() for look in list(self._looks)]
        yield from _gauges(seen)
        yield from _gauges_of_slots(seen)

    def _counters(self) -> Iterator[Metric]:
        for name, text, counts, labels in (
            ("cloaca_executions_started", STARTED, self._started, ("workflow",)),
            ("cloaca_executions_claimed", CLAIMED, self._claimed, ("workflow",)),
            ("cloaca_executions_finished", FINISHED, self._finished, ("workflow", "status")),
            ("cloaca_attempts", ATTEMPTS, self._attempts, ("workflow", "task", "outcome")),
            ("cloaca_schedule_executions", FIRES, self._fires, ("by",)),
        ):
            family = CounterMetricFamily(name, text, labels=labels)
            for values, number in counts.items():
                family.add_metric(values, number)
            yield family

    def _histograms(self) -> Iterator[Metric]:
        for name, text, values, labels in (
            ("cloaca_attempt_duration_seconds", RAN, self._ran, ("workflow", "task")),
            ("cloaca_slot_wait_seconds", WAITED, self._waited, ()),
            ("cloaca_commit_duration_seconds", COMMITS, self._commits, ()),
            ("cloaca_commit_rows", WRITTEN, self._rows, ()),
            ("cloaca_schedule_lateness_seconds", LATE, self._late, ()),
        ):
            family = HistogramMetricFamily(name, text, labels=labels)
            for named, buckets, total in values.items():
                family.add_metric(named, buckets, total)
            yield family


def _gauges(seen: list[Snapshot]) -> Iterator[Metric]:
    held, messages = sum(one.held for one in seen), sum(one.messages for one in seen)
    yield GaugeMetricFamily("cloaca_executions_held", "Executions that this process holds.", held)
    yield GaugeMetricFamily("cloaca_inbox_messages", "Messages that wait for the next turn.", messages)
    backlog = "1 where executions that nobody owns may wait in the database, when last looked at."
    yield GaugeMetricFamily("cloaca_backlog", backlog, any(one.backlog for one in seen))


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


_kept: WeakKeyDictionary[CollectorRegistry, Metrics] = WeakKeyDictionary()
_lock = threading.Lock()


def metrics_in(registry: CollectorRegistry | None) -> Metrics:
    """The metrics of a registry, by default the global one; all runners with the same registry share them."""
    registry = REGISTRY if registry is None else registry
    with _lock:
        found = _kept.get(registry)
        if found is None:
            found = Metrics()
            registry.register(found)
            _kept[registry] = found
        return found
