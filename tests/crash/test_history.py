"""The history checker finds what is wrong: each mistake is planted in the code, and a scene gives it its occasion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.crash import mistakes, scenes
from tests.crash.audits import read_tables
from tests.crash.by_hand import HandRunner
from tests.crash.history import History, violations
from tests.crash.journal import Event
from tests.crash.processes import Site
from tests.crash.shapes import CHAIN, DIAMOND, expected_of

STEERED = {"Paused", "Resumed", "Cancelled", "Retried"}
EXPECTED = {shape.name: expected_of(shape) for shape in (CHAIN, DIAMOND)}


class Planted(NamedTuple):
    """A mistake, the scene in which it shows, and the invariants that it breaks."""

    mistake: Callable[[pytest.MonkeyPatch], None]
    scene: Callable[[Site], int]
    broken: set[str]


PLANTED = [
    Planted(mistakes.completion_without_fence_condition, scenes.late_completion, {"I2"}),
    Planted(mistakes.takeover_in_two_transactions, scenes.claim_beside_another, {"I8"}),
    Planted(mistakes.start_before_the_commit_of_a_dependency, scenes.plain_run, {"I4"}),
    Planted(mistakes.claim_without_owner_check, scenes.claim_beside_the_living, {"I2"}),
    Planted(mistakes.claim_without_status_check, scenes.claim_beside_the_living, {"I5"}),
    Planted(mistakes.settle_without_runner_row, scenes.settle_after_death, {"I2"}),
    Planted(mistakes.release_without_owner_check, scenes.late_release, {"I2"}),
    Planted(mistakes.body_run_again_after_its_commit, scenes.recovery, {"I8"}),
    Planted(mistakes.task_decided_twice, scenes.recovery, {"I3", "I5", "I8"}),
    Planted(mistakes.completion_without_fence_condition, scenes.cancel_beside_a_body, {"I2"}),
    Planted(mistakes.retry_of_what_has_completed, scenes.cancel_beside_a_body, {"I3", "I8"}),
    Planted(mistakes.claim_of_what_is_paused, scenes.pause_of_what_nobody_runs, {"I2"}),
    Planted(mistakes.finish_apart_from_the_last_task, scenes.death_in_the_last_turn, {"I6"}),
    Planted(mistakes.acknowledgement_before_the_commit, scenes.death_before_a_start, {"I1"}),
    Planted(mistakes.doubled_list_element, scenes.plain_run, {"I9"}),
]


def history_of(site: Site, interruptions: int) -> History:
    tables = read_tables(site.url)
    verbs = Counter(event.execution for event in tables.happenings if event.kind in STEERED)
    return History(tables, site.journal.read(), interruptions, EXPECTED, verbs=verbs)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while HandRunner.made:
        HandRunner.made.pop().store.close()


@pytest.mark.parametrize("scene", sorted({case.scene.__name__ for case in PLANTED}))
def test_a_scene_is_right_as_long_as_nothing_is_planted(scene: str, tmp_path: Path) -> None:
    site = Site(str(tmp_path))
    assert violations(history_of(site, getattr(scenes, scene)(site))) == []


@pytest.mark.parametrize(
    "planted", PLANTED, ids=lambda planted: f"{planted.mistake.__name__}, {planted.scene.__name__}"
)
def test_a_planted_mistake_is_found(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(str(tmp_path))
    planted.mistake(monkeypatch)
    found = violations(history_of(site, planted.scene(site)))
    assert planted.broken <= {line.split()[0] for line in found}, found


DOCTORED: dict[str, Callable[[History], History]] = {
    "I1": lambda h: replace(h, events=[*h.events, Event("acknowledged", "another", 1, workflow="diamond")]),
    "I3": lambda h: replace(h, events=[event._replace(fence=event.fence + 1) for event in h.events]),
    "I6": lambda h: replace(h, tables=h.tables._replace(runners={"somebody"})),
    "I7": lambda h: replace(h, events=[*h.events, h.starts[0]._replace(fence=7)]),
    "I8": lambda h: replace(h, events=[event for event in h.events if event.kind != "start"]),
    "I9": lambda h: replace(h, events=[event._replace(status="Failed") for event in h.events]),
    "I11": lambda h: replace(h, tables=h.tables._replace(attempts=h.tables.attempts[1:])),
    "I14": lambda h: replace(h, tables=h.tables._replace(integrity="row 1 missing from index")),
}
"""What cannot be brought about here: a body that leaves no trace, a settle that names another claim, a torn file."""


@pytest.mark.parametrize("broken", DOCTORED)
def test_a_doctored_history_is_found(broken: str, tmp_path: Path) -> None:
    site = Site(str(tmp_path))
    history = history_of(site, scenes.plain_run(site))
    assert broken in {line.split()[0] for line in violations(DOCTORED[broken](history))}
