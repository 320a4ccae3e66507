"""PostgreSQL to measure on: the server that ``CLOACA_TEST_POSTGRES`` names, else the tests' own, made as safe as any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server(folder: str) -> Iterator[str]:
    """The URL of the server's maintenance database; one of our own has its data in the folder and ends afterwards."""
    if given := os.environ.get("CLOACA_TEST_POSTGRES"):
        yield given
        return
    # Its server comes in a wheel that only those need who measure PostgreSQL.
    from tests import postgres  # noqa: PLC0415

    own = postgres.Server(Path(folder, "server").absolute(), is_safe=True)
    try:
        own.start()
        yield own.url
    finally:
        own.stop()


@contextmanager
def database(server: str) -> Iterator[str]:
    """The URL of a new database of a server, which is dropped afterwards."""
    from tests import postgres  # noqa: PLC0415 - as above

    url = postgres.new_database(server)
    try:
        yield url
    finally:
        postgres.drop_database(url)
