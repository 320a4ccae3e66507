"""Ctrl-C: when it may strike, and what a second one does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from cloaca.cli.exits import INTERRUPTED


@contextmanager
def held() -> Iterator[None]:
    """Raise the ``KeyboardInterrupt`` of a Ctrl-C at the end of the block, so that its result is known."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # as a shell leaves it to what runs in its background
        yield
        return
    asked: list[bool] = []

    def note(*_: object) -> None:
        if asked:
            end_at_once()
        asked.append(True)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def next_ends_at_once() -> None:
    """Let the next Ctrl-C end the process, whatever it waits for."""
    signal.signal(signal.SIGINT, lambda *_: end_at_once())


def end_at_once() -> NoReturn:
    """End as interrupted, waiting for no thread and no ``atexit`` function of the user's code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, RuntimeError, ValueError):
            stream.flush()
    os._exit(INTERRUPTED)
