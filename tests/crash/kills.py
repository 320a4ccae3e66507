"""Ways to kill this process at a counted moment, and to run something in a process that may be killed."""

from __future__ import annotations

import faulthandler
import functools
import logging
import os
import signal
import sqlite3
import traceback
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from cloaca.store.sqlite.store import SqliteStore
from tests.crash.shapes import Recorder

P = ParamSpec("P")
T = TypeVar("T")

HUNG_SECONDS = 30


class Fuse:
    """Kills this process before or after its n-th use, as ``kill -9`` does."""

    def __init__(self, at: int, *, after: bool) -> None:
        self._left = at
        self._after = after

    @property
    def burns(self) -> bool:
        """Whether its last use is under way."""
        return self._left == 0

    def around(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, as a use of this fuse."""

        @functools.wraps(function)
        def counted(*args: P.args, **kwargs: P.kwargs) -> T:
            self._left -= 1
            is_last = self._left == 0
            if is_last and not self._after:
                kill_this_process()
            result = function(*args, **kwargs)
            if is_last:
                kill_this_process()
            return result

        return counted


def kill_this_process() -> None:
    """End at once, with nothing flushed, closed or run."""
    os.kill(os.getpid(), signal.SIGKILL)


Installed = Callable[[Fuse], None]


def at_commits(fuse: Fuse) -> None:
    """Count the store's commits."""
    SqliteStore._commit = fuse.around(SqliteStore._commit)  # type: ignore[method-assign]


def at_all_commits(fuse: Fuse) -> None:
    """Count the commits of every connection that is opened from now on, those of verbs included."""
    commit = fuse.around(sqlite3.Connection.execute)

    class Counted(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            run = commit if sql == "commit" else sqlite3.Connection.execute
            return run(self, sql, *parameters)

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Counted)  # type: ignore[assignment]


def at_statements(fuse: Fuse) -> None:
    """Count every statement of every connection that is opened from now on, those of migrations included."""

    class Counted(sqlite3.Connection):
        execute = fuse.around(sqlite3.Connection.execute)
        executemany = fuse.around(sqlite3.Connection.executemany)

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Counted)  # type: ignore[assignment]


def in_bodies(fuse: Fuse) -> None:
    """Count the starts and ends of bodies."""
    Recorder.write = fuse.around(Recorder.write)  # type: ignore[method-assign]


def in_process(work: Callable[[], Any], log: str) -> int:
    """Run something in a forked process and wait for it; the exit status, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        _become(work, log)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _become(work: Callable[[], Any], log: str) -> None:
    code = 1
    try:
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(file, 1)
        os.dup2(file, 2)
        faulthandler.dump_traceback_later(HUNG_SECONDS, exit=True)
        logging.basicConfig(level=logging.WARNING, force=True)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
