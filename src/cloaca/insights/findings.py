"""Judging what is wrong with a database and its runners, from what was seen of them; pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cloaca.insights.runners import SILENT_SECONDS
from cloaca.model.shown import times_text
from cloaca.store.inspection import Damage, Holder, StartedRow, SuspectedRow, WaitingRow
from cloaca.store.rows import RunnerRow

PATIENCE_SECONDS = 60.0
"""How long an execution may wait for a runner before that is reported."""

SKEW_SECONDS = 2.0
"""By how much clocks may differ."""


Command = Callable[..., str]
"""Formats a command as it can be typed, including the database that is being diagnosed."""


class Grade(StrEnum):
    """The severity of a finding; compares equal to its name."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; ``next_step`` says what to do if something is wrong."""

    check: str
    grade: Grade
    text: str
    next_step: str | None = None


class SeenRunner(NamedTuple):
    """A runner when it was first and last looked at, and how many executions it owns.

    ``is_stopped`` if it is a process of this host that is stopped but has not ended.
    """

    first: RunnerRow
    last: RunnerRow
    is_stopped: bool
    owns: int

    @property
    def name(self) -> str:
        """A description for people."""
        return f"runner {self.last.id} (process {self.last.pid} on {self.last.host})"


class SeenRunners(NamedTuple):
    """All runners that were seen both times; ``lost`` is what is owned by runners that were seen neither time."""

    seen: list[SeenRunner]
    lost: Mapping[str, int]


def typed(*words: str) -> str:
    """A command as it is typed if the database need not be named."""
    return shlex.join(["cloaca", *words])


def of_tables(version: int, known: int, *, command: Command = typed) -> Finding:
    """Whether this release can work with the tables."""
    if version == known:
        return Finding("tables", Grade.OK, f"version {version}, as this release needs")
    if not version:
        return Finding("tables", Grade.WRONG, "the database has none", f"create them: {command('migrate')}")
    if version < known:
        return Finding(
            "tables",
            Grade.WRONG,
            f"version {version}, but this release needs {known}",
            f"migrate them: {command('migrate')}",
        )
    return Finding(
        "tables", Grade.WRONG, f"version {version}, but this release knows only {known}", "upgrade pycloaca"
    )


def of_holders(holders: Sequence[Holder], *, patience: float) -> Iterator[Finding]:
    """Who blocks writers."""
    for holder in holders:
        seconds = patience if holder.seconds is None else holder.seconds
        yield Finding(
            "locks",
            Grade.WRONG,
            f"{holder.who} has held {holder.what} for more than {seconds:.0f} s",
            holder.remedy,
        )
    if not holders:
        yield Finding("locks", Grade.OK, "none is held for long")


def of_runners(runners: SeenRunners, *, watched: float, command: Command = typed) -> Iterator[Finding]:
    """Which runners are dead, stopped or silent, and what they own."""
    found = {runner: _of_runner(runner, watched=watched, command=command) for runner in runners.seen}
    yield from filter(None, found.values())
    for owner, number in runners.lost.items():
        yield Finding(
            "runners", Grade.WRONG, f"runner {owner} does not exist any more, but owns {_executions(number)}",
            "report this; to continue these executions, cancel and retry them",
        )  # fmt: skip
    living = [runner for runner, finding in found.items() if finding is None]
    if living:
        owned = sum(runner.owns for runner in living)
        yield Finding("runners", Grade.OK, f"{len(living)} alive, owning {_executions(owned)}")
    elif not runners.seen:
        yield Finding("runners", Grade.NOTE, "no runner has joined")


def _of_runner(runner: SeenRunner, *, watched: float, command: Command) -> Finding | None:
    has = f"it owns {_executions(runner.owns)}"
    if runner.first.holds_lock is False and runner.last.holds_lock is False:
        return Finding(
            "runners", Grade.WRONG, f"{runner.name} has ended without leaving; {has}",
            f"another runner takes over within seconds; if none is running, start one: {command('worker', 'MODULE')}",
        )  # fmt: skip
    if runner.is_stopped:
        return Finding(
            "runners", Grade.WRONG, f"{runner.name} is stopped, by a signal or a debugger; {has}",
            f"continue it with kill -CONT {runner.last.pid}, or end it with kill -KILL {runner.last.pid}",
        )  # fmt: skip
    if watched >= SILENT_SECONDS and runner.first.turn == runner.last.turn:
        return Finding(
            "runners", Grade.WRONG, f"{runner.name} has been silent for {watched:.0f} s; {has}",
            "check its process and its connection; others take over when its lease ends",
        )  # fmt: skip
    return None


