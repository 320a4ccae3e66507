"""Validation of names and texts, and how a refused value is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeGuard

from cloaca.errors import TaskValidationError, WorkflowValidationError
from cloaca.model.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "HIDDEN",
    "MOST_CHARACTERS",
    "UNSTORABLE",
    "checked_name",
    "checked_task_id",
    "checked_text",
    "escaped",
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
"""NUL and lone surrogates, which not every database can store in a text."""

HIDDEN = re.compile(
    "[\0-\x1f\x7f-\x9f\u2028\u2029"  # control characters and line ends
    "\u061c\u200e\u200f\u202a-\u202e"  # they reorder the text around them
    "\u00ad\u200b\u2060-\u206f\ufeff"  # they take no room, or reorder
    "\ud800-\udfff]"  # lone surrogates, which cannot be encoded
)
"""What cannot be seen in a text, or steers whatever shows it."""


def is_str(value: object) -> TypeGuard[str]:
    """Whether its type really is ``str``: ``__class__`` can lie, as that of a mock does."""
    return issubclass(type(value), str)


def hidden_in(text: str) -> str:
    """The first character that is invisible or cannot be stored, or an empty string."""
    found = HIDDEN.search(text)
    return found[0] if found else ""


def escaped(text: str) -> str:
    r"""The text with what cannot be seen, and what a terminal might obey, as escapes.

    >>> print(escaped("one\n\x1b[2Jtwo"))
    one\n\x1b[2Jtwo
    """
    return HIDDEN.sub(lambda found: repr(found[0])[1:-1], text)


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """The first few names of a collection, for a message."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more


def nearest(name: str, known: Iterable[str]) -> str:
    """``"did you mean 'fetch'?"`` if a known name is similar, otherwise an empty string."""
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and only errors need it

    close = get_close_matches(name[:MOST_CHARACTERS], list(known), n=3)
    return f"did you mean {' or '.join(map(shown, close))}?" if close else ""


def task_id_problem(value: object) -> str | None:
    """Why the value is not a valid task id, or None if it is."""
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
        TaskValidationError: It is not a valid task id.
    """
    if problem := task_id_problem(value):
        raise TaskValidationError(f"the id of task {function} is refused, {problem}: give another id=...")
    return str.__str__(value)


def checked_name(value: object, *, what: str = "the workflow's name") -> str:
    """The value as a plain ``str`` that can be stored and displayed.

    Raises:
        WorkflowValidationError: It is not a str, is empty or too long, or contains invisible characters.
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
            f"{what} {shown(value)} contains {hidden!r}, which is invisible or cannot be stored: remove it"
        )
    return value


def checked_text(value: object, *, what: str) -> str:
    """The value as a plain ``str`` that every database can store.

    Raises:
        WorkflowValidationError: It is not a str, or contains NUL or a lone surrogate.
    """
    if not is_str(value):
        raise WorkflowValidationError(f"{what} must be a str, not {shown(value)}")
    value = str.__str__(value)
    if refused := UNSTORABLE.search(value):
        raise WorkflowValidationError(f"{what} holds {refused[0]!r}, which cannot be stored: remove it")
    return value
