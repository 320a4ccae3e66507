"""Ctrl-C and SIGTERM: when they may strike, and what a second one does."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from cloaca.cli.exit_codes import INTERRUPTED


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


class Asked:
    """Whether somebody has asked for the end, by Ctrl-C or SIGTERM. A second signal ends at once, as the signal would."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._arrived = threading.Event()

    def listen(self) -> None:
        """Take both signals from now on; one that whoever started this ignores stays ignored."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._arrive)

    def _arrive(self, number: int, _: object) -> None:
        if self._signal is not None:
            end_at_once(128 + number)
        self._signal = number
        self._arrived.set()

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; true once somebody has asked."""
        return self._arrived.wait(seconds)

    @property
    def by(self) -> str:
        """The name of the signal that asked."""
        return signal.Signals(self._signal or 0).name


def next_ends_at_once() -> None:
    """Let the next Ctrl-C end the process, whatever it waits for."""
    signal.signal(signal.SIGINT, lambda *_: end_at_once())


def end_at_once(code: int = INTERRUPTED) -> NoReturn:
    """End, waiting for no thread and no ``atexit`` function of the user's code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, RuntimeError, ValueError):
            stream.flush()
    os._exit(code)
