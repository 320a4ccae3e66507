"""Suggestions for misspelt keyword arguments of public methods, which Python's own message lacks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, TypeVar

from cloaca.authoring.names import nearest, shown

T = TypeVar("T")


def suggests_keywords(cls: type[T]) -> type[T]:
    """Make a class's constructor and public methods suggest the closest keyword for one they do not accept.

    A class can define ``_advice_on_keyword`` to add advice of its own about a keyword.

    Raises:
        TypeError: Raised by these methods for an unknown keyword, as usual.

    Example:
        >>> @suggests_keywords
        ... class Shelf:
        ...     def add(self, *, colour="red"): ...
        >>> Shelf().add(color="blue")
        Traceback (most recent call last):
        TypeError: Shelf.add() takes no 'color': did you mean 'colour'?
    """
    advice = vars(cls).get("_advice_on_keyword", _no_advice)
    for name, member in list(vars(cls).items()):
        if isinstance(member, FunctionType) and (name == "__init__" or not name.startswith("_")):
            setattr(cls, name, _checked(member, advice))
    return cls


def _no_advice(keyword: str) -> str:  # noqa: ARG001 - the signature of all advice
    return ""


def _checked(method: FunctionType, advice: Callable[[str], str]) -> Callable[..., Any]:
    code = method.__code__
    known = dict.fromkeys(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]).keys()

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys() <= known:
            raise _refusal(method.__qualname__, kwargs, known, advice)
        return method(*args, **kwargs)

    @functools.wraps(method)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys() <= known:
            raise _refusal(method.__qualname__, kwargs, known, advice)
        return await method(*args, **kwargs)

    return call_async if inspect.iscoroutinefunction(method) else call


def _refusal(
    name: str, given: Iterable[str], known: Iterable[str], advice: Callable[[str], str]
) -> TypeError:
    unknown = next(keyword for keyword in given if keyword not in known)
    hint = advice(unknown) or nearest(unknown, known) or f"it takes {', '.join(known) or 'none'}"
    return TypeError(f"{name.removesuffix('.__init__')}() takes no {shown(unknown)}: {hint}")
