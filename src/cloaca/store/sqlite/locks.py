"""File locks next to a SQLite database: the proof that a runner is alive, and the gate at which writers queue.

They are in a directory of their own, ``app.db-locks``, because closing any descriptor of the database's own files would
drop the locks that SQLite holds on them.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from types import TracebackType

logger = logging.getLogger("cloaca.store")

GATE_POLL_SECONDS = 0.0005

_held: dict[str, LockFile] = {}


def _close_in_child() -> None:
    # If a child kept the descriptor, its parent's runner would look alive to everyone else.
    for lock in list(_held.values()):
        lock.close()
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


class LockFile:
    """A file opened for ``flock``; the kernel drops the lock whenever the process ends."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_lock(self) -> bool:
        """Take the lock if it is free."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Close the file, which drops the lock; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def unlock(self) -> None:
        """Release the lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)


class Gate:
    """A queue for writers of several processes, so that none of them meets a locked database.

    Args:
        timeout: How long to wait for it, in seconds; its holder may be a stopped process.
    """

    __slots__ = ("_lock", "_timeout")

    def __init__(self, lock: LockFile, timeout: float) -> None:
        self._lock = lock
        self._timeout = timeout

    def __enter__(self) -> None:
        if self._lock.try_lock():
            return
        deadline = time.monotonic() + self._timeout
        while not self._lock.try_lock():
            if time.monotonic() >= deadline:
                raise GateTimeout
            time.sleep(GATE_POLL_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.unlock()

    def close(self) -> None:
        """Close its file."""
        self._lock.close()


class GateTimeout(Exception):  # noqa: N818 - the store says what it means
    """Another process has held the gate for too long."""


class RunnerLocks:
    """The locks of one database.

    Raises:
        OSError: The directory cannot be created, or the file system does not support ``flock``.
    """

    def __init__(self, database: str, *, timeout: float) -> None:
        self._folder = f"{database}-locks"
        os.makedirs(self._folder, exist_ok=True)
        lock = LockFile(self._path("gate"))
        # Whether the file system supports flock shows at the first attempt; whose lock it is does not matter here.
        if lock.try_lock():
            lock.unlock()
        self._gate_key = f"gate {id(lock)}"
        _held[self._gate_key] = lock
        self.gate = Gate(lock, timeout)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def hold(self, runner: str) -> LockFile:
        """Prove that this runner is alive, until the process ends or the file is closed."""
        lock = LockFile(self._path(runner))
        lock.try_lock()
        _held[runner] = lock
        return lock

    def drop(self, runner: str) -> None:
        """Stop proving it, and remove the file."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(runner))
        if lock := _held.pop(runner, None):
            lock.close()

    def is_alive(self, runner: str) -> bool:
        """Whether the runner's process still holds its lock."""
        if runner in _held:
            return True
        try:
            lock = LockFile(self._path(runner))
        except OSError:
            logger.exception("the lock of runner %s cannot be checked, assuming that it is alive", runner)
            return True
        try:
            return not lock.try_lock()
        finally:
            lock.close()

    def close(self) -> None:
        """Close the gate."""
        _held.pop(self._gate_key, None)
        self.gate.close()


def open_locks(database: str, *, timeout: float) -> RunnerLocks | None:
    """The locks of a database, or ``None`` if there can be none."""
    try:
        return RunnerLocks(database, timeout=timeout)
    except OSError as error:
        logger.warning(
            "no file locks beside %s (%s): a dead runner is noticed only when its lease ends", database, error
        )
        return None
