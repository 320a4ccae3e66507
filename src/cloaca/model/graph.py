"""The frozen structure of a workflow: which task depends on which, and by which rules.

Tasks are numbered in the order they were declared; everything that runs works on these numbers and only what is
stored or shown uses ids. All walks are iterative: a chain of ten thousand tasks is an ordinary graph.
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
        name: The workflow's name; two workflows of one shape are two structures.
        dependencies: Task id to the ids it depends on, in declared order. Must be acyclic and closed; the builder
            checks that before it makes a graph.
        rules: Task id to its rule as it is stored, of the tasks that have one; they ask about dependencies only.
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
        """The nodes that have a rule. It is read when it is asked for: a later release may know more kinds."""
        return {self.index[task]: rule_of(stored) for task, stored in self._stored_rules.items()}

    @cached_property
    def order(self) -> tuple[int, ...]:
        """All nodes, dependencies first; among those that are free at once, in declared order."""
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

        Whatever a join merges, it merges on top of the state its dominator left: every ancestor of the join is
        either an ancestor of the dominator or comes after it (Cooper, Harvey and Kennedy, "A Simple, Fast Dominance
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
        """How many dependencies each node has."""
        return tuple(map(len, self.dependencies))

    @cached_property
    def has_joins(self) -> bool:
        """Whether some state is merged from several: the deltas of the nodes before it are then needed again."""
        return len(self.leaves) > 1 or any(degree > 1 for degree in self.degrees)

    @cached_property
    def reads(self) -> tuple[tuple[int, ...], ...]:
        """The nodes whose states a node's merged context is built from: its dependency, or a join's dominator."""
        return tuple(
            deps
            if len(deps) < 2
            else tuple(source for source in (self.dominators[node],) if source != INITIAL)
            for node, deps in enumerate(self.dependencies)
        )

    @cached_property
    def readers(self) -> tuple[int, ...]:
        """How many nodes read the state each node leaves; the state after a run is one reader more."""
        readers = [0] * len(self)
        for sources in self.reads:
            for source in sources:
                readers[source] += 1
        if self.final_base != INITIAL:
            readers[self.final_base] += 1
        return tuple(readers)

    @cached_property
    def final_base(self) -> int:
        """The node whose state the final context is merged on top of: the leaf itself where there is only one."""
        common = self.leaves[0]
        for leaf in self.leaves[1:]:
            common = self._common_dominator(common, leaf)
        return common

    def _common_dominator(self, one: int, other: int) -> int:
        """The last node that every path to either passes through; a node counts as passed by paths to itself."""
        above = {one}
        while one != INITIAL:
            one = self.dominators[one]
            above.add(one)
        while other not in above:
            other = self.dominators[other]
        return other

    def between(self, *, base: int, targets: Sequence[int]) -> list[int]:
        """The targets and their ancestors that are not ``base`` or its ancestors, depth first.

        Dependencies are visited in declared order, ancestors before descendants: the order in which a join replays.
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
        """Every node from which a path leads to ``node``."""
        seen: set[int] = set()
        stack = list(self.dependencies[node])
        while stack:
            current = stack.pop()
            if current not in seen:
                seen.add(current)
                stack.extend(self.dependencies[current])
        return seen

    def descendants(self, node: int) -> set[int]:
        """Every node to which a path leads from ``node``."""
        seen: set[int] = set()
        stack = list(self.children[node])
        while stack:
            current = stack.pop()
            if current not in seen:
                seen.add(current)
                stack.extend(self.children[current])
        return seen

    def frozen(self) -> str:
        """The graph as JSON text, stored beside its executions; ``thawed`` reads it again."""
        tasks = {
            task: [self.ids[dep] for dep in deps]
            for task, deps in zip(self.ids, self.dependencies, strict=True)
        }
        # Without rules the text is what it was before there were any, and so is the structure.
        rules = {"rules": self._stored_rules} if self._stored_rules else {}
        return json.dumps({"name": self.name, "tasks": tasks, **rules}, separators=(",", ":"))

    @classmethod
    def thawed(cls, text: str) -> Graph:
        """The graph that ``frozen`` wrote."""
        stored = json.loads(text)
        return cls(stored["name"], stored["tasks"], rules=stored.get("rules", {}))

    @cached_property
    def structure(self) -> str:
        """A hash of the name, the task ids, their dependencies and rules: an execution resumes where it is the same.

        The order in which tasks were declared is part of it, since a join replays dependencies in declared order.
        """
        import hashlib  # noqa: PLC0415 - it loads OpenSSL, which a process that builds nothing does without

        return hashlib.sha256(self.frozen().encode()).hexdigest()[:32]
