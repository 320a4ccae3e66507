"""What must come of an execution, worked out the slow and obvious way."""

from typing import NamedTuple

from tests.engine.scenario import Planned
from tests.unit import test_fan_in


class End(NamedTuple):
    """How a task ends: its status, how many attempts, and the type of its error."""

    status: str
    attempts: int
    error: str | None


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
        dependencies = [tasks[graph.ids[dep]] for dep in graph.dependencies[node]]
        if all(end.status == "Completed" for end in dependencies):
            tasks[graph.ids[node]] = end_of(run, node)
        else:
            tasks[graph.ids[node]] = End("Skipped", 0, None)
    failed = [task for task in graph.ids if tasks[task].status == "Failed"]
    return Expected(tasks, "Failed" if failed else "Completed", failed, final_context(run, tasks))


def end_of(run, node):
    policy = run.plan.retries[node]
    attempt = 1
    while True:
        fate = run.fate(node, attempt)
        if fate == "ok":
            return End("Completed", attempt, None)
        if fate in ("kill", "poison") or policy is None or attempt > policy.max_attempts:
            return End("Failed", attempt, ERRORS[fate])
        attempt += 1


def final_context(run, tasks):
    graph = run.plan.workflow.graph
    left_nothing = {node for node, task in enumerate(graph.ids) if tasks[task].status != "Completed"}
    workflow = test_fan_in.Workflow(graph, run.plan.programs, left_nothing, run.initial)
    return test_fan_in.Model(workflow).state(graph.leaves)
