"""A verb meets a turn of the owner's, a takeover and a claim at every statement: one of them waits, and never both go on."""

import contextlib
import itertools

import pytest

from cloaca.errors import ExecutionStateError
from cloaca.model import steering
from cloaca.store.postgres.steering import PostgresSteering
from cloaca.store.signals import Fenced
from cloaca.store.steering import Fork
from tests import databases
from tests.store.rows import GRAPH, KNOWN, NOW, batch_of, finish, settle, start
from tests.store.steps import SteppedPostgres, SteppedPostgresStore, Stepper, blockers

STATEMENTS_TO_LOCK = 2
"""Begin, and the row of the owner, which a turn advances and a verb locks."""
MOST_STATEMENTS = 15
VERBS = {"cancel": steering.cancel, "pause": steering.pause}
LEADS_TO = {"cancel": "Cancelled", "pause": "Paused"}


class SteeringStore(SteppedPostgresStore):
    """A store whose verbs ask a stepper before each statement."""

    @property
    def steering(self):
        return PostgresSteering(self._step, schema=self.url.schema)

    def _step(self, work):
        return self._ask(lambda db: work(SteppedPostgres(db, self.stepper)))

    def is_blocked(self):
        db = self._reader
        return db is not None and bool(blockers(self.database, db.info.backend_pid))


def settle_as(runner, execution, *, is_last):
    """Work: settle a task of an execution, and finish it where that was the last."""
    rows = settle(execution, runner), *([finish(execution, runner)] if is_last else [])
    return lambda store: store.commit(batch_of(*rows))


def take_over(dead, execution):
    """Work: what a taker does with a dead runner's execution."""

    def work(store):
        store.declare_dead(dead)
        store.release(dead, [execution], now=NOW)
        store.remove_dead(dead)

    return work


def claim(store):
    return store.claim(KNOWN, structures=[GRAPH], limit=10, now=NOW)


def steer(verb, execution):
    return lambda store: store.steering.apply(execution, VERBS[verb], NOW)


class Meeting:
    """One database for many meetings, each over one execution of its own."""

    def __init__(self):
        self.database = databases.PostgresDatabase()
        self.database.db.execute(
            f"alter database {self.database.url.options['dbname']} set deadlock_timeout = '10ms'"
        )
        self.numbers = itertools.count()

    @contextlib.contextmanager
    def over(self, verb, *, other, is_owned=True):
        """The id, and what begins the verb and the other."""
        number = next(self.numbers)
        execution, owner, taker = f"e{number}", f"o{number}", f"t{number}"
        with contextlib.ExitStack() as stack:
            owning, acting, person = (
                stack.enter_context(contextlib.closing(make(self.database)))
                for make in (SteppedPostgresStore, SteppedPostgresStore, SteeringStore)
            )
            owning.join(owner, NOW)
            acting.join(taker, NOW)
            owning.commit(batch_of(GRAPH, start(execution, owner if is_owned else None)))
            acting.beat()
            person.read_execution(execution)
            works = {
                "turn": (owning, settle_as(owner, execution, is_last=False)),
                "last turn": (owning, settle_as(owner, execution, is_last=True)),
                "takeover": (acting, take_over(owner, execution)),
                "claim": (acting, claim),
            }
            yield execution, lambda: Stepper(person, steer(verb, execution)), lambda: Stepper(*works[other])

    def standing(self, execution):
        """Its status and fence, the fences of its events, and the statuses of its attempts."""
        [(status, fence)] = self.database.rows(
            "select status, fence from cloaca_executions where id = ?", execution
        )
        events = self.database.rows(
            "select fence from cloaca_events where execution_id = ? order by fence", execution
        )
        attempts = self.database.rows("select status from cloaca_attempts where execution_id = ?", execution)
        return status, fence, [event for (event,) in events], [attempt for (attempt,) in attempts]

    def owner(self, execution):
        return self.database.rows("select owner from cloaca_executions where id = ?", execution)[0][0]

    def rows_of(self, execution):
        """How many executions, attempts and events have its id."""
        tables = {"executions": "id", "attempts": "execution_id", "events": "execution_id"}
        counted = "select count(*) from cloaca_{} where {} = ?"
        return tuple(self.database.rows(counted.format(*table), execution)[0][0] for table in tables.items())

    def noted(self, execution):
        return self.database.rows("select runner from cloaca_steered where execution_id = ?", execution)


@pytest.fixture(scope="module")
def meeting():
    meeting = Meeting()
    yield meeting
    violations = meeting.database.rows("select * from violations")
    meeting.database.close()
    assert not violations


def meet(meeting, verb, other, before, *, verb_first, is_owned=True):
    """Let the first take so many steps, then the second as many as it can, then the first the rest.

    Returns:
        The execution, the stepper of the verb, that of the other, whether the second had to wait, and whether the first
        was under way then, with its first lock taken.
    """
    with meeting.over(verb, other=other, is_owned=is_owned) as (execution, begin_verb, begin_other):
        first = (begin_verb if verb_first else begin_other)()
        second = (begin_other if verb_first else begin_verb)()
        first.step(before)
        is_under_way = before >= STATEMENTS_TO_LOCK and not first.is_done
        second.go_on()
        waited = second.waits()
        first.finish()
        second.finish()
        person, another = (first, second) if verb_first else (second, first)
        return execution, person, another, waited, is_under_way


in_both_orders = pytest.mark.parametrize("verb_first", [True, False], ids=["verb first", "verb last"])
each_verb = pytest.mark.parametrize("verb", VERBS)


