"""Tables as text: drawn on a terminal, aligned without colour elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from cloaca.cli.formatting import shortened
from cloaca.cli.output import is_live_terminal
from cloaca.drawing.texts import columns

Row = Sequence[str]

_MOST_OF_A_CELL = 60


def print_table(stream: TextIO, header: Row, rows: Sequence[Row], *, wraps: bool = False) -> None:
    """Print rows below their header; a narrow terminal shows fewer columns.

    Args:
        wraps: Whether the last column is the point of the table: on a terminal it may take several lines, and is never left
            out. Otherwise it is cut.
    """
    if is_live_terminal(stream):
        from cloaca.cli.rich_tables import console_on, grid  # noqa: PLC0415 - rich is loaded where it is used

        console = console_on(stream)
        table = grid(header, rows, width=console.width, wraps=wraps)
        if not wraps or len(table.columns) == len(header):
            console.print(table)
            return
    stream.writelines(f"{line}\n" for line in aligned([header, *rows]))


def print_pairs(stream: TextIO, pairs: Sequence[tuple[str, str]]) -> None:
    """Print names with their values, one pair per line."""
    width = max(len(name) for name, _ in pairs)
    stream.writelines(f"{name:<{width}}  {shortened(value)}\n" for name, value in pairs)


def aligned(rows: Sequence[Row]) -> Iterator[str]:
    """Columns as wide as their widest cell, except that the last one is not padded."""
    cells = [
        [*(shortened(cell, most=_MOST_OF_A_CELL) for cell in row[:-1]), shortened(row[-1])] for row in rows
    ]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)][:-1]
    for row in cells:
        start = "".join(
            cell + " " * (width - columns(cell) + 2) for cell, width in zip(row, widths, strict=False)
        )
        yield (start + row[-1]).rstrip()
