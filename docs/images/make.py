"""Draw the pictures of the documentation: ``python docs/images/make.py [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

STYLE = """
  .panel { fill: #ffffff; stroke: #d0d7de }
  .text, .small, .head { fill: #1f2328; font-family: ui-sans-serif, system-ui, Helvetica, Arial, sans-serif }
  .head { font-size: 15px; font-weight: 600 }
  .text { font-size: 14px }
  .small { font-size: 12px; fill: #59636e }
  .line { stroke: #59636e; stroke-width: 1.5; fill: none }
  .tip { fill: #59636e }
  .done { fill: #dafbe1; stroke: #1a7f37 }
  .cut { fill: #ffebe9; stroke: #cf222e; stroke-dasharray: 5 4 }
  .step { fill: #ddf4ff; stroke: #0969da }
  .commit { fill: #1a7f37 }
  .dead { stroke: #cf222e; stroke-width: 3; fill: none }
  .red { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    .panel { fill: #0d1117; stroke: #3d444d }
    .text, .head { fill: #f0f6fc }
    .small { fill: #9198a1 }
    .line { stroke: #9198a1 }
    .tip { fill: #9198a1 }
    .done { fill: #12261e; stroke: #3fb950 }
    .cut { fill: #25171c; stroke: #f85149 }
    .step { fill: #121d2f; stroke: #4493f8 }
    .commit { fill: #3fb950 }
    .dead { stroke: #f85149 }
    .red { fill: #f85149 }
  }
"""


def picture(width: int, height: int, title: str, parts: list[str]) -> str:
    """A drawing on a panel of its own, so that it can be read on any page."""
    body = "\n".join(f"  {part}" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{title}">\n  <title>{title}</title>\n  <style>{STYLE}  </style>\n'
        f'  <rect class="panel" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>\n{body}\n</svg>\n'
    )


def text(x: float, y: float, words: str, *, kind: str = "text", anchor: str = "middle") -> str:
    """Words around a point."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{words}</text>'


def box(x: float, y: float, width: float, words: str, *, kind: str, height: float = 34) -> list[str]:
    """A rounded box with words in it."""
    return [
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" stroke-width="1.5"/>',
        text(x + width / 2, y + height / 2 + 5, words),
    ]


def arrow(x: float, y: float, to_x: float, to_y: float) -> list[str]:
    """A horizontal or vertical arrow."""
    if y == to_y:
        step = 7 if to_x > x else -7
        tip = f"{to_x:g},{to_y:g} {to_x - step:g},{to_y - 4:g} {to_x - step:g},{to_y + 4:g}"
    else:
        step = 7 if to_y > y else -7
        tip = f"{to_x:g},{to_y:g} {to_x - 4:g},{to_y - step:g} {to_x + 4:g},{to_y - step:g}"
    return [
        f'<path class="line" d="M{x:g} {y:g} L{to_x:g} {to_y:g}"/>',
        f'<polygon class="tip" points="{tip}"/>',
    ]


def committed(x: float, y: float) -> list[str]:
    """The mark of a commit: from a box down into the database."""
    return [
        *arrow(x, y, x, 188),
        f'<circle class="commit" cx="{x:g}" cy="{y + 30:g}" r="5"/>',
        text(x + 10, y + 34, "commit", kind="small", anchor="start"),
    ]


def resume() -> str:
    """Two processes and the file they share: what the second does not do again."""
    parts = [
        text(24, 34, "process 1", kind="head", anchor="start"),
        text(424, 34, "process 2", kind="head", anchor="start"),
    ]
    parts += box(24, 52, 110, "fetch", kind="done")
    parts += arrow(134, 69, 160, 69)
    parts += box(160, 52, 110, "load", kind="cut")
    parts += [
        '<path class="dead" d="M288 50 L308 70 M308 50 L288 70"/>',
        text(298, 92, "kill -9", kind="small red"),
    ]
    parts += committed(79, 86)
    parts += ['<path class="line" stroke-dasharray="3 4" d="M372 24 V168"/>']
    parts += box(560, 52, 110, "load", kind="done")
    parts += committed(615, 86)
    parts += arrow(480, 188, 480, 69)[:1]
    parts += arrow(480, 69, 560, 69)
    parts += [text(472, 132, "what fetch left", kind="small", anchor="end")]
    parts += box(24, 188, 646, "orders.db: a task is in here before the next one starts", kind="step")
    return picture(
        694, 246, "A process is killed in its second task; the next one goes on with that task", parts
    )


def turn() -> str:
    """The loop of the engine."""
    parts: list[str] = []
    steps = (
        ("drain", "events that wait"),
        ("decide", "pure function"),
        ("commit", "one transaction"),
        ("act", "on what was committed"),
    )
    for number, (name, note) in enumerate(steps):
        x = 24 + number * 166
        parts += box(x, 66, 130, name, kind="done" if name == "commit" else "step", height=40)
        parts.append(text(x + 65, 124, note, kind="small"))
        if number:
            parts += arrow(x - 36, 86, x, 86)
    parts += [
        '<path class="line" d="M587 66 V30 H89"/>',
        *arrow(89, 30, 89, 66),
        text(338, 22, "bodies run on threads; their outcomes are the next events", kind="small"),
    ]
    parts += [*arrow(421, 134, 421, 156), *box(356, 156, 130, "SQLite file", kind="step")]
    return picture(676, 214, "One turn: drain, decide, commit, act", parts)


def nightly() -> str:
    """The workflow that docs/drawing.md starts with, as it draws itself."""
    page = Path(__file__).parents[1].joinpath("drawing.md").read_text(encoding="utf-8")
    source = page.partition("```python\n")[2].partition("print(")[0]
    made: dict[str, Any] = {}
    exec(source, made)  # noqa: S102 - a page of this documentation
    drawn: str = made["nightly"].to_svg()
    return drawn


def main() -> None:
    """Write all pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    for name, drawing in (("nightly", nightly()), ("resume", resume()), ("turn", turn())):
        (folder / f"{name}.svg").write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
