"""The comparison operators of rules, on JSON values; they never raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloaca.errors import TaskValidationError
from cloaca.model.shown import shown


def _equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: ``True`` is not 1, 1 is 1.0, and the order of keys does not matter."""
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if _kind(one) is not _kind(other):
            return False
        if isinstance(one, dict):
            if one.keys() != other.keys():
                return False
            pairs += [(value, other[key]) for key, value in one.items()]
        elif isinstance(one, list):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif one != other:
            return False
    return True


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def _is_ordered(one: Any, other: Any) -> bool:
    return _kind(one) is _kind(other) and _kind(one) in (float, str)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, list):
        return any(_equal(item, value) for item in found)
    return isinstance(value, str) and isinstance(found, (str, dict)) and value in found


Test = Callable[[Any, Any], bool]

OPERATORS: dict[str, tuple[Test, bool]] = {
    "Equals": (_equal, True),
    "NotEquals": (_equal, False),
    "GreaterThan": (lambda found, value: _is_ordered(found, value) and found > value, True),
    "GreaterThanOrEqual": (lambda found, value: _is_ordered(found, value) and found >= value, True),
    "LessThan": (lambda found, value: _is_ordered(found, value) and found < value, True),
    "LessThanOrEqual": (lambda found, value: _is_ordered(found, value) and found <= value, True),
    "Contains": (_contains, True),
    "NotContains": (_contains, False),
}
"""By canonical name: a comparison, and the result for which the condition is true."""

UNARY = ("Exists", "NotExists")
"""Operators without a value to compare with."""

_SYMBOLS = {
    "==": "Equals", "!=": "NotEquals", ">": "GreaterThan", ">=": "GreaterThanOrEqual", "<": "LessThan",
    "<=": "LessThanOrEqual",
}  # fmt: skip


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]


SPELLINGS: dict[str, str] = {
    **_SYMBOLS,
    **{spelling: name for name in (*OPERATORS, *UNARY) for spelling in (name, _snake(name))},
}
"""Every spelling of an operator, with its canonical name."""


def canonical(operator: Any) -> str:
    """The canonical name of an operator in any spelling.

    Raises:
        TaskValidationError: There is no such operator.
    """
    if issubclass(type(operator), str) and (name := SPELLINGS.get(str.__str__(operator))):
        return name
    known = ", ".join((*OPERATORS, *UNARY))
    raise TaskValidationError(
        f"context_value has no operator {shown(operator)}: there are {known}, and {' '.join(_SYMBOLS)}"
    )
