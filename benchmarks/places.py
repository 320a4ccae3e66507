"""Places to measure in: processes with one subject each, that are made to work in turns."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

S = TypeVar("S")
T = TypeVar("T")

_subject: Any = None


class Place(Generic[S]):
    """A process of its own, with a heap, threads and a garbage collector of its own, that holds one subject.

    Args:
        make: Makes the subject, in that process; like what is run there, a function of some module.
    """

    def __init__(self, make: Callable[..., S], *arguments: Any) -> None:
        # Spawned, not forked: nothing of this process may be in its memory.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(
            1, mp_context=context, initializer=_install, initargs=(make, arguments)
        )

    def run(self, measure: Callable[..., T], *arguments: Any) -> T:
        """Call ``measure(subject, *arguments)`` there and wait for what it returns."""
        return self.begin(measure, *arguments).result()

    def begin(self, measure: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call ``measure(subject, *arguments)`` there, while other places work too."""
        return self._pool.submit(_call, measure, arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()


def _install(make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    global _subject  # noqa: PLW0603 - a process holds one
    _subject = make(*arguments)


def _call(measure: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    return measure(_subject, *arguments)


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was measured in turns on two sides; a pair was taken at one moment, whatever the machine did then."""

    ours: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.ours), statistics.median(self.beside)

    @property
    def ratio(self) -> float:
        """The median over the pairs of ours divided by the other."""
        return statistics.median(one / other for one, other in zip(self.ours, self.beside, strict=True))

    @property
    def difference(self) -> float:
        """The median over the pairs of ours less the other."""
        return statistics.median(one - other for one, other in zip(self.ours, self.beside, strict=True))


def alternate(ours: Callable[[], float], beside: Callable[[], float], *, rounds: int) -> Pairs:
    """Measure both so many times in turns; who comes first changes, so that neither follows the other always."""
    pairs = Pairs()
    for number in range(rounds):
        if number % 2:
            pairs.beside.append(beside())
            pairs.ours.append(ours())
        else:
            pairs.ours.append(ours())
            pairs.beside.append(beside())
    return pairs


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def resident_mb() -> float:
    """What this process has in memory now."""
    return _status("VmRSS")


def peak_resident_mb() -> float:
    """The most this process has had in memory."""
    return _status("VmHWM")


def _status(name: str) -> float:
    # Not ru_maxrss, which starts at the peak of the process that made this one.
    with open(f"/proc/{os.getpid()}/status", encoding="ascii") as lines:
        (kibibytes,) = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(kibibytes) / 1024
