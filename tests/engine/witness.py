"""What must hold at every moment of a schedule, and at its end, by what the database says."""

import re

from cloaca.insights import read_record
from tests.engine.reference import End, end_of, expected, outcome, runs
from tests.insights.agreement import check_history


class Violation(AssertionError):
    """Something happened that must not."""


class Witness:
    """Looks at the database through a connection of its own."""

    def __init__(self, database):
        self.database = database
        self.acknowledged = {}
        self.refused = set()

    def rows(self, sql, *parameters):
        return self.database.rows(sql, *parameters)

    def demand(self, holds, what, *details):
        if not holds:
            raise Violation(f"{what}: {details}")

    # -- at every moment -----------------------------------------------------------------------------------------------

    def submitted(self, jobs, run_of):
        """I4: a body is handed out only after the commits of all it depends on, and only if its rule holds."""
        for job in jobs:
            found = self.rows("select 1 from cloaca_executions where id = ?", job.execution_id)
            self.demand(found, "I4: submitted before its execution was committed", job)
            decided = self.decided(job.execution_id)
            self.demand(
                set(job.task.dependencies) <= set(decided),
                "I4: submitted before its dependencies",
                job,
                decided,
            )
            self.demand(
                runs(run_of[job.execution_id], job.node, decided),
                "I4: submitted against its rule",
                job,
                decided,
            )

    def decided(self, execution):
        """The tasks of an execution that have ended, by id."""
        rows = self.rows(
            "select task, status from cloaca_attempts where execution_id = ? and retry_at is null "
            "and status in ('Completed', 'Failed', 'Skipped')", execution
        )  # fmt: skip
        return {task: End(status, 0, None) for task, status in rows}

    def began(self, job, runner, before, is_poisoned):
        """I7, I8: a body runs again only where its runner went; nothing begins beside a suspect that runs alone."""
        self.demand(
            runner.disturbed or is_poisoned(job.execution_id) or all(earlier.disturbed for earlier in before),
            "I8: a body ran again",
            job,
            runner.engine.core.runner,
        )
        alone = self.rows(
            "select execution_id, task from cloaca_attempts a join cloaca_executions e on e.id = a.execution_id "
            "where owner = ? and a.status = 'Running' and alone", runner.engine.core.runner
        )  # fmt: skip
        beside = set(alone) - {(job.execution_id, job.task.id)}
        beside = {(execution, task) for execution, task in beside if not is_poisoned(execution)}
        self.demand(not beside, "a body began beside a suspect that runs alone", job, beside)

    def answered(self, asked, answer):
        self.demand(len(asked.answers) == 1, "a request was answered twice", asked.answers)
        for new, run in zip(asked.request.executions, asked.runs, strict=True):
            if isinstance(answer, BaseException):
                self.refused.add(new.id)
                continue
            execution = answer[new.id].id if new.id in answer else new.id
            found = self.rows("select 1 from cloaca_executions where id = ?", execution)
            self.demand(found, "I1: acknowledged and not there", execution)
            self.acknowledged[execution] = run

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
        self.demand(
            there >= set(self.acknowledged), "I1: acknowledged and gone", set(self.acknowledged) - there
        )
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
        found = {task: self.end_of(execution, task, record) for task in record.tasks}
        if any("poison" in fates for fates in run.fates):
            self.judge_poisoned(execution, run, found)
            wanted = outcome(run, found)
        else:
            wanted = expected(run)
        self.demand(found == wanted.tasks, "I9: tasks", execution, found, wanted.tasks)
        self.demand(record.status == wanted.status, "I9: status", execution, record.status, wanted.status)
        failed = re.findall(r"task '(\w+)' failed", record.error_message or "")
        self.demand(
            failed == wanted.failed, "I9: error message", execution, record.error_message, wanted.failed
        )
        self.demand(
            record.context == wanted.context, "I9: context", execution, record.context, wanted.context
        )

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

    def end_of(self, execution, task, record):
        rows = self.rows(
            "select attempt, status from cloaca_attempts where execution_id = ? and task = ? order by attempt", execution, task
        )  # fmt: skip
        status = record.tasks[task].status.value
        if status == "Skipped":
            # One whose runner died before its rule was asked is skipped in place of the suspect.
            self.demand(
                rows in ([(0, "Skipped")], [(1, "Skipped")]),
                "I3: rows of a skipped task",
                execution,
                task,
                rows,
            )
            return End(status, 0, None)
        settled = [attempt for attempt, settled in rows if settled in ("Completed", "Failed")]
        self.demand(settled == list(range(1, len(rows) + 1)), "I3: attempts", execution, task, rows)
        error = record.tasks[task].error
        return End(status, len(rows), error.type if status == "Failed" else None)
