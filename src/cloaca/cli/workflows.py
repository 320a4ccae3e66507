"""``cloaca workflows``: what a file or module registers, without running any of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click

from cloaca.authoring import registry
from cloaca.authoring.task import AnyTask
from cloaca.authoring.workflow import Workflow
from cloaca.authoring.workflow_param import Param
from cloaca.cli.formatting import shortened, value_text
from cloaca.cli.loading import load
from cloaca.cli.output import kept_stdout
from cloaca.cli.plain_tables import aligned
from cloaca.cli.targets import target_argument
from cloaca.model.retry import RetryPolicy

_EXAMPLE_OF_LIST = """\b
Example:
  cloaca workflows list shop.flows
"""

_EXAMPLE_OF_SHOW = """\b
Examples:
  cloaca workflows show etl.py
  cloaca workflows show shop.flows nightly --json
"""

_as_object = click.option("--json", "as_object", is_flag=True, help="Print JSON.")


@click.group(short_help="Show what a file or module registers.")
def workflows() -> None:
    """See what a file or module registers, without running it."""


@workflows.command("list", short_help="List the workflows.", epilog=_EXAMPLE_OF_LIST)
@target_argument
@_as_object
def list_workflows(target: str, *, as_object: bool) -> None:
    """List the workflows that FILE_OR_MODULE registers.

    Exit codes: 0 listed, 2 wrong usage.
    """
    with _stdout(as_object=as_object) as stream:
        found = [registry.workflow(name) for name in load(target).names]
        _print(stream, json.dumps({"workflows": list(map(_summary, found))}) if as_object else _listed(found))


@workflows.command(short_help="Show a workflow: tasks, order, options, inputs.", epilog=_EXAMPLE_OF_SHOW)
@target_argument
@click.argument("workflow", required=False)
@_as_object
def show(target: str, workflow: str | None, *, as_object: bool) -> None:
    """Show a workflow of FILE_OR_MODULE: its version, its inputs, and its tasks in the order in which they can run.

    WORKFLOW may be omitted if there is only one. Tasks of one level can run at once.

    Exit codes: 0 shown, 2 wrong usage.
    """
    with _stdout(as_object=as_object) as stream:
        name = load(target).pick(workflow)
        found = registry.workflow(name)
        _print(stream, json.dumps(_details(found)) if as_object else "\n".join(_lines(found)))


@contextmanager
def _stdout(*, as_object: bool) -> Iterator[TextIO]:
    """Standard output; with ``--json`` what the module prints when it is imported goes to stderr."""
    if not as_object:
        yield sys.stdout
        return
    with kept_stdout() as kept:
        yield kept


def _print(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


# -- as JSON -----------------------------------------------------------------------------------------------------------


def _summary(workflow: Workflow) -> dict[str, Any]:
    return {
        "workflow": workflow.name,
        "description": workflow.description,
        "tags": workflow.tags,
        "version": workflow.version,
        "tasks": workflow.tasks,
    }


def _details(workflow: Workflow) -> dict[str, Any]:
    return _summary(workflow) | {
        "levels": workflow.get_execution_levels(),
        "params": [_param(param) for param in workflow.params.values()],
        "tasks": [_task(task) for task in workflow.bound],
    }


def _param(param: Param) -> dict[str, Any]:
    return {
        "name": param.name,
        "type": param.type_name,
        "required": param.is_required,
        "default": param.default,
        "schema": param.schema(),
    }


def _task(task: AnyTask) -> dict[str, Any]:
    return {
        "task": task.id,
        "what": task.what,
        "why": task.why,
        "dependencies": list(task.dependencies),
        "is_async": task.is_async,
        "retry": task.retry and _retry(task.retry),
        "timeout_seconds": task.timeout_seconds,
        "trigger_rules": task.trigger_rules and repr(task.trigger_rules),
        "callbacks": _callbacks(task),
        "reads": [parameter.name for parameter in task.parameters],
    }


def _retry(policy: RetryPolicy) -> dict[str, Any]:
    return {
        "max_attempts": policy.max_attempts,
        "initial_delay": policy.initial_delay,
        "max_delay": policy.max_delay,
        "backoff": repr(policy.backoff),
        "condition": repr(policy.condition),
        "with_jitter": policy.with_jitter,
    }


def _callbacks(task: AnyTask) -> list[str]:
    return [name for name in ("on_success", "on_failure") if getattr(task, name) is not None]


# -- as text -----------------------------------------------------------------------------------------------------------


def _listed(found: Iterable[Workflow]) -> str:
    rows = [(one.name, str(len(one.tasks)), ", ".join(one.params), one.description) for one in found]
    return "\n".join(aligned([("workflow", "tasks", "input", "description"), *rows]))


def _lines(workflow: Workflow) -> Iterator[str]:
    about = f": {shortened(workflow.description)}" if workflow.description else ""
    yield f"{shortened(workflow.name)}{about}"
    yield f"version {workflow.version}"
    if workflow.tags:
        yield "tags " + ", ".join(shortened(f"{key}={value}") for key, value in workflow.tags.items())
    if workflow.params:
        yield ""
        yield from aligned([("input", "type", "default"), *map(_param_row, workflow.params.values())])
    yield ""
    yield from aligned([("level", "task", "after", "options"), *_task_rows(workflow)])


def _param_row(param: Param) -> tuple[str, ...]:
    return param.name, param.type_name, "required" if param.is_required else value_text(param.default)


def _task_rows(workflow: Workflow) -> Iterator[tuple[str, ...]]:
    for level, tasks in enumerate(workflow.get_execution_levels(), 1):
        for id in tasks:
            task = workflow.task(id)
            yield str(level), id, ", ".join(task.dependencies), ", ".join(_options(task))


def _options(task: AnyTask) -> Iterator[str]:
    if task.is_async:
        yield "async"
    if task.parameters:
        yield "reads " + " ".join(parameter.name for parameter in task.parameters)
    if task.retry is not None:
        yield f"retried {task.retry.max_attempts} times"
    if task.timeout_seconds is not None:
        yield f"timeout {task.timeout_seconds:g} s"
    if task.trigger_rules:
        yield f"if {task.trigger_rules!r}"
    yield from _callbacks(task)
