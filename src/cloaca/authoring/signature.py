"""The signature of a task's function: the arguments it expects."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from cloaca.authoring.names import shown
from cloaca.errors import TaskValidationError

HANDLES = ("handle", "task_handle")

_OWN = ("self", "cls")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameter(NamedTuple):
    """A keyword-only parameter of a task's function, with its annotation as written, or None."""

    name: str
    annotation: Any
    has_default: bool


class Signature(NamedTuple):
    """The arguments that a task's function expects."""

    takes_handle: bool
    parameters: tuple[Parameter, ...]


def signature_of(function: Callable[..., Any], *, id: str) -> Signature:
    """Read the signature of a function.

    Raises:
        TaskValidationError: The function cannot be called with a context, plus a handle if it declares one.
    """
    parameters = _parameters(function, id)
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    if not positional and not any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        raise TaskValidationError(
            f"task {shown(id)} takes no positional parameter, and the context is passed as one: "
            f"write def {function_name(function)}(context)"
        )
    if positional and positional[0].name in _OWN and inspect.isfunction(function):
        raise TaskValidationError(
            f"task {shown(id)} takes {positional[0].name!r} first, as methods do, and is called with the context alone: "
            f"write it outside the class, or decorate the method of an object, task(job.{function_name(function)})"
        )
    if len(positional) > 1 and positional[0].name in HANDLES:
        raise TaskValidationError(
            f"task {shown(id)} takes {positional[0].name!r} first, and the context comes first: "
            f"write def {function_name(function)}({positional[1].name}, {positional[0].name})"
        )
    takes_handle = len(positional) > 1 and positional[1].name in HANDLES
    for extra in positional[2 if takes_handle else 1 :]:
        if extra.default is inspect.Parameter.empty:
            raise TaskValidationError(
                f"task {shown(id)} takes {extra.name!r}, which nothing would fill: make it keyword-only "
                f"(*, {extra.name}) to have it from the context, give it a default, or call it 'handle'"
            )
    return Signature(takes_handle, tuple(_keyword_only(parameters)))


def _parameters(function: Callable[..., Any], id: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError) as error:
        raise TaskValidationError(
            f"task {shown(id)} does not tell what it is called with, {error}: wrap it, def {id}(context): ..."
        ) from error


def function_name(function: Callable[..., Any]) -> str:
    """The function's name, or that of its type if it has none."""
    return str(getattr(function, "__name__", type(function).__name__))


def _keyword_only(parameters: list[inspect.Parameter]) -> list[Parameter]:
    empty = inspect.Parameter.empty
    return [
        Parameter(p.name, None if p.annotation is empty else p.annotation, p.default is not empty)
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]


def called_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that is finally called, if the callable is an object with ``__call__``."""
    if inspect.isroutine(function) or isinstance(function, functools.partial):
        return function
    called: Callable[..., Any] = type(function).__call__
    return called
