"""The checks of many runners find what is wrong in a history that is made by hand."""

from __future__ import annotations

from tests.chaos.checks import charge_violations, late_writes, met_by
from tests.crash.history import History
from tests.crash.journal import Event
from tests.crash.tables import Change, Tables

PROCESS = 7
NOBODY = Change(0, "", "", "", 0, None, None, None, None, 0, 0, None, 0, None, "", 0, 0.0)


def changes(*made: Change) -> list[Change]:
    return [change._replace(seq=number) for number, change in enumerate(made, 1)]


def history(*made: Change, events: list[Event] | None = None) -> History:
    return History(Tables([], [], {}, set(), changes(*made), "ok"), events or [], 1, {})


def turn(runner: str) -> Change:
    return NOBODY._replace(subject="turn", owner=runner, writer=runner)


def declared_dead(runner: str, *, by: str) -> Change:
    return NOBODY._replace(subject="dead", owner=runner, writer=by)


def suspect(charges: int, *, owner: str = "dead", task: str = "a") -> Change:
    return NOBODY._replace(
        subject="attempt", execution="e", task=task, attempt=1, after="Suspect", owner=owner, charges=charges, writer="taker"
    )  # fmt: skip


def body(kind: str, task: str) -> Event:
    return Event(kind, "e", PROCESS, task=task, attempt=1, fence=1)


def fault(kind: str) -> Event:
    return Event(kind, "", 1, workflow=str(PROCESS), key="dead")


def test_a_turn_of_a_runner_that_was_declared_dead_is_a_late_write() -> None:
    assert list(late_writes(history(turn("a"), declared_dead("a", by="b"), turn("b")))) == []
    assert len(list(late_writes(history(declared_dead("a", by="b"), turn("a"))))) == 1


def test_a_charge_needs_a_kill() -> None:
    assert "nobody had killed" in "".join(charge_violations(history(suspect(0), suspect(1))))
    events = [body("start", "a"), fault("killed")]
    assert list(charge_violations(history(suspect(0), suspect(1), events=events))) == []


def test_a_charge_of_a_body_that_did_not_run_alone_is_found() -> None:
    beside = [body("start", "a"), body("start", "b"), fault("killed")]
    assert "ran beside it: b of e" in "".join(charge_violations(history(suspect(1), events=beside)))
    over = [body("start", "b"), body("end", "b"), body("start", "a"), fault("killed"), body("start", "c")]
    assert list(charge_violations(history(suspect(1), events=over))) == []


def test_a_fault_meets_the_bodies_that_have_begun_and_not_ended_in_its_process() -> None:
    elsewhere = body("start", "d")._replace(pid=8)
    events = [
        body("start", "a"),
        body("start", "b"),
        elsewhere,
        body("end", "a"),
        fault("paused"),
        body("end", "b"),
    ]
    met = [[event.task for event in bodies] for _, bodies in met_by(history(events=events), "paused")]
    assert met == [["b"]]
