"""Which names and texts are accepted, and how a refused value is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloaca.errors import TaskValidationError, WorkflowValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CHARACTERS = 255
_SHOWN = 60

_TASK_ID = re.compile(r"[A-Za-z0-9_.-]+")
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL and halves of characters: no database, or not each, stores a text with one."""

_HIDDEN = (
    "[\0-\x1f\x7f-\x9f\u2028\u2029"  # control characters and line ends
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they reorder the text around them
    "\ud800-\udfff]"  # halves of a character: no encoding takes them
)


def shown(value: object) -> str:
    """The value as a message shows it: on one line, escaped, never long."""
    if isinstance(value, (str, bytes)) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]!r}... ({len(value)} characters)"
    text = repr(value)
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}..."


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """The first names of a collection, for a message."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more


def nearest(name: str, known: Iterable[str]) -> str:
    """``"did you mean 'fetch'?"`` where a known name is close, else an empty text."""
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and only errors need it

    close = get_close_matches(name[:MOST_CHARACTERS], list(known), n=3)
    return f"did you mean {' or '.join(map(shown, close))}?" if close else ""


def task_id_problem(value: object) -> str | None:
    """Why the value cannot be a task id, or None where it can."""
    if not isinstance(value, str):
        return f"{shown(value)} is not a str"
    if not value:
        return "it is empty"
    if len(value) > MOST_CHARACTERS:
        return f"{shown(value)} is longer than {MOST_CHARACTERS} characters"
    if not _TASK_ID.fullmatch(value):
        return f"{shown(value)} holds more than letters a-z, A-Z, digits, '_', '.' and '-'"
    return f"{shown(value)} is a directory, not a name" if value in {".", ".."} else None


def checked_task_id(value: object, *, function: str) -> str:
    """The value as a plain ``str``.

    Raises:
        TaskValidationError: It cannot be a task id.
    """
    if problem := task_id_problem(value):
        raise TaskValidationError(f"the id of task {function} is refused, {problem}: give another id=...")
    return str.__str__(value)


def checked_name(value: object, *, what: str = "the workflow's name") -> str:
    """The value as a plain ``str``, fit to be stored and shown.

    Raises:
        WorkflowValidationError: It is no text, empty, too long, or holds characters that cannot be seen.
    """
    if not isinstance(value, str):
        raise WorkflowValidationError(f"{what} must be a str, not {shown(value)}")
    if not value.strip():
        raise WorkflowValidationError(f"{what} cannot be empty, and is {shown(value)}")
    if len(value) > MOST_CHARACTERS:
        raise WorkflowValidationError(
            f"{what} {shown(value)} is longer than {MOST_CHARACTERS} characters: shorten it"
        )
    if hidden := re.search(_HIDDEN, value):
        raise WorkflowValidationError(
            f"{what} {shown(value)} holds {hidden[0]!r}, which nobody can see or which cannot be stored: remove it"
        )
    return str.__str__(value)


def checked_text(value: object, *, what: str) -> str:
    """The value as a plain ``str`` that every database can store.

    Raises:
        WorkflowValidationError: It is no text, or holds NUL or half a character.
    """
    if not isinstance(value, str):
        raise WorkflowValidationError(f"{what} must be a str, not {shown(value)}")
    if refused := UNSTORABLE.search(value):
        raise WorkflowValidationError(f"{what} holds {refused[0]!r}, which cannot be stored: remove it")
    return str.__str__(value)