@in_both_orders
@each_verb
def test_of_a_verb_and_the_turn_that_settles_the_last_task_only_the_first_counts(meeting, verb, verb_first):
    for before in range(MOST_STATEMENTS):
        execution, person, turn, waited, is_under_way = meet(
            meeting, verb, "last turn", before, verb_first=verb_first
        )
        assert waited == is_under_way
        if person.error is None:
            assert isinstance(turn.error, Fenced)
            assert meeting.standing(execution) == (LEADS_TO[verb], 2, [2], [])
        else:
            assert turn.error is None
            assert isinstance(person.error, ExecutionStateError)
            assert meeting.standing(execution) == ("Completed", 1, [], ["Completed"])


@in_both_orders
@each_verb
def test_a_verb_and_any_turn_of_the_owner_wait_for_each_other(meeting, verb, verb_first):
    for before in range(MOST_STATEMENTS):
        execution, person, turn, waited, is_under_way = meet(
            meeting, verb, "turn", before, verb_first=verb_first
        )
        assert waited == is_under_way
        assert person.error is None
        is_settled = turn.error is None
        assert is_settled or isinstance(turn.error, Fenced)
        assert meeting.standing(execution) == (LEADS_TO[verb], 2, [2], ["Completed"] * is_settled)


def test_without_the_owners_row_a_verb_would_not_wait_for_a_turn(meeting, monkeypatch):
    def not_locked(self, run, execution):
        return steering.Standing(*run("read_standing", (execution,))[0])

    monkeypatch.setattr(PostgresSteering, "_locked", not_locked)
    _, person, turn, waited, is_under_way = meet(meeting, "pause", "turn", 3, verb_first=False)
    assert (waited, is_under_way) == (False, True)
    assert (person.error, turn.error) == (None, None), "what the owner settled was committed after the verb"


@in_both_orders
@each_verb
def test_a_verb_and_a_takeover_count_one_after_the_other(meeting, verb, verb_first):
    for before in range(MOST_STATEMENTS):
        execution, person, takeover, *_ = meet(meeting, verb, "takeover", before, verb_first=verb_first)
        assert (person.error, takeover.error) == (None, None)
        status, fence, events, _ = meeting.standing(execution)
        assert status == LEADS_TO[verb]
        assert events == list(range(2, fence + 1))
        assert meeting.owner(execution) is None
        assert meeting.noted(execution) == []


@in_both_orders
@each_verb
def test_a_verb_and_a_claim_count_one_after_the_other(meeting, verb, verb_first):
    for before in range(MOST_STATEMENTS):
        execution, person, claiming, *_ = meet(
            meeting, verb, "claim", before, verb_first=verb_first, is_owned=False
        )
        assert (person.error, claiming.error) == (None, None)
        is_claimed = execution in [one.id for one in claiming.result]
        status, fence, *_ = meeting.standing(execution)
        assert (status, fence) == (LEADS_TO[verb], 1 + is_claimed)
        assert meeting.noted(execution) == ([(f"t{execution[1:]}",)] if is_claimed else [])


def test_a_runner_does_not_forget_a_note_that_another_verb_is_about_to_renew(meeting):
    with meeting.over("pause", other="turn") as (execution, begin_pause, _):
        begin_pause().finish()
        owner = f"o{execution[1:]}"
        stores = [SteeringStore(meeting.database) for _ in range(2)]
        with contextlib.closing(stores[0]) as person, contextlib.closing(stores[1]) as forgetting:
            for store in stores:
                store.read_execution(execution)
            cancel = Stepper(person, steer("cancel", execution))
            cancel.step(7)
            forget = Stepper(forgetting, lambda store: store.steering.forget_steered(owner, [execution]))
            forget.go_on()
            waited = forget.waits()
            cancel.finish()
            forget.finish()
        assert waited
        assert (cancel.error, forget.error) == (None, None)


def fork(execution, attempts):
    kept = [(stored, stored.delta) for stored in attempts]
    made = Fork(f"fork of {execution}", execution, "b", "{}", kept, NOW)
    return lambda store: store.steering.fork(made)


def delete(execution):
    return lambda store: store.steering.delete(execution, steering.check_deletable)


def prune(execution):
    return lambda store: store.steering.remove(
        [row for row in store.steering.oldest(after=0, limit=10_000) if row.id == execution]
    )


@in_both_orders
@pytest.mark.parametrize("removal", [delete, prune])
def test_a_fork_keeps_all_or_is_not_made_where_its_source_is_removed_meanwhile(meeting, removal, verb_first):
    for before in range(MOST_STATEMENTS):
        with meeting.over("cancel", other="last turn") as (execution, _, begin_turn):
            begin_turn().finish()
            stores = [SteeringStore(meeting.database) for _ in range(2)]
            with contextlib.closing(stores[0]) as forking, contextlib.closing(stores[1]) as removing:
                attempts = forking.read_attempts(execution)
                removing.read_execution(execution)
                works = [(forking, fork(execution, attempts)), (removing, removal(execution))]
                first, second = (Stepper(*work) for work in (works if verb_first else works[::-1]))
                first.step(before)
                second.go_on()
                first.finish()
                second.finish()
        made, removed = (first, second) if verb_first else (second, first)
        assert (made.error, removed.error) == (None, None)
        assert meeting.rows_of(f"fork of {execution}") == ((1, 1, 1) if made.result else (0, 0, 0))
