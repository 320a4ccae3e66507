"""Texts of a drawing: replacing unsuitable characters, cutting, and measuring the width."""

from __future__ import annotations

import re
import unicodedata

_UNFIT = re.compile(
    "[\0-\x1f\x7f-\x9f"  # control characters; XML 1.0 has no way to write most of them
    "\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # they end lines, or reorder the text around them
    "\ud800-\udfff\ufffe\uffff]"  # lone surrogates, and what XML 1.0 refuses
)
_READ_AT_MOST = 2000


def one_line(text: str, *, most: int) -> str:
    r"""The text on one line, cut to ``most`` characters by keeping its start.

    >>> one_line("one\n  two\0 three", most=12)
    'one two� th…'
    """
    start = _UNFIT.sub("\ufffd", " ".join(text[: _READ_AT_MOST + most].split()))
    return start if len(start) <= most and len(text) <= _READ_AT_MOST + most else f"{start[: most - 1]}…"


def without_middle(text: str, *, most: int) -> str:
    """The text, cut by keeping its start and end: the names of many tasks differ at the end.

    >>> without_middle("load_customers_of_the_north_2026", most=20)
    'load_custome…th_2026'
    """
    if len(text) <= most:
        return text
    end = (most - 1) * 2 // 5
    return f"{text[: most - 1 - end]}…{text[-end:]}"


def columns(text: str) -> int:
    """How many columns of a monospaced font the text takes."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    # A symbol that a font lacks is taken from another font, whose characters are wider.
    is_wide = unicodedata.east_asian_width(character) in {"W", "F"} or ord(character) >= 0x2000
    return 2 if is_wide else 1
