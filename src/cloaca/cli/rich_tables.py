"""Tables of tasks, contexts and failures, drawn with rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cloaca.cli.formatting import duration_text, printable, shortened, value_text
from cloaca.cli.ids import is_id
from cloaca.cli.progress import duration, foremost, summary
from cloaca.insights import ExecutionRecord, TaskRecord
from cloaca.model.states import TaskStatus

_STYLES = {
    TaskStatus.COMPLETED: "green",
    TaskStatus.FAILED: "bold red",
    TaskStatus.RUNNING: "bold cyan",
    TaskStatus.SKIPPED: "yellow",
}
_STYLES_OF_WORDS = {status.lower(): style for status, style in _STYLES.items()} | {
    "cancelled": "yellow", "paused": "yellow", "ok": "green", "wrong": "bold red", "off": "yellow",
}  # fmt: skip
_LEAST = 12
"""The narrowest useful width of a last column, in characters."""

_MOST_KEYS = 50


def console_on(stream: TextIO) -> Console:
    """A console that prints texts literally."""
    return Console(file=stream, markup=False, emoji=False, highlight=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    # If the width does not suffice, the column that may wrap is narrowed, although its texts do not wrap either.
    table.add_column(columns[-1])
    return table


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int, wraps: bool) -> Table:
    """Rows below a header, with as many columns as fit; ids are never cut.

    Args:
        wraps: Whether the last column takes several lines if it is narrow, or is cut.
    """
    texts = [[shortened(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    shown = _fitting(widths, width)
    table = _table(*texts[0][:shown])
    for column, cells in zip(table.columns, zip(*texts[1:], strict=True), strict=False):
        if all(map(is_id, cells)):
            column.min_width = len(cells[0])
    for row in texts[1:]:
        drawn = [Text(cell, style=_style_of(cell)) for cell in row[:shown]]
        table.add_row(
            *drawn[:-1], drawn[-1] if wraps else _giving_way(row[shown - 1], style=_style_of(row[shown - 1]))
        )
    return table


def _fitting(widths: Sequence[int], width: int) -> int:
    """How many columns fit if the last one may be narrow."""
    shown = len(widths)
    while shown > 2 and sum(widths[: shown - 1]) + 2 * (shown - 1) + min(widths[shown - 1], _LEAST) > width:
        shown -= 1
    return shown


def _style_of(text: str) -> str:
    return _STYLES_OF_WORDS.get(text.lower(), "")


def _giving_way(text: str, *, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def progress_view(record: ExecutionRecord, *, now: datetime, most: int) -> RenderableType:
    """The current state of an execution: a limited number of its tasks, and a summary of all of them."""
    tasks = foremost(record.tasks, most)
    table = _table("task", "state", "attempt", "time", "")
    for task in tasks:
        table.add_row(*_task_cells(task, now))
    parts: list[RenderableType] = [
        Text(f"{shortened(record.workflow_name)}  {record.execution_id}"),
        table,
    ]
    if len(tasks) < len(record.tasks):
        parts.append(Text(f"and {len(record.tasks) - len(tasks):,} more", style="dim"))
    return Group(*parts, _summary_line(record, now))


def _task_cells(task: TaskRecord, now: datetime) -> list[Text]:
    last = task.attempts[-1] if task.attempts else None
    took = duration(last, now if task.status is TaskStatus.RUNNING else None) if last else None
    note = str(task.error) if task.error and task.status is not TaskStatus.COMPLETED else task.reason
    return [
        Text(task.id),
        Text(_state(task.status), style=_STYLES.get(task.status, "dim")),
        Text(str(last.attempt) if last else ""),
        Text(duration_text(took) if took is not None else ""),
        _giving_way(shortened(note or ""), style="dim"),
    ]


def _state(status: TaskStatus) -> str:
    return "waiting" if status is TaskStatus.PENDING else status.lower()


def _summary_line(record: ExecutionRecord, now: datetime) -> RenderableType:
    done = sum(task.status is TaskStatus.COMPLETED for task in record.tasks.values())
    took = (record.finished_at or now) - (record.started_at or record.created_at)
    text = f"{summary(record.tasks)}, {duration_text(took)}"
    if record.waiting_for:
        text += f", waiting: {printable(record.waiting_for)}"
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(ProgressBar(total=len(record.tasks), completed=done, width=20), Text(text))
    return line


def context_table(context: Mapping[str, Any]) -> RenderableType:
    """The keys and values of a context, each on one line."""
    table = _table("key", "value")
    for key, value in list(context.items())[:_MOST_KEYS]:
        table.add_row(Text(shortened(key, most=40)), _giving_way(value_text(value)))
    if len(context) <= _MOST_KEYS:
        return table
    return Group(table, Text(f"and {len(context) - _MOST_KEYS:,} more: --json prints all", style="dim"))
