"""Parsing the initial context given on the command line: JSON, or ``@FILE`` containing JSON."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from cloaca.authoring.names import HIDDEN
from cloaca.cli.exit_codes import Refused

_EXAMPLE = """--context '{"limit": 10}'"""
_AROUND = 40


def read_context(typed: str) -> dict[str, Any]:
    """The object given with ``--context``.

    Raises:
        Refused: The file cannot be read, or its content is not JSON or not an object.

    Example:
        >>> read_context('{"limit": 10}')
        {'limit': 10}
    """
    if typed.startswith("@"):
        where = f"the file {typed[1:]!r} of --context"
        return _parsed(_text_of(typed[1:]), where=where)
    if any("\udc80" <= character <= "\udcff" for character in typed):
        raise Refused(
            "--context is not UTF-8 text: write it to a file in UTF-8 and name that, --context @FILE"
        )
    return _parsed(typed, where="--context")


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise Refused(f"the file {path!r} of --context is not UTF-8 text: {error}") from error
    except OSError as error:
        raise Refused(
            f"the file {path!r} of --context cannot be read: {error.strerror or error}: check its name"
        ) from error
    except ValueError as error:
        raise Refused(f"--context names no file: {error}") from error


def _parsed(text: str, *, where: str) -> dict[str, Any]:
    if not text.strip():
        raise Refused(f"{where} is empty and must be an object: {_EXAMPLE}")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Refused(
            f"{where} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}\n{_pointed_at(error)}\n"
            f"Write an object in quotes for the shell: {_EXAMPLE}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        kinds = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
        kind = kinds.get(type(value), "a number")
        raise Refused(f"{where} is {kind} and must be an object: {_EXAMPLE}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value of JSON")


def _pointed_at(error: json.JSONDecodeError) -> str:
    """The part of the line where parsing stopped, with a mark below it."""
    column = error.colno - 1
    line = (error.doc.splitlines() or [""])[error.lineno - 1 :]
    begin = max(0, column - _AROUND)
    # Each character keeps its column.
    shown = HIDDEN.sub("\ufffd", (line[0] if line else "")[begin : column + _AROUND].replace("\t", " "))
    return f"  {shown}\n  {' ' * (column - begin)}^"
