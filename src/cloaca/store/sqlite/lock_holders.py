"""Who holds which lock of a SQLite database, according to the kernel; empty where the kernel does not tell.

This takes no locks and opens none of the files: closing one would drop the locks that this process has on it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cloaca.store.inspection import Holder
from cloaca.store.processes import named

# The bytes that SQLite locks, https://www.sqlite.org/walformat.html and https://www.sqlite.org/lockingv3.html.
_WAL_WRITE = 120
_WAL_READS = range(123, 128)
_RESERVED = 0x40000001

_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "ceph",
    "gluster",
    "lustre",
    "afs",
    "sshfs",
    "gfs",
    "ocfs",
    "beegfs",
    "drvfs",
)


class Lock(NamedTuple):
    """A lock on a file, by its inode; ``start`` is the first byte."""

    kind: str
    mode: str
    pid: int
    inode: int
    start: int


def holders(path: str) -> list[Holder]:
    """The processes that may write to the database, or block others."""
    found = {
        lock.pid: what
        for lock in _locks()
        for what in [_what(lock, _inodes(path))]
        if what and lock.pid != os.getpid()
    }
    return [
        Holder(named(pid), what, None, f"end its transaction, or the process: kill {pid}")
        for pid, what in found.items()
    ]


def readers(path: str) -> list[str]:
    """The processes in a read transaction."""
    log = _inodes(path).get("-shm")
    pids = {lock.pid for lock in _locks() if lock.inode == log and lock.start in _WAL_READS}
    return [named(pid) for pid in sorted(pids - {os.getpid()})]


def _what(lock: Lock, inodes: dict[str, int]) -> str:
    if lock.mode != "WRITE":
        return ""
    if lock.inode == inodes.get("-locks/gate"):
        return "the gate that writers queue at"
    if lock.inode == inodes.get("-shm") and lock.start == _WAL_WRITE:
        return "the write lock"
    return "the write lock" if lock.inode == inodes.get("") and lock.start >= _RESERVED - 1 else ""


def _inodes(path: str) -> dict[str, int]:
    found = {}
    for ending in ("", "-shm", "-locks/gate"):
        with contextlib.suppress(OSError):
            found[ending] = os.stat(path + ending).st_ino
    return found


def _locks() -> Iterator[Lock]:
    with contextlib.suppress(OSError), open("/proc/locks", encoding="ascii") as file:
        for line in file:
            _, kind, _, mode, pid, place, start, *_ = (*line.split(), "", "", "", "", "", "", "")
            if kind != "->" and start.isdecimal():
                yield Lock(kind, mode, int(pid), int(place.rpartition(":")[2]), int(start))


def network_file_system(path: str) -> str | None:
    """The kind of file system that holds a file, if it is shared between hosts."""
    with (
        contextlib.suppress(OSError),
        open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file,
    ):
        kind = file_system(os.path.realpath(path), file)
        return kind if any(name in kind for name in _NETWORK) else None
    return None


def file_system(path: str, mounts: Iterable[str]) -> str:
    """The kind of the file system that holds a path, given the lines of ``mountinfo``; see proc(5)."""
    best, kind = "", ""
    for line in mounts:
        place, _, source = line.partition(" - ")
        folder = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place.split()[4])
        if len(folder) >= len(best) and f"{path}/".startswith(f"{folder.rstrip('/')}/"):
            best, kind = folder, source.split()[0]
    return kind
