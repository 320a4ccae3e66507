"""Prefect."""

from __future__ import annotations

import os

DEFAULTS = {
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}


class Prefect:
    """Prefect with its SQLite database in a folder, and the server that a process starts for itself."""

    def __init__(self, folder: str) -> None:
        os.environ.update(DEFAULTS, PREFECT_HOME=folder)
        # It reads its settings when it is imported.
        from prefect import flow, task  # noqa: PLC0415

        from benchmarks.alternatives.bodies import extract, load, transform  # noqa: PLC0415

        first, second, third = (task(body) for body in (extract, transform, load))

        def chain(number: int) -> int:
            return int(third(second(first(number))))

        self._chain = flow(chain)

    def run(self, number: int) -> int:
        """One flow run, from its start to its result."""
        return int(self._chain(number))
