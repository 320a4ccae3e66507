"""Which names and texts are accepted, and how a refused value is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeGuard

from cloaca.errors import TaskValidationError, WorkflowValidationError
from cloaca.model.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MOST_CHARACTERS",
    "UNSTORABLE",
    "checked_name",
    "checked_task_id",
    "checked_text",
    "hidden_in",
    "is_str",
    "listed",
    "nearest",
    "shown",
    "task_id_problem",
]

MOST_CHARACTERS = 255

_TASK_ID = re.compile(r"[A-Za-z0-9_.-]+")
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL and halves of characters: no database, or not each, stores a text with one."""

_HIDDEN = (
    "[\0-\x1f\x7f-\x9f\u2028\u2029"  # control characters and line ends
    "\u061c\u200e\u200f\u202a-\u202e"  # they reorder the text around them
    "\u00ad\u200b\u2060-\u206f\ufeff"  # they take no room, or reorder
    "\ud800-\udfff]"  # halves of a character: no encoding takes them
)


def is_str(value: object) -> TypeGuard[str]:
    """Whether it is one in truth: ``__class__`` says what it likes, as that of a mock does."""
    return issubclass(type(value), str)


def hidden_in(text: str) -> str:
    """The first character that cannot be seen or stored, or an empty text."""
    found = re.search(_HIDDEN, text)
    return found[0] if found else ""


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
    if not is_str(value):
        return f"{shown(value)} is not a str"
    value = str.__str__(value)
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
    if not is_str(value):
        raise WorkflowValidationError(f"{what} must be a str, not {shown(value)}")
    value = str.__str__(value)
    if not value.strip():
        raise WorkflowValidationError(f"{what} cannot be empty, and is {shown(value)}")
    if len(value) > MOST_CHARACTERS:
        raise WorkflowValidationError(
            f"{what} {shown(value)} is longer than {MOST_CHARACTERS} characters: shorten it"
        )
    if hidden := hidden_in(value):
        raise WorkflowValidationError(
            f"{what} {shown(value)} holds {hidden!r}, which nobody can see or which cannot be stored: remove it"
        )
    return value


def checked_text(value: object, *, what: str) -> str:
    """The value as a plain ``str`` that every database can store.

    Raises:
        WorkflowValidationError: It is no text, or holds NUL or half a character.
    """
    if not is_str(value):
        raise WorkflowValidationError(f"{what} must be a str, not {shown(value)}")
    value = str.__str__(value)
    if refused := UNSTORABLE.search(value):
        raise WorkflowValidationError(f"{what} holds {refused[0]!r}, which cannot be stored: remove it")
    return value
