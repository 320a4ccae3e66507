"""Processes of this host, as its kernel describes them."""

from __future__ import annotations

import contextlib


def named(pid: int) -> str:
    """A description of a process of this host."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return f"process {pid} ({file.read().strip()})"
    return f"process {pid}"


def is_stopped(pid: int) -> bool:
    """Whether a process of this host is stopped: by SIGSTOP, Ctrl-Z or a debugger."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] in ("T", "t")
    return False
