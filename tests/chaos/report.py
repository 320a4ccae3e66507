"""What a scenario comes to: figures, and what was broken."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.chaos.place import POSTGRES, Place
from tests.crash.servers import own_server


@dataclass
class Report:
    """Figures by name, and violations."""

    name: str
    figures: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    kept: str = ""
    """Where journal, logs and database are, if something was broken."""

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {_shown(value)}" for name, value in self.figures.items())
        lines = [f"{self.name}: {figures}, violations {len(self.violations)}"]
        lines += [f"VIOLATION in {self.name}: {line}" for line in self.violations[:20]]
        return "\n".join([*lines, f"kept: {self.kept}"] if self.violations else lines)


def _shown(value: object) -> str:
    return f"{value:.2f} s" if isinstance(value, float) else str(value)


@contextmanager
def scene(report: Report, kind: str) -> Iterator[Place]:
    """A place for a scenario, removed unless something is broken; an error in the block is such a thing too."""
    if kind == POSTGRES:
        with own_server("chaos") as server:
            server.wait_for_proofs()
            place = Place("chaos", server)
            yield from _kept_if_broken(report, place)
            server.keep = bool(report.violations)
    else:
        yield from _kept_if_broken(report, Place("chaos", None))


def _kept_if_broken(report: Report, place: Place) -> Iterator[Place]:
    try:
        yield place
    except Exception:
        report.violations.append(traceback.format_exc())
    if report.violations:
        data = f", data of the server: {place.server.folder}" if place.server else ""
        report.kept = f"{place.folder} and {place.url}{data}"
    else:
        place.discard()
