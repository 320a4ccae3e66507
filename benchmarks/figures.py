"""What is measured and what it may be."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["at most", "at least", "exactly"]
_HOLDS = {"at most": operator.le, "at least": operator.ge, "exactly": operator.eq}
_SIGNS = {"at most": "<=", "at least": ">=", "exactly": "="}


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure may be."""

    kind: Kind
    limit: float

    def holds(self, value: float) -> bool:
        return bool(_HOLDS[self.kind](value, self.limit))


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        value: What is held against the bound: a ratio (unit ``x``), or a quantity.
        ours: What was measured on the library, with its unit, where the value is made from two.
        beside: What was measured beside it, with its unit.
    """

    name: str
    value: float
    unit: str
    bound: Bound
    ours: str = ""
    beside: str = ""

    @property
    def is_ok(self) -> bool:
        return self.bound.holds(self.value)

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row of the table."""
        bound = f"{_SIGNS[self.bound.kind]} {self.bound.limit:g} {self.unit}".rstrip()
        verdict = "ok" if self.is_ok else "BROKEN"
        return self.name, self.ours, self.beside, f"{shown(self.value)} {self.unit}".rstrip(), bound, verdict


HEADINGS = ("figure", "cloaca", "beside", "measured", "bound", "")


def shown(number: float) -> str:
    """Three significant digits, and no exponent."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns stand below each other; names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place in (0, len(row) - 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
