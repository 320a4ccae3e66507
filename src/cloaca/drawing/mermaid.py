"""A figure as Mermaid text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloaca.drawing.figure import STATUSES, Figure
from cloaca.drawing.style import colours
from cloaca.drawing.texts import one_line

# Everything else could end the label, or be read as HTML, Markdown or an entity.
_SPECIAL = re.compile(r"[^A-Za-z0-9 _.,:()='\u00a1-\ud7ff\ue000-\U0010ffff-]")


def mermaid(figure: Figure) -> str:
    """The figure as a Mermaid flowchart. Tasks are called ``t0``, ``t1`` and so on, so that no id is a Mermaid keyword."""
    return "\n".join(_lines(figure)) + "\n"


def _lines(figure: Figure) -> Iterator[str]:
    yield "flowchart TD"
    yield f"    accTitle: {_escaped(one_line(f'Workflow {figure.name}', most=100))}"
    if figure.about:
        yield f"    accDescr: {_escaped(one_line(figure.about, most=300))}"
    for number, lines in enumerate(figure.boxes()):
        yield f'    t{number}["{"<br/>".join(_escaped(line.text) for line in lines)}"]'
    for number, dependencies in enumerate(figure.dependencies):
        arrow = "-.->" if figure.nodes[number].rule else "-->"
        for dependency in dependencies:
            yield f"    t{dependency} {arrow} t{number}"
    yield from _statuses(figure)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)


def _statuses(figure: Figure) -> Iterator[str]:
    for status in STATUSES:
        if numbers := [number for number, node in enumerate(figure.nodes) if node.status == status]:
            fill, stroke = colours(status)
            yield f"    classDef {status} fill:{fill},stroke:{stroke},color:#1f2328"
            yield f"    class {','.join(f't{number}' for number in numbers)} {status}"
