"""Execution ids as typed by users: complete, or a prefix."""

from __future__ import annotations

from cloaca.authoring.names import shown
from cloaca.cli.exit_codes import Refused
from cloaca.clock import id_bounds
from cloaca.runner.executions import Executions

FEWEST = 8
"""The shortest prefix that is accepted: the ids of executions started within a minute hardly differ in shorter ones."""

_WHOLE = len("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
_MOST_NAMED = 5


def is_id(text: str) -> bool:
    """Whether it looks like a complete id."""
    return len(text) == _WHOLE and id_bounds(text) == (text, text)


def resolved(executions: Executions, typed: str) -> str:
    """The complete id of the execution that is meant.

    Raises:
        Refused: The prefix is too short, or several ids begin with it.
        ExecutionNotFoundError: No id begins with it.
    """
    typed = typed.strip()
    if len(typed) >= _WHOLE:
        return executions.get_handle(typed.lower()).execution_id
    if len(typed) < FEWEST:
        raise Refused(f"ID {shown(typed)} is too short: type at least {FEWEST} characters of it")
    found = executions.find_ids(typed, limit=_MOST_NAMED + 1)
    if not found:
        return executions.get_handle(typed).execution_id
    if len(found) > 1:
        more = " and more" if len(found) > _MOST_NAMED else ""
        raise Refused(
            f"ID {shown(typed)} begins several: type more of one of {', '.join(found[:_MOST_NAMED])}{more}"
        )
    return found[0]
