"""How error messages show a refused value."""

from __future__ import annotations


def shown(value: object, *, most: int = 60) -> str:
    """The value on one line, escaped, even if its ``repr`` raises; texts are cut after ``most`` characters."""
    if issubclass(type(value), str):
        value = str.__str__(value)
    if type(value) is str or type(value) is bytes:
        return _cut(value, most)
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr() raises {type(error).__name__}>"
    if not text.isprintable():
        text = repr(text)[1:-1]
    return text if len(text) <= 2 * most else f"{text[:most]}..."


def kind_of(value: object) -> str:
    """The type of a value with its article, such as ``an int``."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def times_text(number: int) -> str:
    """How often something happened, as shown in sentences."""
    return "once" if number == 1 else f"{number} times"


def _cut(value: str | bytes, most: int) -> str:
    if len(value) <= most:
        return repr(value)
    return f"{value[:most]!r}... ({len(value)} characters)"
