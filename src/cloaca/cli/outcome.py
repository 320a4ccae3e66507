"""How an execution ended, as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from cloaca.cli.failures import failure_lines
from cloaca.cli.formatting import duration_text, printable
from cloaca.insights import ExecutionRecord
from cloaca.model.states import Status

_MOST_CONFLICTS = 5


def print_outcome(record: ExecutionRecord, stream: TextIO, *, next_commands: list[tuple[str, str]]) -> None:
    """Print the status and the context; after a failure, print the failures and what to type next."""
    from cloaca.cli.rich_tables import console_on, context_table  # noqa: PLC0415 - rich, where it is used

    console = console_on(stream)
    stream.write(f"\n{_headline(record)}\n")
    if record.status is not Status.COMPLETED:
        stream.writelines(f"{line}\n" for line in failure_lines(record))
    if data := record.context.data:
        stream.write("\n")
        console.print(context_table(data))
    stream.writelines(f"{line}\n" for line in conflict_lines(record))
    if record.status is not Status.COMPLETED:
        stream.write("\n")
        stream.writelines(f"{why}:\n  {command}\n" for why, command in next_commands)
    stream.flush()


def conflict_lines(record: ExecutionRecord) -> Iterator[str]:
    """Keys that parallel tasks wrote with different values."""
    for conflict in record.conflicts[:_MOST_CONFLICTS]:
        path = printable(".".join(conflict.path))
        yield f"{path}: {conflict.kept} overwrote what {conflict.lost} wrote in parallel"
    if len(record.conflicts) > _MOST_CONFLICTS:
        yield f"and {len(record.conflicts) - _MOST_CONFLICTS:,} more: --json prints all"


def _headline(record: ExecutionRecord) -> str:
    if record.finished_at is None:
        return record.status
    return (
        f"{record.status} in {duration_text(record.finished_at - (record.started_at or record.created_at))}"
    )
