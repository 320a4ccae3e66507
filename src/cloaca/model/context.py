"""The context that tasks read from and write to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cloaca.errors import ContextError, UnstorableValueError
from cloaca.model.delta import EMPTY, REMOVE, Delta, Operation, Set, arranged, difference
from cloaca.model.shown import kind_of, shown
from cloaca.model.values import SCALARS, Encoders, decode, encode, joined, stored_form
from cloaca.model.view import View

_UNREAD: Any = object()
_REMOVED: Any = object()


class Context:
    """The data of an execution: str keys with JSON values (str, int, float, bool, None, and lists and dicts of them).

    Each task has a context of its own. ``get`` returns a private copy, the same object each time; a list or dict that is
    changed in place is saved as it is when the body returns. Tuples become lists when they are saved. Values of other types
    are refused, unless the runner's ``encoders`` have a function for the type.

    A context can be read from several threads; reading, changing and writing a value needs a lock of your own.

    Args:
        data: The initial data; it is copied, so later changes to it have no effect.

    Raises:
        TypeError: ``data`` is not a dict, a key is not a str, or a value cannot be stored; the message has its path.

    >>> context = Context({"orders": [1, 2]})
    >>> context.get("orders").append(3)
    >>> context["orders"], context.get("limit", 10)
    ([1, 2, 3], 10)
    """

    __slots__ = ("_encoders", "_values", "_view", "_written")

    # _values holds values that were read or set, as objects, and _REMOVED for removed keys of the view. _written holds
    # the keys that were set, each with its text if that is known and cannot change along with the object.

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        if data is not None and not isinstance(data, Mapping):
            raise TypeError(f"a context is made from a dict, not from {kind_of(data)}")
        texts = {_checked(key): encode(value, key) for key, value in (data or {}).items()}
        self._begin(View.initial(texts), None)

    @classmethod
    def over(cls, view: View, encoders: Encoders | None = None) -> Context:
        """The context of a task that sees ``view``."""
        context = cls.__new__(cls)
        context._begin(view, encoders)  # noqa: SLF001 - a second constructor
        return context

    def _begin(self, view: View, encoders: Encoders | None) -> None:
        self._view = view
        self._encoders = encoders
        self._values: dict[str, Any] = {}
        self._written: dict[str, str | None] = {}

    @staticmethod
    def from_json(json_str: str) -> Context:
        """The context described by a JSON object.

        Raises:
            ValueError: It is not valid JSON, or not an object.
        """
        try:
            data = json.loads(json_str)
            context = Context(data)
        except RecursionError as error:
            raise ValueError("a context cannot be read from JSON nested this deep") from error
        # Not valid JSON, not an object, or a number that JSON does not have, such as NaN.
        except (json.JSONDecodeError, TypeError) as error:
            raise ValueError(f"a context cannot be read from this JSON: {error}") from error
        if data is None:
            raise ValueError("a context is read from a JSON object, not from null")
        return context

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default`` if there is none. A stored ``None`` counts as a value."""
        value = self._values.get(key, _UNREAD)
        if value is _UNREAD:
            text = self._written.get(key) or self._view.get(key)
            if text is None:
                return default
            value = self._values[key] = decode(text)
        return default if value is _REMOVED else value

    def get_required(self, key: str) -> Any:
        """The value of a key.

        Raises:
            ContextError: There is none; the message names the existing keys.
        """
        value = self.get(key, _UNREAD)
        if value is _UNREAD:
            raise ContextError(f"the context has no key {shown(key)}; {self._known_keys()}")
        return value

    def set(self, key: str, value: Any) -> None:
        """Set a key, whether it exists or not.

        Raises:
            TypeError: The value, or something in it, cannot be stored; the message has its path.
        """
        if type(key) is not str:
            key = _checked(key)
        if type(value) in SCALARS:
            self._written[key] = encode(value, key, self._encoders)
        else:
            value = stored_form(value, key, self._encoders)
            self._written[key] = None
        self._values[key] = value

    def insert(self, key: str, value: Any) -> None:
        """Set a key that does not exist yet.

        Raises:
            ValueError: The key already exists.
            TypeError: As for ``set``.
        """
        if key in self:
            raise ValueError(f"the context has the key {shown(key)} already: use set or update to change it")
        self.set(key, value)

    def update(self, key: str, value: Any) -> None:
        """Set a key that exists.

        Raises:
            KeyError: It does not exist.
            TypeError: As for ``set``.
        """
        if key not in self:
            raise KeyError(f"the context has no key {shown(key)} to update; {self._known_keys()}")
        self.set(key, value)

    def remove(self, key: str) -> Any:
        """Remove a key and return its value, or ``None`` if there is none."""
        value = self.get(key)
        if key in self:
            self._forget(key)
        return value

    def delete(self, key: str) -> Any:
        """The same as ``remove``."""
        return self.remove(key)

    def update_from_dict(self, data: Mapping[str, Any]) -> None:
        """Set every key in ``data``; other keys are kept.

        Raises:
            TypeError: ``data`` is not a dict; or as for ``set``, in which case the keys before the refused one are set.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"a context is updated from a dict, not from {kind_of(data)}")
        for key, value in data.items():
            self.set(key, value)

    def to_dict(self) -> dict[str, Any]:
        """All keys and values, as a dict that shares no objects with the context."""
        return {key: decode(text) for key, text in self.texts().items()}

    @property
    def data(self) -> dict[str, Any]:
        """The same as ``to_dict``: changing it does not change the context."""
        return self.to_dict()

    def to_json(self) -> str:
        """All keys and values as one JSON object, ASCII only."""
        return joined(self.texts())

    def keys(self) -> list[str]:
        """All keys: first those that the task was given, then new ones."""
        view, values = self._view, self._values
        found = view.keys()
        new = [key for key in self._written if view.get(key) is None]
        return [key for key in found if values.get(key) is not _REMOVED] + new

    def values(self) -> list[Any]:
        """All values, in the order of ``keys``."""
        return [self.get(key) for key in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """All keys with their values."""
        return [(key, self.get(key)) for key in self.keys()]

    def texts(self) -> dict[str, str]:
        """All keys with their current values as JSON text."""
        return {key: self._text(key) for key in self.keys()}

    def replace(self, other: Context) -> None:
        """Give this context the contents of ``other``; keys that ``other`` lacks are removed."""
        texts = other.texts()
        for key in self.keys():
            if key not in texts:
                self._forget(key)
        for key, text in texts.items():
            if key not in self or self._text(key) != text:
                self._values.pop(key, None)
                self._written[key] = text

    def delta(self) -> Delta:
        """What has changed since the task began.

        Raises:
            TypeError: A list or dict was changed in place so that it cannot be stored any more.
        """
        operations: dict[str, Operation] = {}
        view = self._view
        for key in self._written:
            text = self._text(key)
            operation = difference(view.get(key), text)
            if operation is not None:
                operations[key] = operation
            elif text[0] not in "[{":
                operations[key] = Set(text)  # an explicit set counts, also against a sibling's
        for key, value in self._values.items():
            if key in self._written or type(value) in SCALARS:
                continue
            operation = REMOVE if value is _REMOVED else difference(view.get(key), self._text(key))
            if operation is not None:
                operations[key] = operation
        return Delta(arranged(operations)) if operations else EMPTY

    def _text(self, key: str) -> str:
        value = self._values.get(key, _UNREAD)
        text = self._written.get(key) or self._view.get(key)
        if text is not None and (value is _UNREAD or type(value) in SCALARS):
            return text
        return encode(value, key, self._encoders, seen=text)

    def _forget(self, key: str) -> None:
        self._written.pop(key, None)
        self._values.pop(key, None)
        if self._view.get(key) is not None:
            self._values[key] = _REMOVED

    def _known_keys(self) -> str:
        keys = self.keys()
        if not keys:
            return "it is empty"
        first = ", ".join(map(shown, keys[:20]))
        return f"it has {first}" + (f" and {len(keys) - 20} more" if len(keys) > 20 else "")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            raise AttributeError(
                f"a context has no attribute {shown(name)}: its keys are read by context[{shown(name)}]"
            )

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _UNREAD)
        if value is _UNREAD:
            raise KeyError(f"the context has no key {shown(key)}; {self._known_keys()}")
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(f"the context has no key {shown(key)} to delete; {self._known_keys()}")
        self._forget(key)

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        value = self._values.get(key, _UNREAD)
        if value is _UNREAD:
            return key in self._written or self._view.get(key) is not None
        return value is not _REMOVED

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Context):
            return self.to_dict() == other.to_dict()
        return self.to_dict() == other if isinstance(other, dict) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return Context.from_json, (self.to_json(),)

    def __repr__(self) -> str:
        text = repr(self.to_dict())
        return f"Context({text})" if len(text) <= _SHOWN else f"Context({text[:_SHOWN]}...)"


_SHOWN = 2000


def _checked(key: object) -> str:
    if not issubclass(type(key), str):
        name = type(key).__name__
        message = f"context keys are str: {shown(key)} is of type {name}, convert it"
        raise UnstorableValueError(message, type_name=name)
    return str.__str__(key)
