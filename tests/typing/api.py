"""What a user's type checker sees; checked by test_typing.py, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import cloaca
from cloaca.authoring.builder import WorkflowBuilder
from cloaca.authoring.decorator import task
from cloaca.authoring.registry import find_workflow, register_workflow_constructor
from cloaca.authoring.task import Task
from cloaca.authoring.workflow import Workflow
from cloaca.authoring.workflow_params import workflow_params

if TYPE_CHECKING:
    from collections.abc import Coroutine


@task
def bare(context: dict[str, Any]) -> int:
    return len(context)


@task(
    id="with-options",
    dependencies=["bare", bare],
    retry_attempts=3,
    retry_backoff="linear",
    timeout_seconds=5,
)
def called(context: dict[str, Any], handle: object, *, limit: int = 10) -> str:
    return str(limit)


@task()
async def later(context: dict[str, Any]) -> None: ...


policy = cloaca.RetryPolicy.builder().max_attempts(2).with_jitter(False).build()
assert_type(policy, cloaca.RetryPolicy)
assert_type(policy.calculate_delay(1), float)
assert_type(policy.should_retry(0, "ValueError"), bool)
rule = cloaca.all_of(
    cloaca.task_failed("bare"), cloaca.any_of(cloaca.context_value("rows", ">", 3), cloaca.always())
)


@task(dependencies=[bare], trigger_rules=rule, retry=policy)
def ruled(context: dict[str, Any]) -> None: ...


task(trigger_rules="all_success")  # type: ignore[call-overload]
task(retry=3)  # type: ignore[call-overload]
cloaca.any_of("bare")  # type: ignore[arg-type]
cloaca.RetryPolicy.builder().backoff_strategy("fixed")  # type: ignore[arg-type]

assert_type(bare({}), int)
assert_type(called({}, None, limit=3), str)
assert_type(bare.id, str)
assert_type(bare.dependencies, tuple[str, ...])
assert_type(bare.timeout_seconds, float | None)
kept: Task[..., Coroutine[Any, Any, None]] = later

declared = workflow_params(limit=(int, 10))(called)
assert_type(declared({}, None), str)

bare(3)  # type: ignore[arg-type]
called({}, None, limt=3)  # type: ignore[call-arg]
task(retry_attemps=3)  # type: ignore[call-overload]
task(retry_backoff="quadratic")  # type: ignore[call-overload]

builder = WorkflowBuilder("etl", tenant="acme").description("moves data").tag("team", "a")
assert_type(builder.add_task("bare").add_task(called).add_task(later), WorkflowBuilder)
builder.add_task(3)  # type: ignore[arg-type]

workflow = builder.build()
assert_type(workflow, Workflow)
assert_type(workflow.tasks, list[str])
assert_type(workflow.dependencies, dict[str, list[str]])
assert_type(workflow.get_execution_levels(), list[list[str]])
workflow.name = "other"  # type: ignore[misc]

register_workflow_constructor("etl", lambda: workflow)
register_workflow_constructor("etl", workflow)  # type: ignore[arg-type]
assert_type(find_workflow("etl"), Workflow | None)

with WorkflowBuilder("inside") as inside:
    assert_type(inside, WorkflowBuilder)


def read(runner: cloaca.DefaultRunner | cloaca.Client, handle: cloaca.ExecutionHandle) -> None:
    record = runner.get_execution(handle.execution_id)
    assert_type(record.written_by, dict[str, str | None])
    assert_type(record.tasks["bare"].sub_status, str | None)
    assert_type(handle.get_history(), list[cloaca.HistoryRecord])
    assert_type(handle.explain(), cloaca.Explanation)
    assert_type(handle.explain().reasons, list[cloaca.Reason])
    assert_type(runner.diff("a", "b").first, cloaca.Difference | None)
    assert_type(runner.plan({"etl": workflow}).workflows, list[cloaca.WorkflowPlan])
    assert_type(runner.list_runners(), list[cloaca.RunnerRecord])
    runner.plan({"etl": workflow}, on_version_change="perhaps")  # type: ignore[arg-type]
