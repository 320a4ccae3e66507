"""A turn and whoever takes its runner for dead meet at every statement: one of them waits, and only one settles."""

import contextlib
import itertools

import pytest

from cloaca.store.rows import SuspectRow
from cloaca.store.signals import Fenced, RunnerLost
from tests import databases
from tests.store.rows import GRAPH, KNOWN, NOW, batch_of, finish, settle, start
from tests.store.steps import Stepper, stepped

STATEMENTS_OF_A_TURN = 5
"""Begin, the turn, a settle, a finish, commit."""


def settle_as(runner, execution, *, fence=1):
    """Work: settle the only task of an execution and finish it."""
    rows = settle(execution, runner, fence=fence, delta=runner), finish(execution, runner, fence=fence)
    return lambda store: store.commit(batch_of(*rows))


def take_over(dead, runner):
    """Work: declare a runner dead, release what it owned, remove it, claim, and settle what was claimed."""

    def work(store):
        store.declare_dead(dead)
        owned = [row.id for row in store.owned_by(dead, limit=10)]
        store.release(dead, owned, [SuspectRow(id, "a", 1, 1, 0, NOW) for id in owned], now=NOW)
        store.remove_dead(dead)
        claimed = store.claim(KNOWN, structures=[GRAPH], limit=10, now=NOW)
        for execution in claimed:
            settle_as(runner, execution.id, fence=execution.fence)(store)
        return [execution.id for execution in claimed]

    return work


class Meeting:
    """One database for many meetings, each of two new runners over one execution of its own."""

    def __init__(self, kind):
        self.database = databases.new(kind)
        self.numbers = itertools.count()
        self.keeper = self.database.store()
        self.keeper.join("keeper", NOW)

    @contextlib.contextmanager
    def of_two(self):
        number = next(self.numbers)
        execution, victim, taker = f"e{number}", f"v{number}", f"t{number}"
        with contextlib.ExitStack() as stack:
            stores = [stepped(self.database) for _ in range(2)]
            for store, runner in zip(stores, (victim, taker), strict=True):
                stack.callback(store.close)
                store.join(runner, NOW)
            stores[0].commit(batch_of(GRAPH, start(execution, victim)))
            stores[1].beat()
            yield (
                execution,
                lambda: Stepper(stores[0], settle_as(victim, execution)),
                lambda: Stepper(stores[1], take_over(victim, taker)),
            )

    def check(self, execution, turn, takeover):
        """Exactly one of them has settled the execution, and the other knows that it has not."""
        assert takeover.error is None, takeover.error
        victim, taker = f"v{execution[1:]}", f"t{execution[1:]}"
        [(status, writer)] = self.database.rows(
            "select status, delta from cloaca_attempts where execution_id = ?", execution
        )
        assert status == "Completed"
        if turn.error is None:
            assert (writer, takeover.result) == (victim, [])
        else:
            assert isinstance(turn.error, (RunnerLost, Fenced))
            assert (writer, takeover.result) == (taker, [execution])
        [(ended, owner)] = self.database.rows(
            "select status, owner from cloaca_executions where id = ?", execution
        )
        assert (ended, owner) == ("Completed", None)

    def close(self):
        self.keeper.close()
        violations = self.database.rows("select * from violations")
        self.database.close()
        assert not violations


@pytest.fixture(params=databases.KINDS)
def meeting(request):
    with contextlib.closing(Meeting(request.param)) as meeting:
        yield meeting


def test_a_takeover_that_comes_at_any_statement_of_a_turn_waits_for_it_or_is_first(meeting):
    winners = set()
    for before in range(STATEMENTS_OF_A_TURN + 1):
        with meeting.of_two() as (execution, begin_turn, begin_takeover):
            turn, takeover = begin_turn(), begin_takeover()
            turn.step(before)
            takeover.go_on()
            has_begun = 1 < before < STATEMENTS_OF_A_TURN
            assert takeover.waits() or not has_begun, "a turn is under way and nobody waits for it"
            turn.finish()
            takeover.finish()
            meeting.check(execution, turn, takeover)
            assert not has_begun or turn.error is None, "it was first"
            winners.add(turn.error is None)
    # On SQLite who has the gate is first, and a turn has it before its first statement.
    assert winners == ({True} if meeting.database.kind == "sqlite" else {True, False})


def test_a_turn_that_comes_at_any_statement_of_a_takeover_waits_for_it_or_is_first(meeting):
    winners = set()
    for before in itertools.count():
        with meeting.of_two() as (execution, begin_turn, begin_takeover):
            takeover = begin_takeover()
            takeover.step(before)
            assert takeover.statements == before or takeover.is_done
            was_done = takeover.is_done
            turn = begin_turn()
            turn.go_on()
            takeover.finish()
            turn.finish()
            meeting.check(execution, turn, takeover)
            winners.add(turn.error is None)
        if was_done:
            break
    assert before > 20
    # On SQLite who has the gate is first, and a takeover has it before its first statement.
    assert winners == ({False} if meeting.database.kind == "sqlite" else {True, False})


def test_two_runners_that_take_each_other_for_dead_do_not_both_go_on(place):
    if place.kind == "postgres":
        place.database.db.execute(
            f"alter database {place.database.url.options['dbname']} set deadlock_timeout = '10ms'"
        )
    one = place.joined("r1", lambda: stepped(place.database))
    two = place.joined("r2", lambda: stepped(place.database))
    first = Stepper(one, lambda store: store.declare_dead("r2"))
    first.step(2)
    second = Stepper(two, lambda store: store.declare_dead("r1"))
    second.go_on()
    first.finish()
    second.finish()
    errors = [first.error, second.error]
    assert sorted(type(error) for error in errors if error) == [RunnerLost]
