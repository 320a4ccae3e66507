"""Bodies that fork: the child process must not act as the runner."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback


def leave_if_forked(process: int, error: BaseException | None) -> None:
    """If this process is a child that a body has forked, and it has returned from the body, exit with its exit status.

    The child has a copy of the runner without its other threads. If it continued, its results would reach nobody, and it
    would wait for its next task for ever.

    Args:
        process: The id of the process in which the body was called.
        error: The exception that the body raised.
    """
    if os.getpid() == process:
        return
    status = 0
    with contextlib.suppress(BaseException):
        match error:
            case None | SystemExit(code=None):
                pass
            case SystemExit(code=int(code)):
                status = code
            case SystemExit():
                status = 1
                sys.stderr.write(f"{error}\n")
            case _:
                status = 1
                traceback.print_exception(error)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status & 0xFF)
