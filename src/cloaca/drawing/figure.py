"""The contents of a drawing: a workflow as texts and arrows."""

from __future__ import annotations

from dataclasses import dataclass

from cloaca.drawing.texts import one_line, without_middle

STATUSES = {
    "Completed": "✓",
    "Failed": "✗",
    "Skipped": "↷",
    "Running": "▶",
    "Ready": "○",
    "Pending": "·",
    "Cancelled": "■",
}
"""The statuses that a task can be drawn with, each with a mark, so that colours need not be told apart."""

MOST_WITH_DESCRIPTIONS = 50
_LONGEST_LABEL = 32
_LONGEST_TOOLTIP = 300


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a box; ``kind`` is "id", "about", "rule" or "status"."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Node:
    """A task: its id, description, rule and status; empty if it has none."""

    id: str
    about: str = ""
    rule: str = ""
    status: str = ""

    def lines(self, *, with_about: bool) -> list[Line]:
        """The contents of its box, each line short enough for it."""
        lines = [Line("id", without_middle(self.id, most=_LONGEST_LABEL))]
        if self.about and with_about:
            lines.append(Line("about", one_line(self.about, most=_LONGEST_LABEL + 6)))
        if self.rule:
            lines.append(Line("rule", one_line(f"if {self.rule}", most=_LONGEST_LABEL + 6)))
        if self.status:
            lines.append(Line("status", f"{STATUSES[self.status]} {self.status}"))
        return lines

    def tooltip(self) -> str:
        """All texts, one per line."""
        parts = [
            self.id, self.about, self.rule and f"runs if {self.rule}", self.status,
        ]  # fmt: skip
        return "\n".join(one_line(part, most=_LONGEST_TOOLTIP) for part in parts if part)


@dataclass(frozen=True, slots=True)
class Figure:
    """A workflow: its texts, its tasks, and for each task the numbers of its dependencies."""

    name: str
    about: str
    nodes: tuple[Node, ...]
    dependencies: tuple[tuple[int, ...], ...]

    def boxes(self) -> list[list[Line]]:
        """The lines of each box; workflows with many tasks are drawn without descriptions."""
        with_about = len(self.nodes) <= MOST_WITH_DESCRIPTIONS
        return [node.lines(with_about=with_about) for node in self.nodes]
