"""A PostgreSQL server for one command: ours to restart, stopped at its end, its data kept where something was found."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.postgres import Server

PROVEN = "select pg_sleep(greatest(0, 10.1 - extract(epoch from now() - pg_postmaster_start_time())))"
"""A server that has just been started proves no death."""


class OwnServer(Server):
    """A server that need not survive a loss of power: what is killed here are its clients and itself."""

    keep = False
    """Whether its data are to be kept."""

    def wait_for_proofs(self) -> None:
        """Wait until its locks prove something."""
        with psycopg.connect(self.url) as db:
            db.execute(PROVEN)


@contextmanager
def own_server(prefix: str) -> Iterator[OwnServer]:
    """A server that runs within the block, and is the one that ``new_database`` finds there."""
    folder = tempfile.mkdtemp(prefix=f"cloaca-{prefix}-")
    server = OwnServer(Path(folder))
    os.environ["CLOACA_TEST_POSTGRES_FOLDER"] = folder
    try:
        server.start()
        yield server
    finally:
        server.stop()
        if not server.keep:
            shutil.rmtree(folder, ignore_errors=True)
