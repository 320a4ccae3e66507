"""The checks of what is steered find what is wrong in a history that is made by hand; the plan is what the seed says."""

from __future__ import annotations

import pytest

from tests.chaos.steering import SECONDS_TO_HEAR, steering_violations
from tests.chaos.test_checks import NOBODY, PROCESS
from tests.chaos.verbs import WEIGHTS, verbs_of
from tests.crash.history import History
from tests.crash.journal import Event
from tests.crash.tables import Attempt, Change, Execution, Happening, Tables

THERE = Execution("e", "w", "s", "Cancelled", None, 2, None, True, None)


def became(after: str | None, at: float, *, subject: str = "execution", **facts: object) -> Change:
    change = NOBODY._replace(subject=subject, execution="e", after=after, at=at)
    return change._replace(**facts)  # type: ignore[arg-type]


STARTED = became("Running", 1.0, fence=1)
CANCELLED = became("Cancelled", 10.0, before="Running", fence_before=1, fence=2)
PAUSED = became("Paused", 10.0, before="Running", fence_before=1, fence=2)


def asks(verb: str, told: str, *, at: float = 9.9, until: float = 10.1) -> list[Event]:
    asked = Event("asks", "e", PROCESS, key=verb, began=at, at=at)
    return [asked, asked._replace(kind="told", status=told, at=until)] if told else [asked]


def start(began: float, *, fence: int = 1) -> Event:
    return Event("start", "e", PROCESS, task="a", attempt=1, fence=fence, began=began)


def found(
    changes: list[Change],
    events: list[Event],
    happenings: tuple[Happening, ...] = (),
    there: tuple[Execution, ...] = (THERE,),
    attempts: tuple[Attempt, ...] = (),
) -> str:
    numbered = [change._replace(seq=number) for number, change in enumerate(changes, 1)]
    tables = Tables([*there], [*attempts], {}, set(), numbered, "ok", happenings)
    return "\n".join(steering_violations(History(tables, events, 0, {})))


EVENT = Happening("e", 2, "Cancelled", 9.9)


def test_a_verb_that_was_acknowledged_has_its_event() -> None:
    assert found([STARTED, CANCELLED], asks("cancel", "done"), (EVENT,)) == ""
    assert "left no event" in found([STARTED], asks("cancel", "done"))


def test_a_verb_that_had_nothing_to_change_needs_none() -> None:
    both = [*asks("cancel", "done"), *asks("cancel", "done", at=11.0, until=11.1)]
    assert found([STARTED, CANCELLED], both, (EVENT,)) == ""


@pytest.mark.parametrize("told", ["not stored", "refused: Running", "gone"])
def test_whoever_was_told_that_it_was_not_done_was_told_the_truth(told: str) -> None:
    assert "was done, and whoever asked" in found([STARTED, CANCELLED], asks("cancel", told), (EVENT,))


def test_a_refusal_names_a_status_that_it_had() -> None:
    refusal = asks("retry", "refused: Completed")
    assert "was refused: Completed; it was {'Running'}" in found([STARTED], refusal)
    assert found([STARTED], asks("retry", "refused: Running")) == ""


def test_whoever_is_killed_may_have_done_it_or_not() -> None:
    assert found([STARTED, CANCELLED], asks("cancel", ""), (EVENT,)) == ""
    assert found([STARTED], asks("cancel", "")) == ""


def test_what_nobody_asked_for_is_found() -> None:
    assert "0 were asked for" in found([STARTED, CANCELLED], [], (EVENT,))
    twice = (EVENT, EVENT._replace(fence=3))
    assert "1 were asked for" in found([STARTED, CANCELLED], asks("cancel", "done"), twice)


def test_a_body_that_starts_after_a_cancel_that_its_process_could_know_of_is_late() -> None:
    history, asked = [STARTED, CANCELLED], asks("cancel", "done")
    assert found(history, [*asked, start(10.0 + SECONDS_TO_HEAR - 0.1)], (EVENT,)) == ""
    late = start(10.1 + SECONDS_TO_HEAR)
    assert "after it was cancelled" in found(history, [*asked, late], (EVENT,))
    stopped = Event("paused", "", 1, workflow=str(PROCESS), at=10.0)
    assert (
        found(history, [*asked, stopped, stopped._replace(kind="continued", at=11.0), late], (EVENT,)) == ""
    )
    next_round = start(10.1 + SECONDS_TO_HEAR, fence=3)
    assert found(history, [*asked, next_round], (EVENT,)) == ""


def test_a_body_that_starts_while_it_is_paused_is_late() -> None:
    history, event = [STARTED, PAUSED], EVENT._replace(kind="Paused")
    late = start(10.1 + SECONDS_TO_HEAR)
    assert "after it was paused" in found(history, [*asks("pause", "done"), late], (event,))
    resumed = became("Running", 10.2, before="Paused", fence_before=2, fence=3)
    events = [*asks("pause", "done"), *asks("resume", "done", at=10.2, until=10.3), late]
    assert found([*history, resumed], events, (event, Happening("e", 3, "Resumed", 10.2))) == ""


def test_what_is_removed_had_ended_and_was_meant_and_leaves_nothing() -> None:
    removed = became(None, 20.0, subject="removed", before="Cancelled")
    delete = asks("delete", "done", at=19.9, until=20.1)
    assert found([STARTED, removed], delete, there=()) == ""
    assert "nobody had asked" in found([STARTED, removed], [], there=())
    assert "while it was Running" in found([STARTED, removed._replace(before="Running")], delete, there=())
    assert "was deleted and is there" in found([STARTED], delete)
    left = Attempt("e", "a", 1, "Completed", 0, None, None, None)
    assert "not there: ['e']" in found([STARTED, removed], delete, there=(), attempts=(left,))


def test_a_fork_exists_once_it_was_acknowledged_and_no_other_does() -> None:
    fork = became("Pending", 10.0, fence=2)
    made, asked = Event("forked", "e", PROCESS), asks("fork", "done")
    assert found([fork], [*asked, made]) == ""
    assert "never was there" in found([], [*asked, made])
    assert "1 forks, and 0 were asked for" in found([fork], asks("fork", "not stored"))


def test_the_same_seed_gives_the_same_verbs_and_all_of_them() -> None:
    verbs = verbs_of(7, seconds=180.0)
    assert verbs == verbs_of(7, seconds=180.0) != verbs_of(8, seconds=180.0)
    assert {verb.name for verb in verbs} == set(WEIGHTS)
    assert any(verb.lives for verb in verbs)
    assert any(verb.by_command for verb in verbs)
