"""A figure for notebooks."""

from __future__ import annotations

from cloaca.drawing.figure import Figure
from cloaca.drawing.svg import svg


def html(figure: Figure) -> str:
    """The drawing in a frame that scrolls if it does not fit."""
    return f'<div style="overflow: auto; max-width: 100%; max-height: 80vh">\n{svg(figure)}</div>\n'
