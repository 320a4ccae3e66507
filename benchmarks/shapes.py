"""The workflows that are measured, each described once: as the yardstick takes it. The library's are made from that."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cloaca
from benchmarks.yardstick import Body, Workflow


def extract(context: Any) -> None:
    context.set("raw", 1)


def transform(context: Any) -> None:
    context.set("metrics", context.get("raw") + 1)


def load(context: Any) -> None:
    context.set("loaded", context.get("metrics") + 1)


def nothing(context: Any) -> None:
    """Read nothing, write nothing."""


def chain() -> Workflow:
    """Three tasks, each after the one before."""
    return {
        "extract": (extract, ()),
        "transform": (transform, ("extract",)),
        "load": (load, ("transform",)),
    }


def wide(width: int, body: Body = transform) -> Workflow:
    """One task, so many that depend on it, and one that depends on all of those."""
    middle = tuple(f"m{number}" for number in range(width))
    return {
        "first": (extract, ()),
        **dict.fromkeys(middle, (body, ("first",))),
        "last": (nothing, middle),
    }


def long(length: int, body_of: Callable[[int], Body] | None = None) -> Workflow:
    """So many tasks, each after the one before, all of which set one key unless ``body_of`` gives each another body."""
    ids = [f"t{number}" for number in range(length)]
    after = itertools.chain([()], ((id,) for id in ids))
    return {
        id: (body_of(number) if body_of else extract, deps)
        for number, (id, deps) in enumerate(zip(ids, after, strict=False))
    }


def writes_its_own_key(number: int) -> Body:
    """A body that sets a key that no other sets."""

    def body(context: Any) -> None:
        context.set(f"key{number}", number)

    return body


def built(name: str, shape: Workflow) -> cloaca.Workflow:
    """The library's workflow of a shape, with the very same bodies."""
    builder = cloaca.WorkflowBuilder(name)
    for id, (body, dependencies) in shape.items():
        builder.add_task(cloaca.task(id=id, dependencies=dependencies)(body))
    return builder.build()
