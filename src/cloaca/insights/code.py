"""What executions without an owner wait for: code that is missing, a runner with capacity, a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from cloaca.errors import WorkflowError
from cloaca.model.states import Status

if TYPE_CHECKING:
    from cloaca.store.rows import ExecutionRow

CodeOf = Callable[[str], tuple[str, str | None] | None]
"""The structure and version registered here under a workflow name, or ``None``.

The version is ``None`` if executions of any version run here. It may raise ``WorkflowError``.
"""

LimitOf = Callable[[str, str], float | None]
"""The timeout of a task in seconds, or ``None`` if it is not known here."""

FOR_CAPACITY = "a runner with capacity"
"""What an execution waits for if its code is registered here."""

FOR_RESUME = "someone to resume it"
"""What a paused execution waits for."""


class Wanted(NamedTuple):
    """What an execution waits for; ``kind`` is that of a ``Reason``."""

    kind: str
    text: str


def wanted(row: ExecutionRow, code_of: CodeOf | None) -> Wanted:
    """What an execution without an owner waits for."""
    if row.status == Status.PAUSED:
        return Wanted("Paused", FOR_RESUME)
    if code_of is None:
        return Wanted("Runner", f"{FOR_CAPACITY} in a process that has registered workflow {row.workflow!r}")
    try:
        code = code_of(row.workflow)
    except WorkflowError as error:
        text = f"workflow {row.workflow!r} cannot be built here, {error}: fix its constructor and register it again"
        return Wanted("Code", text)
    if code is None:
        return Wanted(
            "Code", f"workflow {row.workflow!r} is not registered in this process: import its module"
        )
    difference = _difference(row, *code)
    return Wanted("Code", difference) if difference else Wanted("Runner", FOR_CAPACITY)


def waiting_for(row: ExecutionRow, code_of: CodeOf | None) -> str | None:
    """What prevents an execution without an owner from continuing."""
    is_open = row.finished_at is None and row.owner is None
    return wanted(row, code_of).text if is_open else None


def _difference(row: ExecutionRow, structure: str, version: str | None) -> str | None:
    """Why an execution cannot run with what is registered, or ``None``; one without a structure can."""
    if row.structure not in ("", structure):
        return (
            f"workflow {row.workflow!r} has different tasks, dependencies or rules here than when it was started: "
            "run it with the code that started it"
        )
    if row.structure and row.version and version not in (None, row.version):
        return (
            f"version {row.version} of workflow {row.workflow!r}; version {version} is registered here: run it "
            "with the code that started it, or with on_version_change='continue'"
        )
    return None
