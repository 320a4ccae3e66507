"""Finding everything that is wrong with a workflow at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from cloaca.authoring.body_parameters import annotation_problem
from cloaca.authoring.cycles import elementary_cycles
from cloaca.authoring.names import nearest, shown, task_id_problem
from cloaca.authoring.task import AnyTask
from cloaca.errors import WorkflowValidationError

_MOST_CYCLES = 100
"""A graph can have exponentially many cycles. Once these are broken, the next ones are shown."""

_MOST_SHOWN = 20


def problems(workflow: str, tasks: Sequence[AnyTask], *, declared: Collection[str] = ()) -> list[str]:
    """One line for each problem of a workflow with these tasks; none if it can be built.

    Args:
        workflow: The name of the workflow.
        tasks: The tasks, which have different ids.
        declared: The ids of all declared tasks, in the workflow or not.
    """
    if not tasks:
        return [f"workflow {shown(workflow)} cannot be empty: add a task with add_task"]
    ids = {task.id for task in tasks}
    found = [line for task in tasks for line in _of_task(task, workflow, ids, declared)]
    edges = {task.id: [dep for dep in task.dependencies if dep in ids] for task in tasks}
    return [*found, *_of_params(tasks), *_of_cycles(edges)]


def refusal(workflow: str, errors: list[str]) -> WorkflowValidationError:
    """The exception for these problems. Its message shows the first few, ``errors`` has all of them."""
    start = f"workflow {shown(workflow)} cannot be built:"
    if len(errors) == 1:
        return WorkflowValidationError(f"{start} {errors[0]}", errors)
    lines = errors[:_MOST_SHOWN]
    if len(errors) > _MOST_SHOWN:
        lines.append(f"and {len(errors) - _MOST_SHOWN} more, see the exception's errors")
    return WorkflowValidationError("\n  - ".join([start, *lines]), errors)


def _of_task(task: AnyTask, workflow: str, ids: set[str], declared: Collection[str]) -> Iterator[str]:
    name, seen = f"task {shown(task.id)}", set()
    for dep in task.dependencies:
        if dep == task.id:
            yield f"{name} depends on itself: drop the dependency"
        elif dep in seen:
            yield f"{name} names {shown(dep)} more than once in its dependencies: keep one"
        elif dep not in ids:
            yield f"{name} depends on {shown(dep)}, {_absence(dep, workflow, ids, declared)}"
        seen.add(dep)
    yield from _of_rule(task, workflow)
    if unresolved := annotation_problem(task):
        yield unresolved


def _of_rule(task: AnyTask, workflow: str) -> Iterator[str]:
    """A rule can only refer to dependencies: other tasks may not have ended when it is evaluated."""
    for name in dict.fromkeys(task.trigger_rules.tasks() if task.trigger_rules else ()):
        prefix, _, dep = name.rpartition("::")
        if prefix and not prefix.endswith(f"::{workflow}"):
            yield (
                f"the rule of task {shown(task.id)} names {shown(name)}, which is in another workflow: "
                f"name a dependency by its id"
            )
        elif dep not in task.dependencies:
            hint = nearest(dep, task.dependencies) or "add it to them, or drop it from the rule"
            yield f"the rule of task {shown(task.id)} names {shown(dep)}, which is none of its dependencies: {hint}"


def _of_params(tasks: Sequence[AnyTask]) -> Iterator[str]:
    if any(task.declared_params for task in tasks):
        from cloaca.authoring.workflow_params import contradictions  # noqa: PLC0415 - needed only where inputs are declared

        yield from contradictions(tasks)


def _absence(dep: str, workflow: str, ids: set[str], declared: Collection[str]) -> str:
    if problem := task_id_problem(dep):
        return f"which is not a task id, {problem}: name a task"
    if dep in declared:
        return f"which is not in workflow {shown(workflow)}: add it to the builder or drop the dependency"
    hint = nearest(dep, ids.union(declared)) or "declare it with @task or drop the dependency"
    return f"which no task is called: {hint}"


def _of_cycles(edges: dict[str, list[str]]) -> Iterator[str]:
    for cycle in islice(elementary_cycles(edges), _MOST_CYCLES):
        path = " -> ".join([*cycle, cycle[0]])
        yield f"tasks depend on each other in a cycle, {path}: drop one of these dependencies"
