"""Replaying deltas: one over what its task saw, or those of parallel tasks over their common state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, assert_never

from cloaca.model.delta import MAX_NESTING, Add, Delta, Extend, Nested, Operation, Remove, Set
from cloaca.model.graph import Graph
from cloaca.model.values import items_of, joined, same

Path = tuple[str, ...]

State = str | dict[str, "State"] | list[str]
"""A value during replay: its text, or a dict that was taken apart, or the parts of a list's text without its ``]``.

A value that two thousand tasks append to is taken apart once and assembled once.
"""

Entry = tuple[str | None, int]
"""A text, ``None`` if the key was removed, and the node that wrote it."""


class Conflict(NamedTuple):
    """A change that overwrote another change by a task that is not an ancestor.

    ``path`` is the context key and the dict keys below it; ``kept`` and ``lost`` are the nodes that made the two
    changes.
    """

    path: Path
    kept: int
    lost: int


def apply(operation: Operation, text: str | None) -> str | None:
    """The result of applying an operation to ``text``; ``None`` stands for an absent key.

    An operation that meets a different type than it was recorded for sets its own value.

    >>> apply(Extend('["b"]'), '["a"]')
    '["a","b"]'
    """
    return _closed_or_none(_applied(operation, text, (), None))


def replay(
    read: Callable[[str], str | None], steps: Iterable[tuple[int, Delta]], graph: Graph
) -> tuple[dict[str, Entry], list[Conflict]]:
    """Apply the deltas of ``steps``, in this order, to the state that ``read`` reads; that state is not changed.

    Returns:
        The differences from that state, and the conflicts. The writers of the state itself count as ancestors of
        all steps.
    """
    watch = _Watch(graph, steps)
    states: dict[str, State | None] = {}
    writers: dict[str, int] = {}
    for node, delta in watch.steps:
        watch.node = node
        for key, operation in delta.operations.items():
            state = states[key] if key in states else read(key)
            states[key] = _applied(operation, state, (key,), watch)
            writers[key] = node
    entries = {key: (_closed_or_none(state), writers[key]) for key, state in states.items()}
    return entries, watch.conflicts


class _Watch:
    """Tracks whose changes make up each path, and where a change is lost that the overwriting task did not see."""

    def __init__(self, graph: Graph, steps: Iterable[tuple[int, Delta]]) -> None:
        self.steps: Sequence[tuple[int, Delta]] = tuple(steps)
        self.node = -1
        self.conflicts: list[Conflict] = []
        self._graph = graph
        self._position = {node: position for position, (node, _) in enumerate(self.steps)}
        self._writers: dict[str, dict[Path, list[int]]] = {}
        self._deepest = 1

    def adds(self, path: Path, state: State | None) -> None:
        """Record a change at ``path`` that adds to what is there."""
        writers = self._writers.setdefault(path[0], {})
        others = [] if state is None else _nearest(path, writers)
        if others and others[-1] in self._graph.dependencies[self.node]:
            others = others[:-1]  # whoever overwrites this change knowingly also knew the other's
        writers[path] = [*others, self.node]
        self._deepest = max(self._deepest, len(path))

    def overwrites(self, path: Path, state: State | None, text: str | None) -> None:
        """Record that ``text`` replaces whatever is at ``path``."""
        writers = self._writers.setdefault(path[0], {})
        below = self._below(path, writers)
        found = {*_nearest(path, writers), *(node for other in below for node in writers[other])} - {
            self.node
        }
        lost = found - self._ancestors(found) if found else found
        if lost and not _equal(state, text):
            self.conflicts += [Conflict(path, self.node, node) for node in sorted(lost)]
        for other in below:
            del writers[other]
        writers[path] = [self.node]
        self._deepest = max(self._deepest, len(path))

    def _below(self, path: Path, writers: dict[Path, list[int]]) -> list[Path]:
        size = len(path)
        if self._deepest == size:
            return []
        return [other for other in writers if len(other) > size and other[:size] == path]

    def _ancestors(self, wanted: set[int]) -> set[int]:
        """The ancestors of the current node, searched back to the first of ``wanted``."""
        position = self._position
        start = min(position[node] for node in wanted)
        seen: set[int] = set()
        stack = [self.node]
        while stack:
            for dep in self._graph.dependencies[stack.pop()]:
                if dep not in seen and position.get(dep, -1) >= start:
                    seen.add(dep)
                    stack.append(dep)
        return seen


def _nearest(path: Path, writers: dict[Path, list[int]]) -> list[int]:
    """The nodes whose changes make up the value at ``path``, or an enclosing dict that was written as a whole."""
    for size in range(len(path), 0, -1):
        if path[:size] in writers:
            return writers[path[:size]]
    return []


def _applied(operation: Operation, state: State | None, path: Path, watch: _Watch | None) -> State | None:
    content: str | None
    match operation:
        case Add():
            return _added(operation.text, state, path, watch)
        case Extend() if _opener(state) == "[":
            return _extended(operation.text, state, path, watch)
        case Nested() if _opener(state) == "{":
            return _changed(operation.operations, state, path, watch)
        case Nested():
            content = _closed(_changed(operation.operations, "{}", path, None))
        case Set() | Extend():
            content = operation.text
        case Remove():
            content = None
        case _:
            assert_never(operation)
    return _overwritten(content, state, path, watch)


def _overwritten(text: str | None, state: State | None, path: Path, watch: _Watch | None) -> str | None:
    if watch is not None:
        watch.overwrites(path, state, text)
    return text


def _added(text: str, state: State | None, path: Path, watch: _Watch | None) -> State | None:
    opener = _opener(state)
    if opener == "[" == text[0]:
        return _extended(text, state, path, watch)
    if opener == "{" == text[0] and len(path) < MAX_NESTING:
        return _changed({key: Add(item) for key, item in items_of(text).items()}, state, path, watch)
    if state is not None:
        return _overwritten(text, state, path, watch)
    if watch is not None:
        watch.adds(path, None)
    return text


def _changed(
    operations: Mapping[str, Operation], state: State | None, path: Path, watch: _Watch | None
) -> dict[str, State]:
    items: dict[str, State] = state if isinstance(state, dict) else dict(items_of(str(state)))
    for key, operation in operations.items():
        item = _applied(operation, items.get(key), (*path, key), watch)
        if item is not None:
            items[key] = item
        else:
            items.pop(key, None)
    return items


def _extended(text: str, state: State | None, path: Path, watch: _Watch | None) -> State:
    if watch is not None:
        watch.adds(path, state)
    if text == "[]":
        return state if state is not None else text
    if state == "[]":
        return text
    pieces = state if isinstance(state, list) else [str(state)[:-1]]
    pieces += (",", text[1:-1])
    return pieces


def _opener(state: State | None) -> str:
    """The character that a state's text starts with."""
    if isinstance(state, str):
        return state[0]
    return "" if state is None else "{" if isinstance(state, dict) else "["


def _closed_or_none(state: State | None) -> str | None:
    return None if state is None else _closed(state)


def _closed(state: State) -> str:
    if isinstance(state, str):
        return state
    if isinstance(state, list):
        return "".join(state) + "]"
    return joined({key: _closed(item) for key, item in state.items()})


def _equal(state: State | None, text: str | None) -> bool:
    if state is None or text is None:
        return state is text
    return same(_closed(state), text)
