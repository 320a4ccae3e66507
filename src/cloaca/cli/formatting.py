"""Formatting values, times and texts on one line, safe to print on a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cloaca.authoring.names import escaped

_MOST = 500


def printable(text: str) -> str:
    """The text on one line, safe to print on a terminal."""
    return escaped(text)


def shortened(text: str, *, most: int = _MOST) -> str:
    """The printable text, cut after a number of characters."""
    return printable(text[:most]) + ("…" if len(text) > most else "")


def value_text(value: Any) -> str:
    """A context value as JSON, cut if it is long."""
    return shortened(json.dumps(value, ensure_ascii=False))


def duration_text(duration: timedelta) -> str:
    """A duration, exact if it is short and readable if it is long.

    >>> duration_text(timedelta(seconds=0.123)), duration_text(timedelta(seconds=75))
    ('0.12 s', '1 min 15 s')
    """
    seconds = max(0.0, duration.total_seconds())
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "task"), counted(2000, "task")
    ('1 task', '2,000 tasks')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def moment_text(moment: datetime | None) -> str:
    """A time in UTC, to the second; empty if there is none."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
