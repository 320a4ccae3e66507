"""Encoding one context value as canonical JSON text, and decoding it.

The text is ASCII, without spaces, with dict keys in their own order. A value that is decoded and encoded again therefore
has the same text, and texts can be compared and cut without decoding them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from json import JSONDecoder, JSONEncoder
from json.encoder import encode_basestring_ascii
from math import isfinite
from operator import is_
from typing import Any

from cloaca.errors import UnstorableValueError
from cloaca.model.shown import kind_of, shown

Encoders = Mapping[type, Callable[[Any], Any]]
"""Type to the function that converts a value of that type into something storable."""

MAX_DEPTH = 300
"""How deep lists and dicts may be nested: what one process can store, every other can read."""

SCALARS = frozenset({str, int, float, bool, type(None)})
_CONTAINERS = frozenset({list, dict, tuple})
_PLAIN = SCALARS | _CONTAINERS
_STR_ONLY = frozenset({str})

_Path = tuple[str | int, ...]

quoted: Callable[[str], str] = encode_basestring_ascii
"""A str as JSON text."""

# Cycles and deep nesting end in a RecursionError, so the encoder need not look for them itself.
_encode = JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode
_decode = JSONDecoder().raw_decode


def encode(value: Any, key: str, encoders: Encoders | None = None, *, seen: str | None = None) -> str:
    r"""The JSON text of the value of context key ``key``.

    Storable are str, int, float, bool, None, and lists and dicts of them with str keys; a tuple becomes a list.
    Instances of subclasses, such as members of a ``StrEnum`` or an ``OrderedDict``, are read back as the type they extend,
    and compare equal to it. A value of any other type is passed to ``encoders``, at any depth: the function for the nearest
    base class wins, and its result must itself be storable. ``seen`` is a text that the value may still have; if it does,
    nothing else is checked.

    Raises:
        UnstorableValueError: Something in it cannot be stored; the message has its path.

    >>> encode({"n": [1, None, (2.5, "é")]}, "stats")
    '{"n":[1,null,[2.5,"\\u00e9"]]}'
    """
    kind = type(value)
    if kind is str:
        return quoted(value)
    try:
        text = repr(value) if kind is int else _encode(value)
    except (TypeError, ValueError, RecursionError):
        text = ""
    if text and (kind in SCALARS or text == seen or _is_plain(value, kind)):
        return text
    return _encode(_converted(value, key, encoders))


def stored_form(value: Any, key: str, encoders: Encoders | None = None) -> Any:
    """Check that a list, dict or other object can be stored, and return it with the encoders applied.

    The result is the same object unless an encoder was applied.

    Raises:
        UnstorableValueError: As for ``encode``.
    """
    return value if _is_plain(value, type(value), finite=True) else _converted(value, key, encoders)


def decode(text: str) -> Any:
    """The value written by ``encode``; lists and dicts are new each time.

    >>> decode('[1,null]')
    [1, None]
    """
    return _decode(text)[0]


def items_of(text: str) -> dict[str, str]:
    """The items of a dict's text, each as text.

    >>> items_of('{"a":[1,2],"b":{}}')
    {'a': '[1,2]', 'b': '{}'}
    """
    items: dict[str, str] = {}
    at = 1
    while text[at] != "}":
        key, start, end = item_at(text, at)
        items[key] = text[start:end]
        at = end + (text[end] == ",")
    return items


def item_at(text: str, at: int) -> tuple[str, int, int]:
    """The key that starts at ``at`` in a dict's text, and where its value starts and ends."""
    key, colon = _decode(text, at)
    return key, colon + 1, _decode(text, colon + 1)[1]


def value_at(text: str, at: int) -> tuple[Any, int]:
    """The value that starts at ``at``, and where it ends."""
    return _decode(text, at)


def joined(items: Mapping[str, str]) -> str:
    """The text of a dict, given the texts of its items; the reverse of ``items_of``."""
    return "{" + ",".join([f"{quoted(key)}:{text}" for key, text in items.items()]) + "}"


def same(text: str, other: str) -> bool:
    """Whether two texts have equal values, that is, are the same except for the order of dict keys."""
    if text == other:
        return True
    if len(text) != len(other) or text[0] not in "[{":
        return False
    return _sorted(decode(text)) == _sorted(decode(other))


_sorted = JSONEncoder(sort_keys=True).encode


