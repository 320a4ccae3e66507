"""What telemetry costs: W2 on a runner that has it on beside one that has not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks import shapes
from benchmarks.figures import Bound, Figure, shown
from benchmarks.library import LibraryOnFile
from benchmarks.places import Place, alternate, milliseconds
from benchmarks.sizes import Sizes

INPUT = {"x": 1}
WARM = 50

METRICS = "metrics"
SOME_SPANS = "metrics, spans of 1 in 100"
ALL_SPANS = "metrics, all spans"

BOUNDS = {
    METRICS: Bound("at most", 1.15),
    SOME_SPANS: Bound("at most", 1.15),
    ALL_SPANS: Bound("at most", 2.5),
}
"""The SDK takes as long to record a span as an instant body and its share of a commit take: the last is the worst case."""


class Observed(LibraryOnFile):
    """A runner with its telemetry on, in so far as it is asked for."""

    def __init__(self, folder: str, telemetry: str) -> None:
        super().__init__(folder, **_settings(telemetry))


def telemetry(sizes: Sizes, folder: str) -> list[Figure]:
    """W2 with metrics, and with spans of some or all executions that a batch processor takes and drops."""
    with ExitStack() as places:
        off = places.enter_context(_place(folder, "off", LibraryOnFile))
        on = {name: places.enter_context(_place(folder, name, Observed, name)) for name in BOUNDS}
        for place in (off, *on.values()):
            place.run(_learn)
        return [_figure(name, place, off, sizes) for name, place in on.items()]


def _figure(name: str, on: Place[Any], off: Place[Any], sizes: Sizes) -> Figure:
    run = partial(_run_many, sizes.at_once)
    pairs = alternate(lambda: on.run(run), lambda: off.run(run), rounds=sizes.at_once_rounds)
    ours, beside = pairs.medians
    title = f"W2 {sizes.at_once:,} chains of 3 at once, {name}, beside telemetry off"
    return Figure(title, pairs.ratio, "x", BOUNDS[name], f"{shown(ours)} ms", f"{shown(beside)} ms")


def _place(folder: str, name: str, make: Any, *arguments: Any) -> Place[Any]:
    own = os.path.join(folder, name)
    os.makedirs(own)
    return Place(make, own, *arguments)


# What is called in the other process.


def _settings(telemetry: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"metrics": True}
    if telemetry != METRICS:
        settings["tracing"] = _provider(1 if telemetry == ALL_SPANS else 0.01)
    return settings


def _provider(ratio: float) -> Any:
    # One side has it loaded, and the other has not.
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    class Nowhere(SpanExporter):
        def export(self, spans: Sequence[Any]) -> SpanExportResult:  # noqa: ARG002 - what goes nowhere
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(ratio))
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    return provider


def _learn(library: LibraryOnFile) -> None:
    library.learn("chain", shapes.chain())
    library.run_many("chain", [INPUT] * WARM)


def _run_many(number: int, library: LibraryOnFile) -> float:
    inputs = [INPUT] * number
    return milliseconds(lambda: library.run_many("chain", inputs))
