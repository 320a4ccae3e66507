"""What a watcher makes of what it has seen, look by look."""

from typing import NamedTuple

import pytest

from cloaca.model.liveness import SECONDS_BETWEEN_PROOFS, Liveness, Seen, Verdict

LEASE = 10.0  # in SECONDS_BETWEEN_PROOFS, as all times here
LONGEST_STEP = 2.5
HELD, FREE, UNKNOWN = True, False, None
ALIVE, CRASHED, SILENT = Verdict


class Look(NamedTuple):
    """One look at one runner: how long after the first, in ``SECONDS_BETWEEN_PROOFS``, what is seen, and what is to be made of it."""

    at: float
    turn: int
    lock: bool | None
    verdict: Verdict
    could_write: bool = True


STORIES = {
    "a lock that is held proves life until the lease ends": (
        2,
        [Look(0, 7, HELD, ALIVE), Look(2, 7, HELD, ALIVE), Look(4, 7, HELD, ALIVE), Look(6, 7, HELD, ALIVE)],
    ),
    "a lock that is free at one look proves death where one is enough": (1, [Look(0, 7, FREE, CRASHED)]),
    "where two are needed the second must be late enough": (
        2,
        [
            Look(0, 7, FREE, ALIVE),
            Look(0.4, 7, FREE, ALIVE),
            Look(0.999, 7, FREE, ALIVE),
            Look(1, 7, FREE, CRASHED),
        ],
    ),
    "looks that come fast do not put the second one off": (
        2,
        [Look(n / 4, 7, FREE, CRASHED if n == 4 else ALIVE) for n in range(5)],
    ),
    "three looks are each late enough after the one before": (
        3,
        [
            Look(0, 7, FREE, ALIVE),
            Look(1.5, 7, FREE, ALIVE),
            Look(2.0, 7, FREE, ALIVE),
            Look(2.5, 7, FREE, CRASHED),
        ],
    ),
    "a turn that moves between two looks is life": (
        2,
        [
            Look(0, 7, FREE, ALIVE),
            Look(1, 8, FREE, ALIVE),
            Look(2, 9, FREE, ALIVE),
            Look(3, 9, FREE, CRASHED),
        ],
    ),
    "a lock that is taken again between two looks is life": (
        2,
        [
            Look(0, 7, FREE, ALIVE),
            Look(1, 7, HELD, ALIVE),
            Look(2, 7, FREE, ALIVE),
            Look(3, 7, FREE, CRASHED),
        ],
    ),
    "a lock that proves nothing for a while begins the proof anew": (
        2,
        [
            Look(0, 7, FREE, ALIVE),
            Look(1, 7, UNKNOWN, ALIVE),
            Look(2, 7, FREE, ALIVE),
            Look(3, 7, FREE, CRASHED),
        ],
    ),
    "where no lock proves anything only the lease does": (
        1,
        [Look(2 * n, 7, UNKNOWN, ALIVE if n < 5 else SILENT) for n in range(7)],
    ),
    "a lock that is held does not excuse silence for ever": (
        2,
        [Look(2 * n, 7, HELD, ALIVE if n < 5 else SILENT) for n in range(7)],
    ),
    "a turn that moves ends the silence": (
        1,
        [
            *(Look(2 * n, 7, HELD, ALIVE) for n in range(5)),
            Look(10, 8, HELD, ALIVE),
            Look(12, 8, HELD, ALIVE),
        ],
    ),
    "a turn that goes back is another turn": (
        1,
        [*(Look(2 * n, 7, HELD, ALIVE) for n in range(5)), Look(10, 1, HELD, ALIVE)],
    ),
    "a watcher that was stopped itself counts one step and no more": (
        1,
        [Look(0, 7, HELD, ALIVE), Look(100_000, 7, HELD, ALIVE), Look(100_002, 7, HELD, ALIVE)],
    ),
    "time in which the watcher could not write is not counted": (
        1,
        [
            Look(0, 7, HELD, ALIVE),
            *(Look(2 * n, 7, HELD, ALIVE, could_write=False) for n in range(1, 50)),
            *(Look(98 + 2 * n, 7, HELD, ALIVE if n < 5 else SILENT) for n in range(1, 7)),
        ],
    ),
    "a proven death counts although the watcher could not write": (
        2,
        [Look(0, 7, FREE, ALIVE, could_write=False), Look(1, 7, FREE, CRASHED, could_write=False)],
    ),
    "death is proven before the lease is spoken of": (
        2,
        [
            *(Look(2 * n, 7, HELD, ALIVE) for n in range(5)),
            Look(10, 7, FREE, SILENT),
            Look(12, 7, FREE, CRASHED),
        ],
    ),
}


def watcher(looks):
    return Liveness(
        lease_seconds=LEASE * SECONDS_BETWEEN_PROOFS, looks=looks,
        longest_step=LONGEST_STEP * SECONDS_BETWEEN_PROOFS,
    )  # fmt: skip


@pytest.mark.parametrize(("looks", "story"), STORIES.values(), ids=STORIES)
@pytest.mark.parametrize("start", [0.0, 1e6])
def test_of_what_was_seen_this_is_made(looks, story, start):
    liveness = watcher(looks)
    for look in story:
        seen = [Seen("r", look.turn, look.lock)]
        verdicts = liveness.look(
            seen, now=start + look.at * SECONDS_BETWEEN_PROOFS, could_write=look.could_write
        )
        assert verdicts == {"r": look.verdict}, look


def test_runners_are_judged_apart():
    liveness = watcher(1)
    for second in range(0, 12, 2):
        seen = [Seen("stopped", 1, HELD), Seen("busy", second, HELD), Seen(f"dead {second}", 1, FREE)]
        verdicts = liveness.look(seen, now=second * SECONDS_BETWEEN_PROOFS, could_write=True)
    assert verdicts == {"stopped": SILENT, "busy": ALIVE, "dead 10": CRASHED}


def test_a_runner_that_was_away_is_met_for_the_first_time_again():
    liveness = watcher(2)
    free = [Seen("r", 7, FREE)]
    liveness.look(free, now=0, could_write=True)
    liveness.look([], now=1, could_write=True)
    assert liveness.look(free, now=2, could_write=True) == {"r": ALIVE}


@pytest.mark.parametrize(
    ("looks", "lock", "suspicious"), [(2, FREE, True), (2, HELD, False), (2, UNKNOWN, False)]
)
def test_another_look_is_asked_for_where_it_would_prove_something(looks, lock, suspicious):
    liveness = watcher(looks)
    assert not liveness.is_suspicious
    liveness.look([Seen("r", 7, lock)], now=0, could_write=True)
    assert liveness.is_suspicious is suspicious
    liveness.look([], now=1, could_write=True)
    assert not liveness.is_suspicious