def _is_plain(value: Any, kind: type, *, finite: bool = False) -> bool:
    """Whether the encoder can be used for a value: only JSON's own types, str keys, no cycles.

    Whether floats are finite is checked on demand, because the encoder checks it too. Each level of nesting is checked as a
    whole, so that the loops run in C, in a fraction of the encoder's own time.
    """
    if kind not in _CONTAINERS:
        return kind in SCALARS
    if kind is dict and not _STR_ONLY.issuperset(map(type, value)):
        return False
    level: Collection[Any] = value.values() if kind is dict else value
    for _ in range(MAX_DEPTH):
        kinds = set(map(type, level))
        if not kinds <= _PLAIN or (finite and float in kinds and not _is_finite(level)):
            return False
        if kinds <= SCALARS:
            return True
        below = _level_below(level, kinds)
        if below is None:
            return False
        level = below
    return False


def _is_finite(values: Iterable[Any]) -> bool:
    return all(map(isfinite, [value for value in values if type(value) is float]))


def _level_below(level: Iterable[Any], kinds: set[type]) -> list[Any] | None:
    """The contents of the lists and dicts of one level; ``None`` if a key is not a str."""
    # Each object once: a cycle then repeats levels, but does not make them wider.
    found = {id(value): value for value in level if type(value) in _CONTAINERS}.values()
    if dict not in kinds:
        return list(chain.from_iterable(found))
    dicts = found if kinds == {dict} else [value for value in found if type(value) is dict]
    if not _STR_ONLY.issuperset(map(type, chain.from_iterable(dicts))):
        return None
    values = list(chain.from_iterable(map(dict.values, dicts)))
    if len(dicts) < len(found):
        values += chain.from_iterable([value for value in found if type(value) is not dict])
    return values


def _converted(value: Any, key: str, encoders: Encoders | None) -> Any:
    try:
        return _Conversion(encoders or {}).storable(value, (key,))
    except UnstorableValueError as error:
        refusal = error.with_traceback(None)  # one frame per level would say no more than the path
    except RecursionError:
        message = "nested deeper than the stack here allows: store it flat, or as one str"
        refusal = _refused((key,), value, message)
    raise refusal


class _Conversion:
    """The slow path through a value: it tracks paths, applies encoders, and reports what is wrong."""

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self._inside: set[int] = set()

    def storable(self, value: Any, path: _Path, *, encoded: bool = False) -> Any:
        for kind in type(value).__mro__:
            if kind in _CONTAINERS:
                return self._container(value, kind, path)
            if kind in SCALARS:
                return _checked(value, kind, path)
            if kind in self._encoders and not encoded:
                return self.storable(self._encoded(kind, value, path), path, encoded=True)
        raise _refused(path, value, _needs_encoder(value))

    def _container(self, value: Any, kind: type, path: _Path) -> Any:
        if id(value) in self._inside:
            raise _refused(path, value, f"{kind_of(value)} contains itself: store what it holds only once")
        if len(path) > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels: store it flat, or as one str"
            raise _refused(path, value, message)
        self._inside.add(id(value))
        result = []
        # A loop and not a comprehension, which would add one frame for each level.
        for step, item in _str_keyed(value, path).items() if kind is dict else enumerate(value):
            result.append(self.storable(item, (*path, step)))
        self._inside.discard(id(value))
        if all(map(is_, result, value.values() if kind is dict else value)):
            return value
        return dict(zip(value, result, strict=True)) if kind is dict else result

    def _encoded(self, kind: type, value: Any, path: _Path) -> Any:
        try:
            return self._encoders[kind](value)
        except Exception as error:
            message = f"the encoder for {kind.__name__} raised {type(error).__name__}: {error}"
            raise _refused(path, value, message) from error


def _str_keyed(value: dict[Any, Any], path: _Path) -> dict[str, Any]:
    for key in value:
        if not issubclass(type(key), str):
            raise _refused(
                path, key, f"its key {shown(key)} is {kind_of(key)}, JSON has only str keys: convert it"
            )
    return value


def _checked(value: Any, kind: type, path: _Path) -> Any:
    if kind is float and not isfinite(value):
        raise _refused(path, value, f"{float(value)} cannot be stored as JSON: store None or a str instead")
    if kind is int:
        _check_digits(value, path)
    return value


def _check_digits(value: int, path: _Path) -> None:
    try:
        int.__repr__(value)
    except ValueError as error:
        message = "an int of so many digits cannot be read back: store it as a str, such as hex(...)"
        raise _refused(path, value, message) from error


def _needs_encoder(value: object) -> str:
    name = type(value).__name__
    return (
        f"{kind_of(value)} cannot be stored as JSON: convert it, or name its type in "
        f"DefaultRunnerConfig(encoders={{{name}: ...}})"
    )


def _refused(path: _Path, value: object, message: str) -> UnstorableValueError:
    steps = "".join(f"[{shown(step)}]" for step in path[1:20]) + ("[...]" if len(path) > 20 else "")
    name = type(value).__name__
    return UnstorableValueError(f"context key {shown(path[0])}{steps}: {message}", path=path, type_name=name)
