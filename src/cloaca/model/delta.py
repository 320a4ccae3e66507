"""What a task changed: one operation per key, kept as JSON text.

A delta is exact: applied to what the task saw, it gives what the task left, byte for byte. It says more than the
difference between two states, because it distinguishes an append from an overwrite; so a join can replay the changes of
parallel tasks one after the other (`cloaca.model.merge`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cloaca.model.values import item_at, items_of, quoted, value_at

MAX_NESTING = 100
"""How deep changes are distinguished; dicts below that are replaced as a whole."""


@dataclass(slots=True)
class Set:
    """Set the key to this value."""

    text: str


@dataclass(slots=True)
class Add:
    """The task created the key. Applied to an absent key this is ``Set``; two lists or two dicts are combined."""

    text: str


@dataclass(slots=True)
class Extend:
    """Append these items, given as the text of a list."""

    text: str


@dataclass(slots=True)
class Nested:
    """Change items of the dict."""

    operations: dict[str, Operation]


@dataclass(slots=True)
class Remove:
    """Remove the key."""


Operation = Set | Add | Extend | Nested | Remove

REMOVE = Remove()


class Delta:
    """The operations of one task, by key.

    ``text`` is what is stored: an object with the members ``add``, ``set``, ``extend`` (key to value), ``nested`` (key to
    another such object) and ``remove`` (keys). Empty members are left out.

    >>> Delta({"raw": Set("1"), "log": Extend('["x"]'), "old": REMOVE}).text
    '{"set":{"raw":1},"extend":{"log":["x"]},"remove":["old"]}'
    """

    __slots__ = ("_text", "operations")

    def __init__(self, operations: dict[str, Operation], text: str | None = None) -> None:
        self.operations = operations
        self._text = text

    @property
    def text(self) -> str:
        """The JSON text, assembled from the texts of the values, which are not encoded again."""
        if self._text is None:
            self._text = _text(self.operations)
        return self._text

    @classmethod
    def from_text(cls, text: str) -> Delta:
        """The delta with this ``text``."""
        return cls(_read(text, 0)[0], text)

    def __bool__(self) -> bool:
        return bool(self.operations)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Delta) and self.operations == other.operations

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Delta({self.text})"


EMPTY = Delta({}, "{}")


def difference(seen: str | None, left: str, depth: int = 1) -> Operation | None:
    """The operation that turns what a task saw into ``left``, or ``None`` if nothing changed.

    >>> difference('["a"]', '["a","b"]')
    Extend(text='["b"]')
    """
    if seen is None:
        return Add(left)
    if seen == left:
        return None
    if left[0] == "[" == seen[0]:
        return _list_difference(seen, left)
    if left[0] == "{" == seen[0] and depth < MAX_NESTING:
        return _dict_difference(seen, left, depth)
    return Set(left)


def _list_difference(seen: str, left: str) -> Operation:
    if seen == "[]":
        return Extend(left)
    # In canonical text, a comma after the same beginning can only start the next item.
    end = len(seen) - 1
    if left[end : end + 1] == "," and left.startswith(seen[:-1]):
        return Extend("[" + left[end + 1 :])
    return Set(left)


def _dict_difference(seen: str, left: str, depth: int) -> Operation:
    before, after = items_of(seen), items_of(left)
    kept = [key for key in before if key in after]
    new = [key for key in after if key not in before]
    if [*kept, *new] != list(after):
        return Set(left)  # the order of keys is part of the text
    operations: dict[str, Operation] = {key: Add(after[key]) for key in new}
    for key in kept:
        operation = difference(before[key], after[key], depth + 1)
        if operation is not None:
            operations[key] = operation
    operations.update((key, REMOVE) for key in before if key not in after)
    return Nested(arranged(operations))


def arranged(operations: dict[str, Operation]) -> dict[str, Operation]:
    """The operations in the order of their text, so that a stored delta is applied in the same order."""
    kinds = set(map(type, operations.values()))
    if len(kinds) < 2:
        return operations
    return {key: op for kind in _ORDER if kind in kinds for key, op in operations.items() if type(op) is kind}


_ORDER = (Add, Set, Extend, Nested, Remove)
_MEMBERS: dict[type, str] = {Add: "add", Set: "set", Extend: "extend", Nested: "nested"}
_KINDS: dict[str, type[Add | Set | Extend]] = {"add": Add, "set": Set, "extend": Extend}


def _text(operations: Mapping[str, Operation]) -> str:
    groups: dict[str, list[str]] = {}
    removed = []
    for key, operation in operations.items():
        if isinstance(operation, Remove):
            removed.append(quoted(key))
            continue
        text = _text(operation.operations) if isinstance(operation, Nested) else operation.text
        groups.setdefault(_MEMBERS[type(operation)], []).append(f"{quoted(key)}:{text}")
    members = [
        f'"{member}":{{{",".join(groups[member])}}}' for member in _MEMBERS.values() if member in groups
    ]
    if removed:
        members.append(f'"remove":[{",".join(removed)}]')
    return "{" + ",".join(members) + "}"


def _read(text: str, at: int) -> tuple[dict[str, Operation], int]:
    """The operations in the object that starts at ``at``, and where it ends; each value is scanned once."""
    operations: dict[str, Operation] = {}
    at += 1
    while text[at] != "}":
        member, colon = value_at(text, at)
        at = _read_member(text, colon + 1, member, operations)
        at += text[at] == ","
    return operations, at + 1


def _read_member(text: str, at: int, member: str, operations: dict[str, Operation]) -> int:
    if member == "remove":
        keys, end = value_at(text, at)
        operations.update(dict.fromkeys(keys, REMOVE))
        return end
    at += 1
    while text[at] != "}":
        if member == "nested":
            key, colon = value_at(text, at)
            nested, end = _read(text, colon + 1)
            operations[key] = Nested(nested)
        else:
            key, start, end = item_at(text, at)
            operations[key] = _KINDS[member](text[start:end])
        at = end + (text[end] == ",")
    return at + 1
