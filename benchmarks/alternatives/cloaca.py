"""This library."""

from __future__ import annotations

from collections.abc import Callable

import cloaca
from benchmarks.alternatives.bodies import extract, load, transform


class Cloaca:
    """A runner with its defaults on a database: the number is a key of the context."""

    def __init__(self, url: str) -> None:
        self._runner = cloaca.DefaultRunner(url)
        builder = cloaca.WorkflowBuilder("chain")
        for body, before in ((extract, []), (transform, ["extract"]), (load, ["transform"])):
            builder.add_task(cloaca.task(id=body.__name__, dependencies=before)(_in_context(body)))
        self._chain = builder.build()

    def run(self, number: int) -> int:
        """One execution, from its start to its result."""
        return int(self._runner.execute(self._chain, {"number": number}, check=True)["number"])

    def run_many(self, numbers: list[int]) -> list[int]:
        """One execution for each number, all started in one transaction."""
        handles = self._runner.start_many(self._chain, [{"number": number} for number in numbers])
        return [handle.result()["number"] for handle in handles]


def _in_context(body: Callable[[int], int]) -> Callable[..., dict[str, int]]:
    def task(context: cloaca.Context, *, number: int) -> dict[str, int]:  # noqa: ARG001 - the key is all it reads
        return {"number": body(number)}

    return task