def of_waiting(rows: Iterable[WaitingRow], *, now: float, command: Command = typed) -> Iterator[Finding]:
    """What waits for a runner, for lack of capacity or because no runner has the code."""
    for row in rows:
        if now - row.oldest_at < PATIENCE_SECONDS:
            continue
        age = _age(now - row.oldest_at)
        verb = "waits" if row.executions == 1 else "wait"
        text = f"{_executions(row.executions)} of workflow {row.workflow!r} {verb}; the oldest was started {age} ago"
        if row.runs:
            yield Finding(
                "executions",
                Grade.NOTE,
                f"{text}; others are running, so these wait for capacity, or for the code that started them",
                f"see which: {command('explain', 'ID')}; for more capacity, start another worker",
            )
        else:
            yield Finding(
                "executions", Grade.WRONG, f"{text}, and no runner runs this workflow",
                "start a worker whose module registers it, or see why: "
                f"{command('list', '--workflow', row.workflow)}, {command('explain', 'ID')}",
            )  # fmt: skip


def of_suspected(rows: Iterable[SuspectedRow], *, command: Command = typed) -> Iterator[Finding]:
    """Tasks that may have crashed their processes."""
    for row in rows:
        yield Finding(
            "executions", Grade.WRONG,
            f"task {row.task!r} of execution {row.execution} ({row.workflow}) was running when its process died, {times_text(row.crashes)}",
            f"see what it is doing: {command('explain', row.execution)}; or cancel it: {command('cancel', row.execution)}",
        )  # fmt: skip


def of_clocks(
    *, ahead: float, error: float, runners: Iterable[RunnerRow], newest: Sequence[StartedRow], now: float
) -> Iterator[Finding]:
    """Whose clock differs from that of the database, or from the others.

    Args:
        ahead: By how many seconds this host's clock is ahead of the server's, plus or minus ``error``.
        newest: Executions in the order in which they were stored, latest first.
        now: Wall-clock seconds of the server.
    """
    texts = []
    if abs(ahead) - error > SKEW_SECONDS:
        texts.append(f"this host is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the server")
    texts += [
        f"host {runner.host} of runner {runner.id} is at least {runner.joined_at - now:.1f} s ahead"
        for runner in runners
        if runner.joined_at - now > SKEW_SECONDS
    ]
    if (early := max((row.created_at - now for row in newest), default=0.0)) > SKEW_SECONDS:
        texts.append(f"an execution has a start time {early:.1f} s in the future: a clock is or was ahead")
    for row in newest:
        if row.started_at is not None and row.created_at - row.started_at > SKEW_SECONDS:
            seconds = row.created_at - row.started_at
            texts.append(
                f"execution {row.execution} was claimed {seconds:.1f} s before it was created: the clock of the runner is "
                "behind that of the host that started it"
            )
            break
    for text in texts:
        yield Finding(
            "clocks", Grade.WRONG, text, "synchronise the clocks (NTP): displayed times, schedules and limits depend on them"
        )  # fmt: skip
    if not texts:
        yield _of_order(newest)


def _of_order(newest: Sequence[StartedRow]) -> Finding:
    """Whether times increase in the order in which executions were stored, by any process."""
    latest, back = 0.0, 0.0
    for row in reversed(newest):
        back = max(back, latest - row.created_at)
        latest = max(latest, row.created_at)
    if back > SKEW_SECONDS:
        return Finding(
            "clocks", Grade.NOTE, f"an execution was stored after another, but its creation time is {back:.1f} s earlier",
            "compare the clocks of the hosts that start executions; a start delayed by a lost connection looks the same",
        )  # fmt: skip
    return Finding("clocks", Grade.OK, f"no difference of more than {SKEW_SECONDS:g} s found")


def of_damages(damages: Iterable[Damage]) -> Iterator[Finding]:
    """What is wrong with the storage."""
    for damage in damages:
        yield Finding(damage.check, Grade.WRONG, damage.what, damage.remedy)


def _executions(number: int) -> str:
    return f"{number:,} execution" + ("" if number == 1 else "s")


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
