"""A process that owns nothing and steers: ``python -m tests.chaos.steerer ORDERS`` works until its standard input ends.

What it asks for is written down before, with the moment that is stored of it, and what it was told is written down after.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import click

import cloaca
from cloaca.cli import database
from cloaca.cli.main import cloaca as command
from tests.chaos.member import DIE_WITH_PARENT
from tests.chaos.verbs import Verb, verbs_of
from tests.crash.journal import Journal

MEANT = {
    "cancel": ("Running", "Pending", "Paused"),
    "pause": ("Running", "Pending"),
    "resume": ("Paused",),
    "retry": ("Cancelled", "Failed"),
    "fork": ("Running", "Cancelled", "Failed", "Completed", "Paused"),
}
"""The states in which a verb does something."""

LOOKED_AT = 20
"""One of so many, the newest of a state, is steered."""


class SteeringOrders(NamedTuple):
    """What a process is to try, and how many of the newest executions it keeps when it prunes."""

    url: str
    folder: str
    seed: int
    seconds: float
    began: float
    keep: int


class DatedClient(cloaca.Client):
    """A client that knows beforehand which moment is stored of a verb; for one thread."""

    asked_at = 0.0

    def _now(self) -> float:
        return DatedClient.asked_at


def steer(journal: Journal, verb: str, execution: str, work: Callable[[], object], *, task: str = "") -> None:
    """Do it, and write down what is asked and what comes of it."""
    DatedClient.asked_at = asked_at = time.time()
    journal.write("asks", execution, key=verb, began=asked_at, task=task)
    outcome = _outcome(journal, work)
    journal.write("told", execution, key=verb, began=asked_at, task=task, status=outcome)


def _outcome(journal: Journal, work: Callable[[], object]) -> str:
    try:
        made = work()
    except click.ClickException as error:
        if not isinstance(error.__cause__, cloaca.CloacaException):
            raise
        return refused(error.__cause__)
    except cloaca.CloacaException as error:
        return refused(error)
    if isinstance(made, cloaca.ExecutionHandle):
        journal.write("forked", made.execution_id)
    return "done"


def refused(error: cloaca.CloacaException) -> str:
    """What somebody is told whose verb did nothing."""
    match error:
        case cloaca.ExecutionStateError():
            return f"refused: {error.status}"
        case cloaca.ExecutionNotFoundError():
            return "gone"
        case cloaca.CommitUnknownError():
            return ""
        case cloaca.DatabaseError():
            logging.getLogger("chaos").info("not stored", exc_info=error)
            return "not stored"
        case _:
            raise error


class Plan:
    """Follows the plan of a seed, from where an earlier process was killed on."""

    def __init__(self, orders: SteeringOrders, client: cloaca.Client) -> None:
        self._orders = orders
        self._client = client
        self._journal = Journal(os.path.join(orders.folder, "journal"))
        self._done = Journal(os.path.join(orders.folder, f"tried-{orders.seed}"))

    def follow(self, over: threading.Event) -> None:
        """Try one verb after another, each at its time or as soon after it as can be."""
        first = len(self._done.read())
        for verb in verbs_of(self._orders.seed, seconds=self._orders.seconds)[first:]:
            if over.wait(max(0.0, self._orders.began + verb.at - time.time())):
                return
            self._done.write("tries", "", key=verb.name)
            self._try(verb)

    def _try(self, verb: Verb) -> None:
        if verb.name == "prune":
            keep = self._orders.keep
            self._do(verb, "", lambda: self._client.prune(keep=keep), ["--keep", str(keep)])
            return
        try:
            execution, task = self._target(verb)
        except cloaca.CloacaException:
            # The server is away, or what was found is not there any more.
            logging.getLogger("chaos").info("nothing to steer", exc_info=True)
            return
        if not execution:
            return
        if verb.name == "fork":
            self._do(
                verb, execution, lambda: self._client.fork(execution, task), [execution, task], task=task
            )
        else:
            work = getattr(self._client, verb.name)
            self._do(verb, execution, lambda: work(execution), [execution])

    def _do(
        self, verb: Verb, execution: str, work: Callable[[], object], words: list[str], *, task: str = ""
    ) -> None:
        if verb.lives is not None:
            threading.Timer(verb.lives, os.kill, (os.getpid(), signal.SIGKILL)).start()
        if verb.by_command:
            yes = ["--yes"] if verb.name in ("delete", "prune") else []
            arguments = [verb.name, *words, *yes, "--db", self._orders.url]
            steer(self._journal, verb.name, execution, lambda: _run_command(arguments), task=task)
        else:
            steer(self._journal, verb.name, execution, work, task=task)

    def _target(self, verb: Verb) -> tuple[str, str]:
        """An execution, and a task of it where it is to be forked; empty where there is none."""
        found = self._candidates(verb)
        if not found:
            return "", ""
        execution = found[int(verb.choice * len(found))]
        if verb.name != "fork":
            return execution, ""
        tasks = sorted(self._client.get_execution(execution).tasks)
        return execution, random.Random(verb.choice).choice(tasks) if tasks else "fetch"

    def _candidates(self, verb: Verb) -> list[str]:
        if verb.name == "delete":
            # What has a key is started again by whoever was killed before it could note that it had been.
            found = self._client.list_executions(limit=50 * LOOKED_AT)
            return [one.execution_id for one in found if one.forked_from]
        statuses = MEANT[verb.name] if verb.is_meant else (None,)
        return [
            one.execution_id
            for status in statuses
            for one in self._client.list_executions(status=status, limit=LOOKED_AT)
        ]


def _run_command(arguments: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        command.main(arguments, standalone_mode=False)


def _wait_for_the_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def main(orders: SteeringOrders) -> None:
    # Also while it is stopped: whoever has started it may be killed.
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {os.getpid()} %(name)s %(message)s")
    # Where the commands take theirs from.
    database.__dict__["Client"] = DatedClient
    over = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(over,), daemon=True).start()
    with DatedClient(orders.url) as client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        Plan(orders, client).follow(over)
        over.wait()


if __name__ == "__main__":
    main(SteeringOrders(*json.loads(sys.argv[1])))
