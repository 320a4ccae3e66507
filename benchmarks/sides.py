"""The library and the yardstick beside it, each in a process of its own, on either kind of database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from benchmarks import yardstick, yardstick_postgres
from benchmarks.library import Library, LibraryOnFile
from benchmarks.places import Place
from benchmarks.servers import database, server
from benchmarks.yardstick import Workflow, Yardstick


class Subject(Protocol):
    """What can be measured: the library, or the yardstick."""

    def learn(self, name: str, shape: Workflow) -> None: ...
    def run(self, name: str, data: dict[str, Any]) -> dict[str, Any]: ...
    def run_many(self, name: str, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]: ...


Sides = AbstractContextManager[tuple[Place[Any], Place[Any]]]
"""The library and the yardstick, in this order."""


@contextmanager
def on_sqlite(folder: str) -> Iterator[tuple[Place[Any], Place[Any]]]:
    """Both with a file of their own."""
    path = os.path.join(folder, "yardstick.db")
    with Place(LibraryOnFile, folder) as ours, Place(Yardstick, path, yardstick.connected) as beside:
        yield ours, beside


@contextmanager
def on_postgres(folder: str) -> Iterator[tuple[Place[Any], Place[Any]]]:
    """Both with a database of their own on the same server."""
    with (
        server(folder) as url,
        database(url) as one,
        database(url) as other,
        Place(Library, one) as ours,
        Place(Yardstick, other, yardstick_postgres.connected) as beside,
    ):
        yield ours, beside
