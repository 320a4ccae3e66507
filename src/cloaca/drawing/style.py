"""The colours of a drawing, on light and on dark backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

FONT_SIZES = {"name": 15, "id": 13, "about": 11, "rule": 11, "status": 11}
"""For each kind of text, in pixels."""

_LIGHT = {
    "panel": ("#ffffff", "#d0d7de"),
    "task": ("#f6f8fa", "#6e7781"),
    "Completed": ("#dafbe1", "#1a7f37"),
    "Failed": ("#ffebe9", "#cf222e"),
    "Skipped": ("#eaeef2", "#8c959f"),
    "Running": ("#ddf4ff", "#0969da"),
    "Ready": ("#fff8c5", "#9a6700"),
    "Pending": ("#ffffff", "#8c959f"),
    "Cancelled": ("#fbefff", "#8250df"),
}
"""Fill and stroke."""

_DARK = {
    "panel": ("#0d1117", "#3d444d"),
    "task": ("#161b22", "#8b949e"),
    "Completed": ("#12261e", "#3fb950"),
    "Failed": ("#2d1417", "#f85149"),
    "Skipped": ("#21262d", "#6e7681"),
    "Running": ("#121d2f", "#4493f8"),
    "Ready": ("#272115", "#d29922"),
    "Pending": ("#0d1117", "#6e7681"),
    "Cancelled": ("#231a36", "#a371f7"),
}

_LIGHT_INK = ("#1f2328", "#59636e", "#8250df")
"""The colours of text, of secondary text and arrows, and of rules."""

_DARK_INK = ("#f0f6fc", "#9198a1", "#bc8cff")

_FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_SCOPE = ".cloaca-graph"  # in a notebook, the rules would apply to the whole page


def colours(status: str) -> tuple[str, str]:
    """The fill and stroke of a task with this status, on an unknown background."""
    return _LIGHT[status]


def style_sheet() -> str:
    """The CSS rules of the drawing."""
    sizes = [f"{_SCOPE} .{kind} {{ font-size: {size}px }}" for kind, size in FONT_SIZES.items()]
    fixed = [
        f"{_SCOPE} text {{ font-family: {_FONT} }}",
        f"{_SCOPE} .name {{ font-weight: 600 }}",
        f"{_SCOPE} .edge {{ fill: none; stroke-width: 1.3 }}",
        f"{_SCOPE} .by-rule {{ stroke-dasharray: 5 4 }}",
        f"{_SCOPE} .task.ruled rect {{ stroke-dasharray: 5 3 }}",
    ]
    dark = "\n".join(_coloured(_DARK, _DARK_INK))
    rules = [*sizes, *fixed, *_coloured(_LIGHT, _LIGHT_INK)]
    return "\n".join([*rules, "@media (prefers-color-scheme: dark) {", dark, "}"])


def _coloured(fills: Mapping[str, tuple[str, str]], inks: tuple[str, str, str]) -> Iterator[str]:
    ink, muted, rule = inks
    yield f"{_SCOPE} text {{ fill: {ink} }}"
    yield f"{_SCOPE} .about {{ fill: {muted} }}"
    yield f"{_SCOPE} .rule {{ fill: {rule} }}"
    yield f"{_SCOPE} .edge {{ stroke: {muted} }}"
    yield f"{_SCOPE} .tips {{ fill: {muted} }}"
    for name, (fill, stroke) in fills.items():
        yield f"{_SCOPE} .{name} rect, {_SCOPE} rect.{name} {{ fill: {fill}; stroke: {stroke} }}"
