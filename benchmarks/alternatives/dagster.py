"""Dagster."""

from __future__ import annotations

import logging
import os

from dagster import DagsterInstance, job, op

from benchmarks.alternatives.bodies import extract, load, transform


class Dagster:
    """Dagster with its SQLite databases in a folder; a job runs in the process that asks for it."""

    def __init__(self, folder: str) -> None:
        logging.disable(logging.ERROR)
        os.makedirs(folder)
        self._instance = DagsterInstance.local_temp(folder)
        first, second, third = (op(body) for body in (extract, transform, load))

        def chain(number: int) -> None:
            third(second(first(number)))

        self._chain = job(chain)

    def run(self, number: int) -> int:
        """One run of the job, from its start to the output of its last op."""
        ended = self._chain.execute_in_process(instance=self._instance, input_values={"number": number})
        return int(ended.output_for_node("load"))
