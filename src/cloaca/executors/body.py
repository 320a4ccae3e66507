"""Running the body of a task: from the context it sees to the delta it leaves."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from cloaca.authoring.body_parameters import bind
from cloaca.errors import TaskExecutionError
from cloaca.executors.current import current_attempt
from cloaca.executors.handle import TaskHandle
from cloaca.executors.job import Job
from cloaca.model.context import Context
from cloaca.model.delta import Delta
from cloaca.model.shown import kind_of

Encoders = Mapping[type, Any]


def call_body(job: Job, context: Context) -> Any:
    """Call the function with the arguments it declares; for an async body this returns the coroutine."""
    task = job.task
    if task.parameters:
        named = bind(task, context)
        return (
            task.function(context, TaskHandle(job, current_attempt.get()), **named)
            if task.takes_handle
            else task.function(context, **named)
        )
    return (
        task.function(context, TaskHandle(job, current_attempt.get()))
        if task.takes_handle
        else task.function(context)
    )


def delta_of(job: Job, context: Context, returned: Any) -> Delta:
    """What the body changed, given its return value.

    Raises:
        TaskExecutionError: It returned something that is neither a context nor a dict.
        TypeError: A value cannot be stored.
    """
    if isinstance(returned, Context):
        if returned is not context:
            context.replace(returned)
    elif isinstance(returned, dict):
        context.update_from_dict(returned)
    elif returned is not None:
        raise _refused(job.task.id, returned)
    delta = context.delta()
    _ = delta.text  # encoded here, on the body's thread, and not on the engine's
    return delta


def _refused(task_id: str, returned: Any) -> TaskExecutionError:
    if isinstance(returned, Coroutine):
        returned.close()
        advice = "declare the body with async def, so that it is awaited"
    else:
        advice = "return the context, a dict to merge into it, or nothing"
    return TaskExecutionError(f"task {task_id!r} returned {kind_of(returned)}: {advice}", task_id=task_id)
