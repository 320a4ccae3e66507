"""DBOS Transact."""

from __future__ import annotations

from dbos import DBOS

from benchmarks.alternatives.bodies import extract, load, transform


class Dbos:
    """DBOS on a database: three steps of a workflow."""

    def __init__(self, url: str) -> None:
        first, second, third = (DBOS.step()(body) for body in (extract, transform, load))
        self._chain = DBOS.workflow(name="chain")(lambda number: third(second(first(number))))
        DBOS(
            config={
                "name": "benchmark",
                "system_database_url": url,
                "log_level": "ERROR",
            }
        )
        DBOS.launch()

    def run(self, number: int) -> int:
        """One workflow, from its start to its result."""
        return int(self._chain(number))

    def run_many(self, numbers: list[int]) -> list[int]:
        """One workflow for each number, all started before the first is waited for."""
        handles = [DBOS.start_workflow(self._chain, number) for number in numbers]
        return [handle.get_result() for handle in handles]
