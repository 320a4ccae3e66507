"""What must come of an execution, worked out the slow and obvious way."""

from typing import NamedTuple

from tests.engine.scenario import Planned
from tests.unit import test_fan_in, test_rules


class End(NamedTuple):
    """How a task ends: its status, how many attempts, and the type of its error."""

    status: str
    attempts: int
    error: str | None


SKIPPED = End("Skipped", 0, None)


class Expected(NamedTuple):
    tasks: dict
    status: str
    failed: list
    context: dict


ERRORS = {
    "fail": Planned.__name__,
    "hang": "TaskTimeoutError",
    "late": "TaskTimeoutError",
    "kill": "CrashLimitError",
    "poison": "DatabaseError",
}


def expected(run):
    graph = run.plan.workflow.graph
    tasks = {}
    for node in graph.order:
        task = graph.ids[node]
        if task in run.past.ends:
            tasks[task] = run.past.ends[task]
        else:
            tasks[task] = end_of(run, node) if runs(run, node, tasks) else SKIPPED
    return outcome(run, tasks)


def outcome(run, tasks):
    """What an execution comes to whose tasks have ended so."""
    failed = [
        task
        for task in run.plan.workflow.graph.ids
        if tasks[task].status == "Failed" and not handled(run, task, tasks)
    ]
    return Expected(tasks, "Failed" if failed else "Completed", failed, final_context(run, tasks))


def runs(run, node, tasks):
    """Whether a task runs whose dependencies have ended so: by its rule, or unless a failure is before it."""
    graph = run.plan.workflow.graph
    dependencies = [graph.ids[dep] for dep in graph.dependencies[node]]
    rule = rule_of(run, graph.ids[node])
    if rule is None:
        return not any(
            tasks[dep].status == "Failed" or (tasks[dep].status == "Skipped" and rule_of(run, dep) is None)
            for dep in dependencies
        )
    seen = model(run, tasks).state(graph.dependencies[node])
    return test_rules.naive(rule, {dep: tasks[dep].status for dep in dependencies}, seen)


def handled(run, task, tasks):
    """Whether a task completed that was to run where this one failed."""
    return any(
        task in dependencies
        and child in tasks
        and tasks[child].status == "Completed"
        and asks_for_failure(rule_of(run, child), task)
        for child, dependencies in run.plan.workflow.dependencies.items()
    )


def asks_for_failure(rule, task):
    if rule is None or rule[0] == "none_of":
        return False
    return rule == ["task_failed", task] or (
        rule[0] in ("all_of", "any_of") and any(asks_for_failure(part, task) for part in rule[1:])
    )


def rule_of(run, task):
    rule = run.plan.workflow.task(task).trigger_rules
    return rule and rule.stored()


def end_of(run, node):
    """Retries are counted anew in each round, and attempts are not."""
    policy = run.plan.retries[node]
    tried = run.past.tried.get(run.plan.workflow.graph.ids[node], 0)
    attempt = tried + 1
    while True:
        fate = run.fate(node, attempt)
        if fate == "ok":
            return End("Completed", attempt, None)
        is_tried_again = policy is not None and policy.condition.matches(f"{ERRORS[fate]}: attempt {attempt}")
        if fate in ("kill", "poison") or not is_tried_again or attempt - tried > policy.max_attempts:
            return End("Failed", attempt, ERRORS[fate])
        attempt += 1


def final_context(run, tasks):
    return model(run, tasks).state(run.plan.workflow.graph.leaves)


def model(run, tasks):
    """The model in which the tasks that have ended otherwise than well leave nothing."""
    graph = run.plan.workflow.graph
    left_nothing = {
        node for node, task in enumerate(graph.ids) if task in tasks and tasks[task].status != "Completed"
    }
    made = test_fan_in.Model(test_fan_in.Workflow(graph, run.plan.programs, left_nothing, run.initial))
    made.changes.update(run.past.changes)
    return made
