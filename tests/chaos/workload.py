"""The workflows of the runner processes, as data that both they and the checker read."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from tests.crash.shapes import Shape, Step

EXIT_CODE = 42
RELEASE = "CLOACA_CHAOS_RELEASE"
"""Names the file whose existence ends the bodies that wait for it."""

DAG = Shape(
    "dag",
    (
        Step("fetch", seconds=0.002),
        Step("parse", ("fetch",), seconds=0.005),
        Step("clean", ("fetch",), seconds=0.02),
        Step("rates", ("fetch",), seconds=0.01, is_async=True),
        Step("score", ("parse", "clean")),
        Step("flaky", ("clean",), retries=2, fails=1),
        Step("price", ("rates", "parse"), seconds=0.15),
        Step("merge", ("score", "flaky", "price"), seconds=0.005),
        Step("report", ("merge",), is_async=True),
        Step("notify", ("merge", "rates")),
    ),
)
"""Ten tasks: sync and async, short and long enough to be noted as running, one that is retried, with two joins."""

LONG = Shape(
    "long",
    (
        Step("a", seconds=0.5),
        Step("b", ("a",), seconds=3.0),
        Step("c", ("a",), seconds=1.0),
        Step("d", ("b", "c")),
    ),
)
INNOCENT = Shape("innocent", (Step("first"), Step("long", ("first",), seconds=6.0), Step("last", ("long",))))
POISON = Shape(
    "poison",
    (Step("before"), Step("kills", ("before",), at_start=lambda: os._exit(EXIT_CODE), error="CrashLimitError"), Step("after", ("kills",))),
)  # fmt: skip


def wait_for_release() -> None:
    """Wait until the scenario lets all such bodies go on."""
    while not os.path.exists(os.environ[RELEASE]):
        time.sleep(0.02)


HELD = Shape(
    "held", (Step("before"), Step("held", ("before",), at_start=wait_for_release), Step("after", ("held",)))
)
SINGLE = Shape("single", (Step("only"),))
FRAIL = Shape(
    "frail",
    (
        Step("first"),
        Step("slow", ("first",), seconds=0.5),
        Step("bad", ("first",), seconds=0.05, fails=1),
        Step("after", ("bad",), is_async=True),
        Step("last", ("slow", "after")),
    ),
)
"""It fails, until somebody has it tried again."""
MENDED = Shape(FRAIL.name, tuple(replace(step, fails=0) for step in FRAIL.steps))
"""What all its rounds together come to."""

SHAPES = {shape.name: shape for shape in (DAG, LONG, INNOCENT, POISON, HELD, SINGLE, FRAIL)}
