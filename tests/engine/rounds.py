"""What must come of an execution that people steer: round by round, each from what is stored of those before."""

import json
from typing import NamedTuple

from tests.engine.reference import SKIPPED, End, end_of, handled, model, runs
from tests.engine.scenario import Past

DECIDED = ("Completed", "Failed", "Skipped")


class Attempt(NamedTuple):
    """A row of an attempt, as far as it matters here."""

    task: str
    attempt: int
    status: str
    is_tried_again: bool
    error: str | None
    fence: int

    @property
    def decides(self):
        return self.status in DECIDED and not self.is_tried_again


def attempts_of(database, execution):
    rows = database.rows(
        "select task, attempt, status, retry_at, error, fence from cloaca_attempts where execution_id = ? order by task, attempt",
        execution,
    )  # fmt: skip
    return [
        Attempt(task, attempt, status, retry_at is not None, json.loads(error)["type"] if error else None, fence)
        for task, attempt, status, retry_at, error, fence in rows
    ]  # fmt: skip


def events_of(database, execution):
    rows = database.rows(
        "select fence, kind, details from cloaca_events where execution_id = ? order by fence", execution
    )
    return [(fence, kind, json.loads(details)) for fence, kind, details in rows]


def rounds_of(run, attempts, events):
    """Each round: the run with what was before it, and its rows. Rows without a fence are a fork's, or not decided."""
    begins = [0, *(fence for fence, kind, _ in events if kind == "Retried")]
    rounds = []
    for number, begin in enumerate(begins):
        end = begins[number + 1] if number + 1 < len(begins) else float("inf")
        rows = [row for row in attempts if begin <= row.fence < end and row.fence]
        rounds.append((run, rows))
        run = run._replace(past=after(run, rows))
    return rounds


def ends_of(rows):
    """How tasks have ended in a round."""
    return {row.task: end_in(row) for row in rows if row.decides}


def end_in(row):
    return SKIPPED if row.status == "Skipped" else End(row.status, row.attempt, row.error)


def after(run, rows):
    """What the next round begins with: failures that nobody has handled are open again, and what was skipped behind them."""
    graph = run.plan.workflow.graph
    ends = run.past.ends | ends_of(rows)
    again = set()
    for task in (graph.ids[node] for node in graph.order):
        if task in ends and is_open_again(run, task, ends, again):
            again.add(task)
    left = model(run, ends)
    kept = {task: end for task, end in ends.items() if task not in again}
    completed = [graph.index[task] for task, end in kept.items() if end.status == "Completed"]
    tried = run.past.tried | {row.task: row.attempt for row in rows}
    return Past(kept, {node: left.of(node) for node in completed}, tried)


def is_open_again(run, task, ends, again):
    match ends[task].status:
        case "Failed":
            return not handled(run, task, ends)
        case "Skipped":
            return not again.isdisjoint(run.plan.workflow.dependencies[task])
    return False


def forked(run, attempts, events, from_task, edited):
    """The run of a fork that is made now."""
    last, rows = rounds_of(run, attempts, events)[-1]
    ends = last.past.ends | ends_of(rows)
    again = behind(run, from_task)
    kept = {task: end for task, end in ends.items() if end.status == "Completed" and task not in again}
    left, index = model(last, ends), run.plan.workflow.graph.index
    changes = {
        index[task]: {key: change for key, change in left.of(index[task]).items() if key not in edited}
        for task in kept
    }
    return run._replace(initial=run.initial | edited, past=Past(kept, changes, {}))


def behind(run, task):
    """A task and all that come after it, directly or not."""
    found = {task}
    for name in (run.plan.workflow.graph.ids[node] for node in run.plan.workflow.graph.order):
        if not found.isdisjoint(run.plan.workflow.dependencies[name]):
            found.add(name)
    return found


def all_before(run, task):
    """All that comes before a task, directly or not."""
    graph = run.plan.workflow.graph
    return {graph.ids[node] for node in graph.ancestors(graph.index[task])}


def check_prefix(run, rows, demand):
    """See that a round that was cut short, or goes on, has done nothing that is not in its model."""
    graph, ends = run.plan.workflow.graph, run.past.ends | ends_of(rows)
    for task in {row.task for row in rows}:
        of_task = [row for row in rows if row.task == task]
        demand(task not in run.past.ends, "I5: a task that stays as it was ran again", run, of_task)
        ran = [row for row in of_task if row.status != "Skipped"]
        node, first = graph.index[task], run.past.tried.get(task, 0) + 1
        numbers = [row.attempt for row in ran]
        demand(numbers == list(range(first, first + len(ran))), "I3: attempts", run, of_task, first)
        last = end_of(run, node).attempts
        for row in ran:
            demand(row.attempt <= last, "I7: more attempts than its policy allows", run, of_task)
            if row.status in DECIDED:
                fits = (row.status == "Completed") == (run.fate(node, row.attempt) == "ok")
                demand(fits, "I9: it ended otherwise", run, row)
                demand(row.is_tried_again == (row.attempt < last), "I9: retries", run, row)
        if any(row.status in DECIDED for row in of_task):
            early = all_before(run, task) - set(ends)
            demand(not early, "I4: before its dependencies", run, of_task, early)
            demand(runs(run, node, ends) == bool(ran), "I4: against its rule", run, of_task)
