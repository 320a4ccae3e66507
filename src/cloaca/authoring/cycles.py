"""The elementary cycles of a dependency graph, without recursion.

Components are found as by Kosaraju and Sharir ("A Strong-Connectivity Algorithm", 1981), the cycles within one as by
Johnson ("Finding All the Elementary Circuits of a Directed Graph", 1975).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

Edges = Mapping[str, Collection[str]]


def elementary_cycles(edges: Edges) -> Iterator[list[str]]:
    """Each cycle once, as a list of nodes in the order of its edges. Self-loops are not included.

    Each list starts with the node that comes first in ``edges``. There can be exponentially many cycles: take a slice.
    """
    rank = {node: place for place, node in enumerate(edges)}
    waiting = [edges]
    while waiting:
        for component in _components(waiting.pop()):
            ordered = sorted(component, key=rank.__getitem__)
            start = ordered[0]
            inside = {n: [k for k in edges[n] if k in component and k != n] for n in ordered}
            yield from _cycles_through(start, inside)
            del inside[start]
            waiting.append({n: [k for k in kids if k != start] for n, kids in inside.items()})


def _cycles_through(start: str, edges: Edges) -> Iterator[list[str]]:
    path, blocked = [start], {start}
    unblocks: dict[str, set[str]] = {node: set() for node in edges}
    closed: set[str] = set()
    stack = [iter(edges[start])]
    while stack:
        following = next(stack[-1], None)
        if following == start:
            yield path.copy()
            closed.update(path)
        elif following is None:
            stack.pop()
            _leave(path.pop(), closed=closed, blocked=blocked, unblocks=unblocks, edges=edges)
        elif following not in blocked:
            path.append(following)
            stack.append(iter(edges[following]))
            closed.discard(following)
            blocked.add(following)


def _leave(
    node: str, *, closed: set[str], blocked: set[str], unblocks: dict[str, set[str]], edges: Edges
) -> None:
    if node not in closed:
        for following in edges[node]:
            unblocks[following].add(node)
        return
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if current in blocked:
            blocked.remove(current)
            waiting.extend(unblocks[current])
            unblocks[current].clear()


def _components(edges: Edges) -> Iterator[set[str]]:
    """The strongly connected components with more than one node."""
    reverse: dict[str, list[str]] = {node: [] for node in edges}
    for node, followings in edges.items():
        for following in followings:
            reverse[following].append(node)
    placed: set[str] = set()
    for root in reversed(_postorder(edges)):
        component = _reached(root, reverse, placed)
        if len(component) > 1:
            yield component


def _postorder(edges: Edges) -> list[str]:
    seen: set[str] = set()
    order: list[str] = []
    stack = [(root, False) for root in edges]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((following, False) for following in edges[node])
    return order


def _reached(root: str, edges: Edges, placed: set[str]) -> set[str]:
    """The root and everything reachable from it that is in no earlier component; marks all of it as placed."""
    reached: set[str] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if node not in placed:
            placed.add(node)
            reached.add(node)
            stack.extend(edges[node])
    return reached
