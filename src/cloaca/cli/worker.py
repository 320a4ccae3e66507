"""``cloaca worker``: a process that runs what others start."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any

import click

from cloaca.authoring.names import listed
from cloaca.cli.database import check_kept, database_option, without_password
from cloaca.cli.exit_codes import COMPLETED, FAILED
from cloaca.cli.formatting import counted
from cloaca.cli.interrupts import Asked
from cloaca.cli.loading import load_all
from cloaca.cli.metrics import metrics_options, served
from cloaca.cli.targets import targets_argument
from cloaca.runner.config import DefaultRunnerConfig
from cloaca.runner.runner import DefaultRunner

logger = logging.getLogger("cloaca.worker")

LOOK_SECONDS = 0.5
"""How often to see whether the runner still works."""

_EXAMPLE = """\b
Examples:
  cloaca worker shop.flows --db postgresql://shop@db/shop
  cloaca worker orders.py refunds.py --concurrency 16 --metrics-port 9464
"""


@click.command(short_help="Run what other processes start, until SIGTERM.", epilog=_EXAMPLE)
@targets_argument
@database_option
@click.option(
    "--concurrency", metavar="N", type=click.IntRange(min=1), help="How many sync bodies run at once (4)."
)
@click.option(
    "--drain-seconds",
    metavar="N",
    type=click.FloatRange(min=0, max=1e9),
    help="How long bodies may continue after SIGTERM (30).",
)
@click.option(
    "--on-version-change",
    type=click.Choice(["continue", "wait"]),
    help="What to do with executions of another version of a workflow (continue).",
)
@metrics_options
@click.option(
    "--tracing",
    is_flag=True,
    help="Create spans with the global OpenTelemetry tracer provider, which a module configures.",
)
def worker(
    targets: tuple[str, ...], url: str, metrics_port: int | None, metrics_address: str | None, **settings: Any
) -> None:
    """Run the executions of the workflows that each FILE_OR_MODULE registers, until SIGTERM or Ctrl-C.

    It logs when it is ready. After a signal it starts nothing more, lets running bodies finish, and hands the rest over to
    other workers; a second signal stops it immediately, which loses no committed work.

    Exit codes: 0 ended by a signal, 1 the engine stopped on an error, 2 wrong usage or a database that cannot be used, 143 or
    130 stopped by a second SIGTERM or Ctrl-C.
    """
    check_kept(url, why="no other process could start anything in it: name a file or a server")
    _log_to_stderr()
    asked = Asked()
    asked.listen()
    names = load_all(targets)
    config = _config(metrics=metrics_port is not None, **settings)
    with served(metrics_address, metrics_port):
        runner = DefaultRunner(url, config)
        logger.info(
            "ready: process %d runs %s of %s, %s at once", os.getpid(), listed(names, most=20), without_password(url),
            counted(config.max_concurrent_tasks, "task"),
        )  # fmt: skip
        works = _work(runner, asked, drain_seconds=config.shutdown_timeout_seconds)
    click.get_current_context().exit(COMPLETED if works else FAILED)


def _config(
    *,
    concurrency: int | None,
    drain_seconds: float | None,
    on_version_change: str | None,
    metrics: bool,
    tracing: bool,
) -> DefaultRunnerConfig:
    given = {
        "max_concurrent_tasks": concurrency,
        "shutdown_timeout_seconds": drain_seconds,
        "on_version_change": on_version_change,
        "metrics": metrics,
        "tracing": tracing,
    }
    return DefaultRunnerConfig(**{name: value for name, value in given.items() if value is not None})


def _work(runner: DefaultRunner, asked: Asked, *, drain_seconds: float) -> bool:
    """Wait until it is asked to end, and drain; false where the runner has ended before."""
    while not asked.wait(LOOK_SECONDS):
        if not runner.is_running:
            logger.error("the runner has stopped on its own, see above: this worker exits, start another one")
            return False
    logger.info(
        "%s: draining for at most %g s; a second signal stops it immediately", asked.by, drain_seconds
    )
    began = time.monotonic()
    runner.shutdown()
    logger.info("drained in %.1f s: unfinished executions were handed over", time.monotonic() - began)
    return True


def _log_to_stderr() -> None:
    """Unless the user's code says otherwise later."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
