"""Ctrl-C and SIGTERM: when they take effect, and what a second one does."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from cloaca.cli.exit_codes import INTERRUPTED


class Terminated(KeyboardInterrupt):
    """SIGTERM, where a command treats it as Ctrl-C."""


@contextmanager
def heeding_sigterm() -> Iterator[None]:
    """Let SIGTERM interrupt the block: of a process that is only killed nobody knows whether a body crashed it."""

    def interrupt(*_: object) -> None:
        raise Terminated

    with _handling((signal.SIGTERM,), interrupt):
        yield


@contextmanager
def held() -> Iterator[None]:
    """Delay the ``KeyboardInterrupt`` of a Ctrl-C or SIGTERM to the end of the block, so that its result is known."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        if asked:
            end_at_once(128 + number)
        asked.append(number)

    with _handling((signal.SIGINT, signal.SIGTERM), note):
        yield
    if asked:
        raise KeyboardInterrupt if asked[0] == signal.SIGINT else Terminated


@contextmanager
def _handling(numbers: Iterable[int], handler: Callable[[int, object], None]) -> Iterator[None]:
    """Handle signals in the block, but those that are ignored, as a shell has what runs in its background do."""
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


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
    """Let the next Ctrl-C or SIGTERM end the process, whatever it is waiting for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: end_at_once(128 + number))


def end_at_once(code: int = INTERRUPTED) -> NoReturn:
    """Exit without waiting for threads or running ``atexit`` functions of the user's code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, RuntimeError, ValueError):
            stream.flush()
    os._exit(code)
