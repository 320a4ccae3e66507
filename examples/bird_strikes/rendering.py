"""The report as text: Markdown, and a chart as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PAGE = """# Bird strikes, 1998 to 2001

{findings}

Ranges are 95 % intervals.

## Damage by species

| species | strikes | damaging | rate | 95 % interval |
|---|---:|---:|---:|---|
{species}

## Strikes a day by month

![Strikes a day by month](months.svg)

## The data

{rows}

## What to keep in mind

{caveats}
"""


def markdown(context: Mapping[str, Any]) -> str:
    loaded = context["loaded"]
    dropped = [f"{count:,} dropped: {reason}" for reason, count in loaded["dropped"].items()]
    return _PAGE.format(
        findings="\n".join(f"{n}. {text}" for n, text in enumerate(context["findings"], start=1)),
        species="\n".join(_row(row) for row in context["by_species"]),
        rows=_bullets([f"{loaded['read']:,} reports read, {loaded['kept']:,} kept", *dropped]),
        caveats=_bullets(context["caveats"]),
    )


def _row(row: dict[str, Any]) -> str:
    return (
        f"| {row['name']} | {row['strikes']} | {row['damaging']} | {row['value']:.0%} | "
        f"{row['low']:.0%} to {row['high']:.0%} |"
    )


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def ranged(estimate: dict[str, Any], form: str) -> str:
    """``1.9 (1.5 to 2.4)``: the estimate, then its interval."""
    value, low, high = (form.format(estimate[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def bars(months: list[dict[str, Any]]) -> str:
    """A bar for each month, with its interval as a line."""
    scale = 180 / max(month["high"] for month in months)
    marks = "".join(_bar(10 + 50 * i, scale, month) for i, month in enumerate(months))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="610" height="230" font-family="sans-serif" font-size="12">\n'
        f'<rect width="610" height="230" fill="white"/>\n{marks}</svg>\n'
    )


def _bar(x: int, scale: float, month: dict[str, Any]) -> str:
    top, low, high = (200 - scale * month[key] for key in ("value", "low", "high"))
    return (
        f'<rect x="{x}" y="{top:.1f}" width="40" height="{200 - top:.1f}" fill="#7ba7cc"/>'
        f'<path d="M{x + 20} {low:.1f}V{high:.1f}" stroke="#223"/>'
        f'<text x="{x + 20}" y="194" text-anchor="middle">{month["value"]:.1f}</text>'
        f'<text x="{x + 20}" y="216" text-anchor="middle">{month["name"][:3]}</text>\n'
    )
