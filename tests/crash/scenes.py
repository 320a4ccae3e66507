"""Interleavings that are right with the code as it is, and each the occasion for one mistake to show.

A scene returns how many runners died or left while a body ran.
"""

from __future__ import annotations

import contextlib
from typing import Any

from cloaca.errors import ExecutionStateError
from cloaca.model import steering
from tests.crash.by_hand import HandRunner
from tests.crash.processes import Site
from tests.crash.shapes import CHAIN, DIAMOND


class Died(BaseException):
    """Ends a turn where a process would have been killed."""


def plain_run(site: Site) -> int:
    """One runner runs one execution, with a join."""
    runner = HandRunner(site, DIAMOND)
    runner.start()
    runner.finish()
    return _ended(runner)


def late_completion(site: Site) -> int:
    """A body outlives the clean hand-over of its execution and ends after the next owner has claimed it."""
    first = HandRunner(site, CHAIN)
    first.store.release(first.id, [first.start()], now=0.0)
    second = HandRunner(site, CHAIN)
    first.settle()
    second.finish()
    return _ended(first, second, interruptions=1)


def claim_beside_another(site: Site) -> int:
    """Just before one runner claims, another has the execution for a moment and completes a task."""
    dead, other, claiming = (HandRunner(site, CHAIN) for _ in range(3))
    dead.start()
    dead.die()
    _release(dead, claiming)

    def interlude() -> None:
        other.look()
        other.settle()
        other.hand_over()

    _before_the_next_transaction(claiming, interlude)
    claiming.finish()
    return _ended(claiming, interruptions=2)


def _release(dead: HandRunner, taker: HandRunner) -> None:
    taker.store.declare_dead(dead.id)
    taker.store.release(dead.id, [owned.id for owned in taker.store.owned_by(dead.id, limit=10)], now=0.0)
    taker.store.remove_dead(dead.id)


def _before_the_next_transaction(runner: HandRunner, interlude: Any) -> None:
    transaction = runner.store._turn_of

    def after_interlude(*write: Any, **how: Any) -> Any:
        runner.store._turn_of = transaction  # type: ignore[method-assign]
        interlude()
        return transaction(*write, **how)

    runner.store._turn_of = after_interlude  # type: ignore[method-assign]


def claim_beside_the_living(site: Site) -> int:
    """One execution waits, one is finished, one belongs to a runner that lives."""
    living = HandRunner(site, CHAIN)
    living.start()
    living.finish()
    leaving = HandRunner(site, CHAIN)
    leaving.start()
    leaving.hand_over()
    living.start()
    other = HandRunner(site, CHAIN)
    other.finish()
    living.finish()
    return _ended(living, other, interruptions=1)


def settle_after_death(site: Site) -> int:
    """A runner that is declared dead wakes up and settles before its executions are released."""
    zombie, taker = HandRunner(site, CHAIN), HandRunner(site, CHAIN)
    zombie.start()
    zombie.die()
    taker.store.declare_dead(zombie.id)
    zombie.settle()
    taker.finish()
    zombie.finish()
    return _ended(zombie, taker, interruptions=1)


def late_release(site: Site) -> int:
    """Two runners take over from a dead one; the slower releases what the faster has claimed already."""
    dead, fast, slow = (HandRunner(site, CHAIN) for _ in range(3))
    execution = dead.start()
    dead.die()
    fast.look()
    slow.store.release(dead.id, [execution], now=0.0)
    fast.finish()
    slow.finish()
    return _ended(fast, slow, interruptions=1)


def recovery(site: Site) -> int:
    """A runner dies after its first task, another goes on."""
    dead, taker = HandRunner(site, CHAIN), HandRunner(site, CHAIN)
    dead.start()
    dead.settle()
    dead.die()
    taker.finish()
    return _ended(taker, interruptions=1)


def cancel_beside_a_body(site: Site) -> int:
    """Somebody cancels what a runner runs, whose body ends then, and has it tried again."""
    runner = HandRunner(site, CHAIN)
    execution = runner.start()
    runner.settle()
    runner.store.steering.apply(execution, steering.cancel, 1.0)
    runner.settle()
    runner.store.steering.apply(execution, steering.retry, 2.0)
    runner.finish()
    return _ended(runner)


def pause_of_what_nobody_runs(site: Site) -> int:
    """Somebody pauses what a runner has left; another looks for work, before and after it is resumed."""
    leaving, other = HandRunner(site, CHAIN), HandRunner(site, CHAIN)
    execution = leaving.start()
    leaving.hand_over()
    other.store.steering.apply(execution, steering.pause, 1.0)
    other.finish()
    with contextlib.suppress(ExecutionStateError):
        other.store.steering.apply(execution, steering.resume, 2.0)
    other.finish()
    return _ended(other, interruptions=1)


def death_in_the_last_turn(site: Site) -> int:
    """A runner may die in the turn that settles the last task; another goes on."""
    first, taker = HandRunner(site, CHAIN), HandRunner(site, CHAIN)
    first.start()
    with contextlib.suppress(Died):
        first.finish()
    first.die()
    taker.finish()
    return _ended(taker, interruptions=1)


def death_before_a_start(site: Site) -> int:
    """A runner dies just before the commit of a start."""
    dead, taker = HandRunner(site, CHAIN), HandRunner(site, CHAIN)

    def die(*_: Any) -> None:
        raise Died

    dead.store.commit = die  # type: ignore[method-assign,assignment]
    with contextlib.suppress(Died):
        dead.start()
    dead.die()
    taker.finish()
    return _ended(taker, interruptions=1)


def _ended(*runners: HandRunner, interruptions: int = 0) -> int:
    """Let all who live leave, and write down what has come of it."""
    runners[0].note_results()
    for runner in runners:
        runner.hand_over()
        runner.store.close()
    return interruptions
