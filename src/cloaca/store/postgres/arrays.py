"""Rows as PostgreSQL accepts them in bulk: an array for each column, written as text.

The driver would adapt each value of a list separately, which costs several times as much as the rest of a turn. It would
also prepare one statement for each combination of types, and small numbers and empty columns change the types.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def columns(rows: Iterable[Sequence[Any]]) -> list[str]:
    """The columns of rows of the same length."""
    return [array(column) for column in zip(*rows, strict=True)]


def array(values: Iterable[Any]) -> str:
    """An array of texts, numbers or booleans, some of which may be missing; a cast in the statement gives the type.

    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """
    values = tuple(values)
    is_text = any(issubclass(kind, str) for kind in set(map(type, values)))
    written = (
        [("NULL" if value is None else _quoted(value)) for value in values] if is_text else _plain(values)
    )
    return f"{{{','.join(written)}}}"


def _quoted(text: str) -> str:
    if '"' in text or "\\" in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _plain(values: Iterable[Any]) -> list[str]:
    return ["NULL" if value is None else repr(value) for value in values]
