"""What each verb makes of an execution in each state, on both databases, by its owner's process and by another."""

import pytest

from cloaca.errors import ExecutionStateError
from cloaca.model.steering import check_deletable
from tests.steering.scenes import (
    ENDED,
    OPEN,
    PAUSED,
    Scene,
    cancelled,
    completed,
    failed,
    handed_over,
    paused_at_rest,
    paused_while_it_runs,
    ready,
    retrying,
    running,
    unclaimed,
)  # fmt: skip

REFUSED = "refused"
STATUSES = {
    # scene: (before, after cancel, after pause, after resume, after retry)
    unclaimed: ("Pending", "Cancelled", "Paused", "Pending", REFUSED),
    ready: ("Running", "Cancelled", "Paused", "Running", REFUSED),
    running: ("Running", "Cancelled", "Paused", "Running", REFUSED),
    retrying: ("Running", "Cancelled", "Paused", "Running", REFUSED),
    handed_over: ("Running", "Cancelled", "Paused", "Running", REFUSED),
    paused_while_it_runs: ("Paused", "Cancelled", "Paused", "Running", REFUSED),
    paused_at_rest: ("Paused", "Cancelled", "Paused", "Running", REFUSED),
    completed: ("Completed", REFUSED, REFUSED, REFUSED, REFUSED),
    failed: ("Failed", REFUSED, REFUSED, REFUSED, "Running"),
    cancelled: ("Cancelled", "Cancelled", REFUSED, REFUSED, "Running"),
}
COLUMNS = ("before", "cancel", "pause", "resume", "retry")
CELLS = [(scene, verb) for scene in STATUSES for verb in COLUMNS[1:]]
SCENES = [*OPEN, *PAUSED, *ENDED]


def expected(scene, column):
    return STATUSES[scene][COLUMNS.index(column)]


@pytest.fixture(params=[True, False], ids=["by the owner's process", "by another process"])
def scene(request, bench):
    return Scene(bench, in_process=request.param)


def test_every_scene_has_a_row():
    assert set(STATUSES) == set(SCENES)


@pytest.mark.parametrize(("make", "verb"), CELLS, ids=[f"{make.__name__} {verb}" for make, verb in CELLS])
def test_a_verb_leads_where_the_table_says_or_changes_nothing(scene, make, verb):
    make(scene)
    before = scene.row
    assert before.status == expected(make, "before")
    if expected(make, verb) == REFUSED:
        with pytest.raises(ExecutionStateError, match=before.status) as refused:
            scene.steer(verb)
        assert refused.value.status == before.status
        assert scene.row == before
        return
    scene.steer(verb)
    assert scene.status == expected(make, verb)
    changed = scene.status != before.status
    assert scene.row.fence - before.fence in ((1, 2) if changed else (0,))
    assert (before.owner is None or scene.row.fence > before.fence) or not changed


@pytest.mark.parametrize("make", [*OPEN, *PAUSED])
def test_what_is_cancelled_runs_no_further_and_what_ran_leaves_nothing(scene, make):
    make(scene)
    before = [attempt for attempt in scene.attempts if attempt[2] != "Running"]
    submitted = list(scene.hand.submitted())
    scene.steer("cancel")
    scene.run()
    assert scene.status == "Cancelled"
    assert [attempt for attempt in scene.attempts if attempt[2] != "Cancelled"] == before
    assert scene.hand.submitted() == submitted
    assert scene.hand.core.live == {}


@pytest.mark.parametrize("make", [ready, running, retrying, handed_over])
def test_what_is_paused_ends_what_runs_and_goes_on_when_it_is_resumed(scene, make):
    make(scene)
    began = len(scene.jobs)
    scene.steer("pause")
    scene.end()
    scene.bench.clock.move(61)
    scene.hand.turn()
    scene.hand.turn()
    assert scene.status == "Paused"
    assert scene.hand.core.live == {}
    assert scene.hand.begin() is None
    assert [task for task, _, status in scene.attempts if status == "Completed"] == ["a"] * (
        began or make is handed_over
    )
    scene.hand.core.plan_of(scene.code.workflow)
    scene.steer("resume")
    scene.run()
    assert scene.status == "Completed"
    completed = [task for task, _, status in scene.attempts if status == "Completed"]
    assert completed == ["a", "b"]


@pytest.mark.parametrize("make", [failed, cancelled])
def test_a_retry_runs_what_is_not_completed_to_the_end(scene, make):
    make(scene)
    scene.steer("retry")
    scene.run()
    assert (scene.status, scene.row.round) == ("Completed", 2)
    assert [attempt for attempt in scene.attempts if attempt[2] == "Completed"] == [("a", 2, "Completed"), ("b", 1, "Completed")] if make is failed else True  # fmt: skip
    assert "Retried" in scene.events


@pytest.mark.parametrize("make", SCENES)
def test_only_what_has_ended_is_deleted_with_all_that_is_stored_of_it(scene, make):
    make(scene)
    steering = scene.bench.observer.steering
    if make not in ENDED:
        with pytest.raises(ExecutionStateError, match="cancel it first"):
            steering.delete(scene.execution, check_deletable)
        assert scene.row
        return
    assert steering.delete(scene.execution, check_deletable)
    assert (scene.row, scene.attempts, scene.events) == (None, [], [])
    assert not steering.delete(scene.execution, check_deletable)


@pytest.mark.parametrize("make", SCENES)
def test_the_fences_of_events_have_no_gaps(scene, make):
    make(scene)
    for verb in ("pause", "resume", "cancel", "retry", "pause", "resume"):
        try:
            scene.steer(verb)
        except ExecutionStateError:
            continue
        scene.hand.core.plan_of(scene.code.workflow)
        scene.bench.clock.move(2)
        scene.hand.turn()
        scene.hand.turn()
    scene.run()
    fences = [event.fence for event in scene.bench.observer.steering.events(scene.execution)]
    last = scene.row.fence
    assert fences in (list(range(1, last + 1)), list(range(2, last + 1)))
