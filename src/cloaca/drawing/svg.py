"""A figure as SVG, without a browser or any other program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from cloaca.drawing.figure import Figure, Line, Node
from cloaca.drawing.layout import Box, Layout, Point, Size, layout
from cloaca.drawing.style import FONT_SIZES, style_sheet
from cloaca.drawing.texts import columns, one_line

_COLUMN_WIDTH = 0.62
"""The width of a character, in font sizes: common monospaced fonts have 0.55 to 0.61."""

_MARGIN = 24
_LINE_HEIGHT = 1.45
_PADDING_X, _PADDING_Y = 12, 8
_TIP_WIDTH, _TIP_HEIGHT = 4, 7
_LONGEST_HEADING = 100

Step = tuple[Point, Point]


def svg(figure: Figure) -> str:
    """The figure as a complete SVG document: well-formed XML with escaped texts, readable on any background."""
    boxes = figure.boxes()
    made = layout([_size(lines) for lines in boxes], dependencies=figure.dependencies)
    heading = _heading(figure)
    top = _MARGIN + sum(map(_height, heading)) + (12 if heading else 0)
    width = max(made.width, *map(_width, heading)) + 2 * _MARGIN
    left = (width - made.width) // 2
    parts = [
        *_opening(figure, width, top + made.height + _MARGIN),
        *_texts(heading, _MARGIN, _MARGIN, anchor="start"),  # where a frame around a wide drawing starts
        f'<g transform="translate({left} {top})">',
        *_arrows(figure, made),
        *(part for task in zip(figure.nodes, boxes, made.boxes, strict=True) for part in _task(*task)),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _heading(figure: Figure) -> list[Line]:
    lines = [Line("name", one_line(figure.name, most=_LONGEST_HEADING))]
    return [*lines, Line("about", one_line(figure.about, most=_LONGEST_HEADING))] if figure.about else lines


def _opening(figure: Figure, width: int, height: int) -> Iterator[str]:
    title = one_line(f"Workflow {figure.name}", most=_LONGEST_HEADING)
    tasks = f"{len(figure.nodes)} task{'' if len(figure.nodes) == 1 else 's'}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cloaca-graph" role="img" aria-label={quoteattr(title)} '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    )
    yield f"<title>{escape(title)}</title>"
    yield f"<desc>{escape(one_line(f'{tasks}. {figure.about}', most=1000).strip())}</desc>"
    yield f"<style>\n{style_sheet()}\n</style>"
    yield f'<rect class="panel" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>'


# -- texts and boxes ---------------------------------------------------------------------------------------------------


def _width(line: Line) -> int:
    return -int(-columns(line.text) * FONT_SIZES[line.kind] * _COLUMN_WIDTH // 1)


def _height(line: Line) -> int:
    return round(FONT_SIZES[line.kind] * _LINE_HEIGHT)


def _size(lines: Sequence[Line]) -> Size:
    width = max(map(_width, lines)) + 2 * _PADDING_X
    return Size(width + width % 2, sum(map(_height, lines)) + 2 * _PADDING_Y)


def _task(node: Node, lines: Sequence[Line], box: Box) -> Iterator[str]:
    classes = " ".join(["task", *(["ruled"] if node.rule else []), *([node.status] if node.status else [])])
    yield f'<g class="{classes}"><title>{escape(node.tooltip())}</title>'
    yield f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6"/>'
    free = box.height - sum(map(_height, lines))
    yield from _texts(lines, box.x + box.width // 2, box.y + free // 2, anchor="middle")
    yield "</g>"


def _texts(lines: Iterable[Line], x: int, top: int, *, anchor: str) -> Iterator[str]:
    """Lines of text below each other, which start at ``x`` or are centred there."""
    for line in lines:
        baseline = top + round(FONT_SIZES[line.kind] * 1.08)
        yield f'<text class="{line.kind}" x="{x}" y="{baseline}" text-anchor="{anchor}">{escape(line.text)}</text>'
        top += _height(line)


# -- arrows ------------------------------------------------------------------------------------------------------------


def _arrows(figure: Figure, made: Layout) -> Iterator[str]:
    """The plain arrows, the arrows to tasks with their own rule, and the tips of all arrows."""
    ruled = {node for node, task in enumerate(figure.nodes) if task.rule}
    plain = _steps(points for (_, other), points in made.edges.items() if other not in ruled)
    by_rule = _steps(points for (_, other), points in made.edges.items() if other in ruled)
    if plain:
        yield f'<path class="edge" d="{_path(plain)}"/>'
    if dashed := {step: None for step in by_rule if step not in plain}:
        yield f'<path class="edge by-rule" d="{_path(dashed)}"/>'
    if tips := {points[-1]: None for points in made.edges.values()}:
        yield f'<path class="tips" d="{"".join(map(_tip, tips))}"/>'


def _steps(edges: Iterable[Sequence[Point]]) -> dict[Step, None]:
    """The steps of some arrows, each drawn once however many arrows share it."""
    return {step: None for points in edges for step in pairwise(points)}


def _path(steps: Iterable[Step]) -> str:
    parts, at = [], None
    for start, end in steps:
        move = "" if start == at else f"M{start[0]} {start[1]}"
        parts.append(move + _drawn(start, end))
        at = end
    return "".join(parts)


def _drawn(start: Point, end: Point) -> str:
    if start[0] == end[0]:
        return f"V{end[1]}"
    middle = (start[1] + end[1]) // 2
    return f"C{start[0]} {middle} {end[0]} {middle} {end[0]} {end[1]}"


def _tip(end: Point) -> str:
    return f"M{end[0]} {end[1]}l-{_TIP_WIDTH} -{_TIP_HEIGHT}h{2 * _TIP_WIDTH}z"
