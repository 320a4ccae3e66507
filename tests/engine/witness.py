"""What must hold at every moment of a schedule, and at its end, by what the database says."""

import re

from cloaca.insights import read_record
from tests.engine.reference import End, expected


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

    def submitted(self, jobs):
        """I4: a body is handed out only after the commits of all it depends on."""
        for job in jobs:
            done = {
                task for task, in self.rows(
                    "select task from cloaca_attempts where execution_id = ? and status = 'Completed'", job.execution_id
                )
            }  # fmt: skip
            found = self.rows("select 1 from cloaca_executions where id = ?", job.execution_id)
            self.demand(found, "I4: submitted before its execution was committed", job)
            self.demand(
                set(job.task.dependencies) <= done, "I4: submitted before its dependencies", job, done
            )

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
        wanted = expected(run)
        record = read_record(store, execution, structure_of=lambda name: None)
        found = {task: self.end_of(execution, task, record) for task in record.tasks}
        if any("poison" in fates for fates in run.fates):
            self.judge_poisoned(execution, found, wanted)
            return
        self.demand(found == wanted.tasks, "I9: tasks", execution, found, wanted.tasks)
        self.demand(record.status == wanted.status, "I9: status", execution, record.status, wanted.status)
        failed = re.findall(r"task '(\w+)' failed", record.error_message or "")
        self.demand(
            failed == wanted.failed, "I9: error message", execution, record.error_message, wanted.failed
        )
        self.demand(
            record.context == wanted.context, "I9: context", execution, record.context, wanted.context
        )

    def judge_poisoned(self, execution, found, wanted):
        """What a task leaves is refused together with what others of its execution leave in the same turn."""
        for task, end in found.items():
            taken_down = end.error == "DatabaseError" or end.status == "Skipped"
            self.demand(end == wanted.tasks[task] or taken_down, "I9: poisoned", execution, task, end)

    def end_of(self, execution, task, record):
        rows = self.rows(
            "select attempt, status from cloaca_attempts where execution_id = ? and task = ? order by attempt", execution, task
        )  # fmt: skip
        status = record.tasks[task].status.value
        if status == "Skipped":
            self.demand(rows == [(0, "Skipped")], "I3: rows of a skipped task", execution, task, rows)
            return End(status, 0, None)
        settled = [attempt for attempt, settled in rows if settled in ("Completed", "Failed")]
        self.demand(settled == list(range(1, len(rows) + 1)), "I3: attempts", execution, task, rows)
        error = record.tasks[task].error
        return End(status, len(rows), error.type if status == "Failed" else None)
