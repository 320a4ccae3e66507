"""The frozen structure of a workflow: which task depends on which, and by which rules.

Tasks are numbered in the order they were declared. Everything that runs uses these numbers; only what is stored or shown
uses ids. All walks are iterative, because a chain of ten thousand tasks is an ordinary graph.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

from cloaca.model.rules import Rule, rule_of

INITIAL = -1
"""The node before all roots: the state it leaves is the execution's initial context."""


class Graph:
    """A directed acyclic graph of task ids.

    Args:
        name: The workflow's name. Workflows with different names have different structures.
        dependencies: Task id to the ids it depends on, in declared order. It must be acyclic and closed, which the
            builder checks before it creates a graph.
        rules: Task id to its rule as stored, for the tasks that have one. Rules refer only to dependencies.
    """

    def __init__(
        self,
        name: str,
        dependencies: Mapping[str, Sequence[str]],
        *,
        rules: Mapping[str, Sequence[Any]] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self._stored_rules = dict(rules)
        self.ids: tuple[str, ...] = tuple(dependencies)
        self.index: Mapping[str, int] = MappingProxyType({task: node for node, task in enumerate(self.ids)})
        self.dependencies: tuple[tuple[int, ...], ...] = tuple(
            tuple(self.index[dep] for dep in deps) for deps in dependencies.values()
        )
        children: list[list[int]] = [[] for _ in self.ids]
        for node, deps in enumerate(self.dependencies):
            for dep in deps:
                children[dep].append(node)
        self.children: tuple[tuple[int, ...], ...] = tuple(map(tuple, children))
        self.roots: tuple[int, ...] = tuple(n for n, deps in enumerate(self.dependencies) if not deps)
        self.leaves: tuple[int, ...] = tuple(n for n, kids in enumerate(self.children) if not kids)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, tasks={len(self)})"

    @cached_property
    def rules(self) -> Mapping[int, Rule]:
        """The rules by node, parsed on demand: a later release may know more kinds."""
        return {self.index[task]: rule_of(stored) for task, stored in self._stored_rules.items()}

    @cached_property
    def order(self) -> tuple[int, ...]:
        """All nodes in topological order; nodes that become free together are in declared order."""
        return tuple(node for level in self.levels for node in level)

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Nodes grouped by the length of the longest path to them."""
        waiting = [len(deps) for deps in self.dependencies]
        levels, level = [], self.roots
        while level:
            levels.append(level)
            following = []
            for node in level:
                for child in self.children[node]:
                    waiting[child] -= 1
                    if not waiting[child]:
                        following.append(child)
            level = tuple(sorted(following))
        return tuple(levels)

    @cached_property
    def dominators(self) -> tuple[int, ...]:
        """For each node the last node that every path to it passes through, or ``INITIAL``.

        A join merges its inputs on top of the state that its dominator left: every ancestor of the join is either an
        ancestor of the dominator or comes after it (Cooper, Harvey and Kennedy, "A Simple, Fast Dominance
        Algorithm", 2001; on a DAG one pass in topological order suffices).
        """
        dominators = [INITIAL] * len(self)
        depth = [0] * (len(self) + 1)  # depth[INITIAL] is the last item
        for node in self.order:
            common = self.dependencies[node][0] if self.dependencies[node] else INITIAL
            for dependency in self.dependencies[node][1:]:
                other = dependency
                while common != other:
                    if depth[common] >= depth[other]:
                        common = dominators[common]
                    else:
                        other = dominators[other]
            dominators[node] = common
            depth[node] = depth[common] + 1
        return tuple(dominators)

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        """The number of dependencies of each node."""
        return tuple(map(len, self.dependencies))

    @cached_property
    def has_joins(self) -> bool:
        """Whether some state is merged from several, so that earlier deltas are needed again."""
        return len(self.leaves) > 1 or any(degree > 1 for degree in self.degrees)

    @cached_property
    def reads(self) -> tuple[tuple[int, ...], ...]:
        """The nodes from whose states a node's context is built: its dependency, or the dominator of a join."""
        return tuple(
            deps
            if len(deps) < 2
            else tuple(source for source in (self.dominators[node],) if source != INITIAL)
            for node, deps in enumerate(self.dependencies)
        )

    @cached_property
    def readers(self) -> tuple[int, ...]:
        """How many nodes read the state that each node leaves; the final state counts as one more reader."""
        readers = [0] * len(self)
        for sources in self.reads:
            for source in sources:
                readers[source] += 1
        if self.final_base != INITIAL:
            readers[self.final_base] += 1
        return tuple(readers)

    @cached_property
    def final_base(self) -> int:
        """The node on top of whose state the final context is merged; if there is a single leaf, the leaf itself."""
        common = self.leaves[0]
        for leaf in self.leaves[1:]:
            common = self._common_dominator(common, leaf)
        return common

    def _common_dominator(self, one: int, other: int) -> int:
        """The last node that every path to either passes through; a node lies on every path to itself."""
        above = {one}
        while one != INITIAL:
            one = self.dominators[one]
            above.add(one)
        while other not in above:
            other = self.dominators[other]
        return other

    def between(self, *, base: int, targets: Sequence[int]) -> list[int]:
        """The targets and their ancestors, without ``base`` and its ancestors, depth first.

        Dependencies are visited in declared order, and ancestors before descendants: the order in which a join replays.
        ``base`` must dominate each target.
        """
        seen, result = {base}, []
        stack = [(node, False) for node in reversed(targets)]
        while stack:
            node, done = stack.pop()
            if done:
                result.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((dep, False) for dep in reversed(self.dependencies[node]) if dep not in seen)
        return result

    def ancestors(self, node: int) -> set[int]:
        """The ancestors of ``node``."""
        seen: set[int] = set()
        stack = list(self.dependencies[node])
        while stack:
            current = stack.pop()
            if current not in seen:
                seen.add(current)
                stack.extend(self.dependencies[current])
        return seen

    def descendants(self, node: int) -> set[int]:
        """The descendants of ``node``."""
        seen: set[int] = set()
        stack = list(self.children[node])
        while stack:
            current = stack.pop()
            if current not in seen:
                seen.add(current)
                stack.extend(self.children[current])
        return seen

    def to_json(self) -> str:
        """The graph as JSON text, stored with its executions; ``from_json`` parses it."""
        tasks = {
            task: [self.ids[dep] for dep in deps]
            for task, deps in zip(self.ids, self.dependencies, strict=True)
        }
        # Without rules, the text and thus the structure is the same as before rules existed.
        rules = {"rules": self._stored_rules} if self._stored_rules else {}
        return json.dumps({"name": self.name, "tasks": tasks, **rules}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Graph:
        """The graph for a text written by ``to_json``."""
        stored = json.loads(text)
        return cls(stored["name"], stored["tasks"], rules=stored.get("rules", {}))

    @cached_property
    def structure(self) -> str:
        """A hash of the name, task ids, dependencies and rules. An execution can resume where this hash is the same.

        It depends on the order in which tasks were declared, because a join replays dependencies in declared order.
        """
        import hashlib  # noqa: PLC0415 - it loads OpenSSL, which a process that builds nothing does not need

        return hashlib.sha256(self.to_json().encode()).hexdigest()[:32]
