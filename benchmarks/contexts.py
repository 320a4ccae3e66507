"""What a large context costs, beside encoding and decoding it once with the standard library."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.figures import Bound, Figure, shown
from benchmarks.library import LibraryOnFile
from benchmarks.places import Pairs, Place, milliseconds
from benchmarks.shapes import nothing
from benchmarks.sizes import Sizes


def large_context(sizes: Sizes, folder: str) -> list[Figure]:
    """A chain of three of which only the second task reads the context: added time, and added size of the database."""
    with Place(LibraryOnFile, folder) as place:
        pairs, stored = place.run(_measured, sizes.context_bytes, sizes.context_rounds)
    ours, beside = pairs.medians
    name = f"context of {sizes.context_bytes / 1e6:g} MB, read by one of 3"
    return [
        Figure(
            f"{name}, added time", pairs.ratio, "x", Bound("at most", 2.5), f"{shown(ours)} ms", f"{shown(beside)} ms"
        ),
        Figure(f"{name}, stored", stored, "x", Bound("at most", 1.3)),
    ]  # fmt: skip


def rows_of(size: int) -> list[dict[str, Any]]:
    """Records that are about so many bytes of JSON together."""
    one = {"id": 1000000, "name": "Trondheim", "tags": ["harbour", "north"], "reading": 12.25, "valid": True}
    return [
        one | {"id": 1000000 + number}
        for number in range(size // len(json.dumps(one, separators=(",", ":"))))
    ]


def reads_rows(context: Any) -> None:
    context.get("rows")


def _measured(library: LibraryOnFile, size: int, rounds: int) -> tuple[Pairs, float]:
    library.learn(
        "reading", {"first": (nothing, ()), "second": (reads_rows, ("first",)), "third": (nothing, ("second",))}
    )  # fmt: skip
    large, text = {"rows": rows_of(size)}, json.dumps(rows_of(size), separators=(",", ":"))

    def run(data: dict[str, Any]) -> float:
        # By a handle that only waits: the final context is not decoded.
        def start_and_wait() -> None:
            library.start_many("reading", [data])[0].wait()

        return milliseconds(start_and_wait)

    for data in ({}, large):  # the first ones pay for what is made once
        run(data)
    pairs, before = Pairs(), library.stored_bytes()
    for _ in range(rounds):
        base = run({})
        pairs.ours.append(run(large) - base)
        pairs.beside.append(milliseconds(lambda: json.loads(json.dumps(large))))
    stored = (library.stored_bytes() - before) / rounds
    return pairs, stored / len(text)
