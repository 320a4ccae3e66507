"""The library as a subject of measurement, through its public API."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

import cloaca
from benchmarks.shapes import built
from benchmarks.yardstick import Workflow


class Library:
    """A runner with its defaults on a database."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.runner = cloaca.DefaultRunner(url, cloaca.DefaultRunnerConfig(**settings))
        self._workflows: dict[str, cloaca.Workflow] = {}

    def learn(self, name: str, shape: Workflow) -> None:
        """Know a shape by a name; not a part of what is measured."""
        self._workflows[name] = built(name, shape)

    def run(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """One execution, from its start to its final context."""
        return self.runner.execute(self._workflows[name], data, check=True).final_context.data

    def start(self, name: str, data: dict[str, Any]) -> cloaca.ExecutionHandle:
        """One execution, once it is durable."""
        return self.runner.start(self._workflows[name], data)

    def start_many(self, name: str, inputs: list[dict[str, Any]]) -> list[cloaca.ExecutionHandle]:
        """One execution for each input, in one transaction."""
        return self.runner.start_many(self._workflows[name], inputs)

    def run_many(self, name: str, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One execution for each input, all of them at once, to their final contexts."""
        return [handle.result().final_context.data for handle in self.start_many(name, inputs)]


class LibraryOnFile(Library):
    """A runner on the SQLite file of a folder, which others may share."""

    def __init__(self, folder: str, **settings: Any) -> None:
        self.path = os.path.abspath(os.path.join(folder, "cloaca.db"))
        super().__init__(f"sqlite:///{self.path}", **settings)

    def stored_bytes(self) -> int:
        """How large the database is, with what is still in its log."""
        with closing(sqlite3.connect(self.path)) as db:
            pages, size = (db.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages * size)
