"""Time and ids, passed in as arguments so that tests can control both."""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Protocol

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOWEST, _HIGHEST = (re.sub("x", digit, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") for digit in "0f")


class Clock(Protocol):
    """The clock that the engine uses."""

    def now(self) -> float:
        """Wall-clock time in seconds since 1970, UTC: stored and shown, but never compared across hosts."""

    def monotonic(self) -> float:
        """Seconds that only increase, for durations and deadlines."""

    def wait(self, event: threading.Event, seconds: float, /) -> object:
        """Return once the event is set, or after this many seconds on this clock."""


class SystemClock:
    """The clock of this machine."""

    __slots__ = ()

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    wait = staticmethod(threading.Event.wait)


def id_bounds(prefix: str) -> tuple[str, str]:
    """The first and last id that begin with a prefix; two empty strings if there can be none."""
    text = prefix.lower()
    first, last = (text + pattern[len(text) :] for pattern in (_LOWEST, _HIGHEST))
    return (first, last) if _ID.fullmatch(first) else ("", "")


def new_id() -> str:
    """A new UUIDv7 (RFC 9562, 5.7) in its usual text form: 48 bits of milliseconds, 74 random bits.

    Later ids usually sort later, which keeps an index on them compact. Nothing may rely on that order.
    """
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
