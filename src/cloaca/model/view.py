"""What a task sees: an immutable mapping of context keys to texts, with the writer of each.

A view is created in constant time and resolved when it is first read. It then is a tuple of dicts, newest first, which it
shares with earlier views. Their sizes grow geometrically, as in a log-structured merge tree: for a chain of n tasks that
each add a key, the total cost is O(n log n), and a lookup costs O(log n).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from cloaca.model.delta import EMPTY, Delta, Set
from cloaca.model.graph import INITIAL, Graph
from cloaca.model.merge import Conflict, Entry, apply, replay

Layers = tuple[Mapping[str, Entry], ...]
Steps = Sequence[tuple[int, Delta]]
Views = Sequence["View | None"] | Mapping[int, "View"]
"""The states that nodes left, by node."""


class View:
    """A state of the context between tasks.

    Views can be read from any thread. There is no lock: two threads that resolve one at the same time do the same work.

    >>> view = View.initial({"raw": "1"}).after(0, Delta({"total": Set("6")}))
    >>> view.get("total"), view.writer("total"), view.texts()
    ('6', 0, {'raw': '1', 'total': '6'})
    """

    __slots__ = ("_conflicts", "_layers", "_source")

    def __init__(self, layers: Layers | None, source: _Source | None) -> None:
        self._layers = layers
        self._source = source
        self._conflicts: list[Conflict] = []

    @classmethod
    def initial(cls, texts: Mapping[str, str]) -> View:
        """The state that an execution starts with, written by ``INITIAL``."""
        return cls(({key: (text, INITIAL) for key, text in texts.items()},), None)

    @classmethod
    def merged(cls, graph: Graph, base: View, steps: Steps) -> View:
        """The state after replaying ``steps``, pairs of a node and its delta, in this order on top of ``base``.

        Every node between the base and the join is a step, with an empty delta if it left nothing.
        """
        return cls(None, (base, steps, graph))

    def after(self, node: int, delta: Delta) -> View:
        """The state that ``node`` leaves, given that it saw this one."""
        return View(None, (self, ((node, delta),), None)) if delta.operations else self

    def get(self, key: str) -> str | None:
        """The text of a key, or ``None`` if there is none."""
        for layer in self._layers or self._resolved():
            entry = layer.get(key)
            if entry is not None:
                return entry[0]
        return None

    def writer(self, key: str) -> int | None:
        """The node that last wrote a key, or ``None`` if the key is absent."""
        for layer in self._layers or self._resolved():
            entry = layer.get(key)
            if entry is not None:
                return entry[1] if entry[0] is not None else None
        return None

    def texts(self) -> dict[str, str]:
        """All keys with their texts, as a new dict, in linear time."""
        return {key: text for key, (text, _) in self._flat().items() if text is not None}

    def writers(self) -> dict[str, int]:
        """All keys with the nodes that last wrote them."""
        return {key: writer for key, (text, writer) in self._flat().items() if text is not None}

    def keys(self) -> list[str]:
        """All keys."""
        return list(self.texts())

    def items(self) -> list[tuple[str, str]]:
        """All keys with their texts."""
        return list(self.texts().items())

    @property
    def conflicts(self) -> list[Conflict]:
        """The conflicts of this view's own merge; none if it comes from a single task."""
        self._resolved()
        return self._conflicts

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts())

    def __len__(self) -> int:
        return len(self.texts())

    def __repr__(self) -> str:
        return f"View({self.texts()!r})"

    def _flat(self) -> Mapping[str, Entry]:
        layers = self._layers or self._resolved()
        if len(layers) == 1:
            return layers[0]
        flat: dict[str, Entry] = {}
        for layer in reversed(layers):
            flat.update(layer)
        return flat

    def _resolved(self) -> Layers:
        waiting = []
        view = self
        while (source := view._source) is not None:
            waiting.append((view, source))
            view = source[0]
        layers = cast("Layers", view._layers)  # noqa: SLF001 - views resolve each other
        for view, source in reversed(waiting):
            layers = view._resolve(layers, source)  # noqa: SLF001 - as above
        return layers

    def _resolve(self, layers: Layers, source: _Source) -> Layers:
        base, steps, graph = source
        if graph is None:
            layer = _written(base, *steps[0])
        else:
            layer, self._conflicts = replay(base.get, steps, graph)
        layers = _stacked(layer, layers) if layer else layers
        # In this order, so that whoever finds the source gone finds the layers.
        self._layers = layers
        self._source = None
        return layers


_Source = tuple[View, Steps, Graph | None]


def _written(base: View, node: int, delta: Delta) -> dict[str, Entry]:
    """What one delta writes, given the state that its task saw."""
    return {
        key: (op.text if type(op) is Set else apply(op, base.get(key)), node)
        for key, op in delta.operations.items()
    }


def _stacked(layer: Mapping[str, Entry], layers: Layers) -> Layers:
    """The layers with a newer one on top, merged with those that are not much larger than itself."""
    below = 0
    while below < len(layers) and len(layers[below]) <= 2 * len(layer):
        layer = {**layers[below], **layer}
        below += 1
    if below == len(layers):
        layer = {key: entry for key, entry in layer.items() if entry[0] is not None}
    return (layer, *layers[below:])


def view_before(
    graph: Graph,
    node: int,
    initial: View,
    after: Views,
    deltas: Mapping[int, Delta | None],
) -> View:
    """The state that ``node`` sees.

    ``after`` has the states left by the nodes in ``graph.reads[node]``; a node that failed or was skipped leaves the state
    it saw. ``deltas`` has the changes by node, for nodes that made any.
    """
    sources = graph.dependencies[node]
    if not sources:
        return initial
    if len(sources) == 1:
        return _left(sources[0], initial, after)
    base = graph.dominators[node]
    return _over(_left(base, initial, after), graph, base, sources, deltas)


def final_view(
    graph: Graph,
    initial: View,
    after: Views,
    deltas: Mapping[int, Delta | None],
) -> View:
    """The combined state that all leaves leave, given the same arguments as ``view_before``."""
    base = graph.final_base
    return _over(_left(base, initial, after), graph, base, graph.leaves, deltas)


def replayed(graph: Graph, initial: View, targets: Sequence[int], deltas: Mapping[int, Delta | None]) -> View:
    """The combined state that some nodes leave, replayed from the input; ``view_before`` and ``final_view`` take shortcuts."""
    return _over(initial, graph, INITIAL, targets, deltas)


def _over(
    start: View, graph: Graph, base: int, targets: Sequence[int], deltas: Mapping[int, Delta | None]
) -> View:
    steps = [(node, deltas.get(node) or EMPTY) for node in graph.between(base=base, targets=targets)]
    return View.merged(graph, start, steps) if steps else start


def _left(node: int, initial: View, after: Views) -> View:
    # The engine keeps a node's state only while somebody is still to read it.
    return initial if node == INITIAL else cast("View", after[node])
