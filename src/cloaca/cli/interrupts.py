"""Ctrl-C and SIGTERM: when they take effect, and what a second one does."""

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
    """Delay the ``KeyboardInterrupt`` of a Ctrl-C to the end of the block, so that the result of the block is known."""
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
    """Whether the end was requested by Ctrl-C or SIGTERM. A second signal ends the process at once, as it normally would."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._arrived = threading.Event()

    def listen(self) -> None:
        """Handle both signals from now on, except one that the parent process has set to be ignored."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._arrive)

    def _arrive(self, number: int, _: object) -> None:
        if self._signal is not None:
            end_at_once(128 + number)
        self._signal = number
        self._arrived.set()

    def wait(self, seconds: float) -> bool:
        """Wait at most this long; true once the end was requested."""
        return self._arrived.wait(seconds)

    @property
    def by(self) -> str:
        """The name of the signal that was received."""
        return signal.Signals(self._signal or 0).name


def next_ends_at_once() -> None:
    """Let the next Ctrl-C end the process, whatever it is waiting for."""
    signal.signal(signal.SIGINT, lambda *_: end_at_once())


def end_at_once(code: int = INTERRUPTED) -> NoReturn:
    """Exit without waiting for threads or running ``atexit`` functions of the user's code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, RuntimeError, ValueError):
            stream.flush()
    os._exit(code)
