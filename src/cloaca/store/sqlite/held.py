"""Who holds which lock of a SQLite database, as the kernel tells it; nothing where it does not.

Looking takes no lock and opens none of the files: closing one would drop the locks that this process has on it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from cloaca.store.inspection import Holder

# Bytes of the files by which SQLite locks, https://www.sqlite.org/walformat.html and https://www.sqlite.org/lockingv3.html.
_WAL_WRITE = 120
_WAL_READS = range(123, 128)
_RESERVED = 0x40000001

_NETWORK = ("nfs", "cifs", "smb", "9p", "ceph", "gluster", "lustre", "afs", "sshfs", "gfs", "ocfs", "beegfs", "drvfs")


class Lock(NamedTuple):
    """A lock on a file, by its inode; ``start`` is the first byte."""

    kind: str
    mode: str
    pid: int
    inode: int
    start: int


def holders(path: str) -> list[Holder]:
    """The processes that may write to the database, or keep others from it."""
    found = {
        lock.pid: what
        for lock in _locks()
        for what in [_what(lock, _inodes(path))]
        if what and lock.pid != os.getpid()
    }
    return [Holder(named(pid), what, None, f"end its transaction, or the process: kill {pid}") for pid, what in found.items()]


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
        return "the lock for writing"
    return "the lock for writing" if lock.inode == inodes.get("") and lock.start >= _RESERVED - 1 else ""


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


def named(pid: int) -> str:
    """A process of this host for people."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return f"process {pid} ({file.read().strip()})"
    return f"process {pid}"


def is_stopped(pid: int) -> bool:
    """Whether a process of this host was stopped, and not ended: by SIGSTOP, Ctrl-Z or a debugger."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] in ("T", "t")
    return False


def network_file_system(path: str) -> str | None:
    """The kind of file system that a file lies on, if it is shared between hosts."""
    where = os.path.realpath(path)
    best, kind = "", ""
    with contextlib.suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            place, _, source = line.partition(" - ")
            folder = place.split()[4].encode().decode("unicode_escape")
            if len(folder) >= len(best) and (where + "/").startswith(folder.rstrip("/") + "/"):
                best, kind = folder, source.split()[0]
    return kind if any(name in kind for name in _NETWORK) else None
