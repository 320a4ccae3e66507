"""What must hold at every moment of a schedule, and at its end, by what the database says."""

import contextlib
import re

from cloaca.engine.completions import Finished
from cloaca.insights import read_record
from cloaca.model.values import decode
from tests.engine.reference import End, end_of, expected, final_context, outcome, runs
from tests.engine.rounds import (
    all_before,
    attempts_of,
    check_prefix,
    end_in,
    ends_of,
    events_of,
    rounds_of,
)
from tests.insights.agreement import check_history

OPEN = End("Open", 0, None)


class Violation(AssertionError):
    """Something happened that must not."""


class Witness:
    """Looks at the database through a connection of its own."""

    def __init__(self, database):
        self.database = database
        self.acknowledged = {}
        self.refused = set()
        self.deleted = set()
        """Executions that somebody has deleted, or tried to without an answer."""
        self.steered_at = {}
        """By execution: the number of the last verb."""

    def rows(self, sql, *parameters):
        return self.database.rows(sql, *parameters)

    def demand(self, holds, what, *details):
        if not holds:
            raise Violation(f"{what}: {details}")

    # -- at every moment -----------------------------------------------------------------------------------------------

    def submitted(self, jobs, run_of, runner):
        """I4: a body is handed out only after the commits of all it depends on, and only if its rule holds."""
        for job in jobs:
            found = self.rows("select fence from cloaca_executions where id = ?", job.execution_id)
            if not found and self.was_steered_in_this_turn(job, runner):
                continue
            self.demand(found, "I4: submitted before its execution was committed", job)
            state = runner.engine.core.live[job.execution_id]
            if found[0][0] != state.fence:
                steered = self.was_steered_in_this_turn(job, runner)
                self.demand(steered, "handed out after it was steered", job, found, state.fence)
                continue
            self.check_submitted(job, run_of[job.execution_id])

    def was_steered_in_this_turn(self, job, runner):
        """A turn that writes nothing of an execution does not see what comes while it is taken."""
        return self.steered_at.get(job.execution_id, -1) >= runner.turn_began or runner.is_outlived

    def check_submitted(self, job, run):
        run, rows = self.last_round(job.execution_id, run)
        decided = run.past.ends | ends_of(rows)
        early = all_before(run, job.task.id) - set(decided)
        self.demand(not early, "I4: submitted before its dependencies", job, decided)
        self.demand(job.task.id not in decided, "I5: submitted although it is decided", job, decided)
        self.demand(runs(run, job.node, decided), "I4: submitted against its rule", job, decided)

    def last_round(self, execution, run):
        """The run of the round that an execution is in, and its rows."""
        return rounds_of(run, attempts_of(self, execution), events_of(self, execution))[-1]

    def began(self, job, runner, before, is_poisoned):
        """I7, I8: a body runs again only where its runner went; nothing begins beside a suspect that runs alone."""
        self.demand(
            runner.disturbed or is_poisoned(job.execution_id) or all(earlier.disturbed for earlier in before),
            "I8: a body ran again",
            job,
            runner.engine.core.runner,
        )
        self.check_not_steered(job, runner)
        alone = self.rows(
            "select execution_id, task from cloaca_attempts a join cloaca_executions e on e.id = a.execution_id "
            "where owner = ? and a.status = 'Running' and alone", runner.engine.core.runner
        )  # fmt: skip
        beside = set(alone) - {(job.execution_id, job.task.id)}
        beside = {(execution, task) for execution, task in beside if not is_poisoned(execution)}
        self.demand(not beside, "a body began beside a suspect that runs alone", job, beside)

    def check_not_steered(self, job, runner):
        """What was steered begins only where the runner has not heard of it yet, and had handed the body out before.

        Where it has heard, nothing begins of what is paused but a suspect whose start was on record, and nothing at all
        of what was cancelled, deleted or started again.
        """
        state = runner.engine.core.live.get(job.execution_id)
        self.demand(state is not None and state.claim == job.claim, "a body began of what is not held", job)
        found = self.rows("select status, owner, fence from cloaca_executions where id = ?", job.execution_id)
        if not found or found[0][2] > state.fence:
            return
        [(status, owner, _)] = found
        rows = [row for row in attempts_of(self, job.execution_id) if row.task == job.task.id]
        noted = any(row.attempt == job.attempt and row.status == "Running" for row in rows)
        self.demand(owner == runner.engine.core.runner, "a body began of what is another's", job, found)
        self.demand(status == "Running" or noted, "a body began of what is paused", job, found)
        completed = any(row.status == "Completed" for row in rows)
        self.demand(not completed, "I5: a body began that had completed", job, rows)

    def deleting(self, execution):
        """Somebody may delete it: what is gone and was never acknowledged to be is not lost."""
        self.deleted.add(execution)

    def answered(self, asked, answer):
        self.demand(len(asked.answers) == 1, "a request was answered twice", asked.answers)
        for new, run in zip(asked.request.executions, asked.runs, strict=True):
            if isinstance(answer, BaseException):
                self.refused.add(new.id)
                continue
            execution = answer[new.id].id if new.id in answer else new.id
            found = self.rows("select 1 from cloaca_executions where id = ?", execution)
            self.demand(found or execution in self.deleted, "I1: acknowledged and not there", execution)
            self.acknowledged[execution] = run

    def told(self, execution, news):
        """I9: a result that is handed out is what is committed."""
        if not isinstance(news, Finished):
            return
        with contextlib.closing(self.database.store()) as store:
            record = read_record(store, execution, code_of=None)
        committed = record.status, record.error_message, dict(record.context)
        handed = (
            news.status,
            news.error_message,
            {key: decode(text) for key, text in news.view.texts().items()},
        )
        self.demand(handed == committed, "I9: a result that is not committed", execution, handed, committed)

    # -- at the end ----------------------------------------------------------------------------------------------------

    def unfinished(self):
        return self.rows("select id, status, owner, fence from cloaca_executions where finished_at is null")

    def judge(self, world, store):
        self.demand(not (found := self.rows("select * from violations")), "a guard of the database", found)
        self.judge_starts(world)
        self.judge_runs(world)
        for (execution,) in self.rows("select id from cloaca_executions"):
            self.judge_execution(execution, world.run_of[execution], store)
        self.demand(not (found := self.database.damage()), "I14: the database is damaged", found)

    def judge_starts(self, world):
        there = {execution for (execution,) in self.rows("select id from cloaca_executions")}
        gone = set(self.acknowledged) - there - self.deleted
        self.demand(not gone, "I1: acknowledged and gone", gone)
        self.demand(not there & self.refused, "I1: refused and there", there & self.refused)
        keyed = [run.number for execution in there if (run := world.run_of[execution]).number % 2]
        self.demand(len(keyed) == len(set(keyed)), "I1: one key, two executions", sorted(keyed))

    def judge_runs(self, world):
        for attempt, runners in world.ran.items():
            most = 1 + sum(runner.disturbed for runner in set(runners))
            self.demand(len(runners) <= most, "I7: a body ran too often", attempt, len(runners))

    def judge_execution(self, execution, run, store):
        check_history(store, execution)
        record = read_record(store, execution, code_of=lambda name: None)
        attempts, events = attempts_of(self, execution), events_of(self, execution)
        left = [row for row in attempts if row.status in ("Running", "Suspect")]
        self.demand(not left, "I6: attempts are open after the end", execution, left)
        self.judge_events(execution, events)
        self.judge_kept(execution, run, attempts)
        for (before, rows), ended in zip(
            rounds_of(run, attempts, events), endings(events, record), strict=True
        ):
            self.judge_round(execution, before, rows, ended)
        last, rows = rounds_of(run, attempts, events)[-1]
        ends = last.past.ends | ends_of(rows)
        shown = {task: end.status for task, end in ends.items()}
        told = {task: one.status.value for task, one in record.tasks.items() if task in ends}
        self.demand(told == shown, "I11: tasks are shown otherwise", execution, told, shown)
        if run.is_poisoned:
            self.judge_poisoned(execution, run, ends)
        self.judge_result(execution, last, ends, record)

    def judge_events(self, execution, events):
        """I11: each fence after the first has an event."""
        [(fence,)] = self.rows("select fence from cloaca_executions where id = ?", execution)
        fences = [event[0] for event in events]
        first = fences[0] if fences else fence + 1
        self.demand(first in (1, 2), "I11: events begin late", execution, fence, events)
        self.demand(fences == list(range(first, fence + 1)), "I11: a gap", execution, fence, events)

    def judge_kept(self, execution, run, attempts):
        """A fork keeps what it should and no more."""
        kept = {row.task: end_in(row) for row in attempts if not row.fence and row.decides}
        self.demand(kept == run.past.ends, "a fork kept something else", execution, kept, run.past.ends)

    def judge_round(self, execution, run, rows, ended):
        if run.is_poisoned:
            return
        check_prefix(run, rows, self.demand)
        if ended == "Cancelled":
            return
        found = run.past.ends | ends_of(rows)
        self.demand(set(found) == set(run.plan.workflow.graph.ids), "I6: tasks are open", execution, found)
        wanted = expected(run)
        self.demand(found == wanted.tasks, "I9: tasks", execution, found, wanted.tasks)
        self.demand(ended == wanted.status, "I9: status", execution, ended, wanted.status)

    def judge_result(self, execution, run, ends, record):
        undecided = {task: OPEN for task in run.plan.workflow.graph.ids if task not in ends}
        context = final_context(run, ends | undecided)
        self.demand(record.context == context, "I9: context", execution, record.context, context)
        if record.status == "Cancelled":
            return
        wanted = outcome(run, ends)
        self.demand(record.status == wanted.status, "I9: status", execution, record.status, wanted.status)
        failed = re.findall(r"task '(\w+)' failed", record.error_message or "")
        self.demand(failed == wanted.failed, "I9: error message", execution, failed, wanted.failed)

    def judge_poisoned(self, execution, run, found):
        """What a task leaves is refused together with what others of its execution leave in the same turn."""
        graph = run.plan.workflow.graph
        for node, task in enumerate(graph.ids):
            end, ran = found[task], runs(run, node, found)
            self.demand(ran == (end.status != "Skipped"), "I4: poisoned", execution, task, end)
            taken_down = end.error == "DatabaseError"
            self.demand(
                not ran or taken_down or end == end_of(run, node), "I9: poisoned", execution, task, end
            )


def endings(events, record):
    """How each round has ended."""
    return [*(details["ended"]["status"] for _, kind, details in events if kind == "Retried"), record.status]
