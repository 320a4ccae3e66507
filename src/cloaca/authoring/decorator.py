"""The ``@task`` decorator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, ParamSpec, TypeAlias, TypeVar, overload

from cloaca.authoring import registry
from cloaca.authoring.names import checked_task_id, is_str, nearest, shown
from cloaca.authoring.retries import retry_of
from cloaca.authoring.signature import called_function, function_name
from cloaca.authoring.task import AnyTask, OnFailure, OnSuccess, Task
from cloaca.errors import TaskValidationError
from cloaca.model.retry import MOST, Backoff, RetryPolicy
from cloaca.model.rules import Rule, checked_rule
from cloaca.model.shown import kind_of

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

Dependencies: TypeAlias = "Sequence[str | AnyTask]"


@overload
def task(function: Callable[P, R_co], /) -> Task[P, R_co]: ...
@overload
def task(
    *,
    id: str | None = None,
    dependencies: Dependencies | None = None,
    retry_attempts: int | None = None,
    retry_backoff: Backoff | None = None,
    retry_delay_ms: int | None = None,
    retry_max_delay_ms: int | None = None,
    retry_condition: str | None = None,
    retry_jitter: bool | None = None,
    retry: RetryPolicy | None = None,
    retry_policy: Mapping[str, Any] | None = None,
    timeout_seconds: float | None = None,
    trigger_rules: Rule | None = None,
    on_success: OnSuccess | None = None,
    on_failure: OnFailure | None = None,
) -> Callable[[Callable[P, R_co]], Task[P, R_co]]: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    id: str | None = None,
    dependencies: Dependencies | None = None,
    retry_attempts: int | None = None,
    retry_backoff: Backoff | None = None,
    retry_delay_ms: int | None = None,
    retry_max_delay_ms: int | None = None,
    retry_condition: str | None = None,
    retry_jitter: bool | None = None,
    retry: RetryPolicy | None = None,
    retry_policy: Mapping[str, Any] | None = None,
    timeout_seconds: float | None = None,
    trigger_rules: Rule | None = None,
    on_success: OnSuccess | None = None,
    on_failure: OnFailure | None = None,
    **unknown: Any,
) -> Any:
    """Make a function a task, with or without options.

    The function is called with the context. If its second positional parameter is named ``handle`` or ``task_handle``, it
    also receives a ``TaskHandle``; keyword-only parameters are filled from the context. A task declared inside ``with
    WorkflowBuilder(...)`` belongs to that workflow and is added to it. A task declared anywhere else can be added to any
    workflow by its id; declaring another task with the same id replaces it.

    Args:
        function: The function, if the decorator is used without parentheses.
        id: Letters, digits, ``_``, ``.`` and ``-``, at most 255 characters; by default the function's name.
        dependencies: Ids or decorated functions, which may be declared before or after this task.
        retry_attempts: The number of retries after the first run. Defaults to 3 if another retry option is given, and to
            the runner's setting otherwise.
        retry_backoff: How the delay grows: ``"fixed"``, ``"linear"`` or ``"exponential"`` (the default).
        retry_delay_ms: The delay before the first retry; by default 1000.
        retry_max_delay_ms: The longest delay; by default 30,000, or ``retry_delay_ms`` if that is more.
        retry_condition: ``"all"`` (the default), ``"never"``, ``"transient"`` (timeouts, connection errors and the like), or
            comma-separated texts: only errors whose text contains one of them, ignoring case, are retried.
        retry_jitter: Whether each delay is varied by up to a quarter; on by default.
        retry: A ``RetryPolicy`` with all of these settings; the other retry options must then be omitted.
        retry_policy: The same as a dict with ``max_attempts``, ``retry_delay_seconds``, ``exponential_backoff`` and
            ``max_delay_seconds``, each optional.
        timeout_seconds: The longest time that one attempt may take.
        trigger_rules: Evaluated once all dependencies have ended, in whatever way; if it is false, the task is skipped.
            Without a rule, the task runs unless a dependency failed or was skipped because of a failure.
        on_success: Called as ``on_success(task_id, context)`` after the task has completed, with a context that includes
        what it wrote.
        on_failure: Called as ``on_failure(task_id, error, context)`` after the task has failed for good. Exceptions from
            either callback are logged and change nothing.
        **unknown: Refused, with a suggestion.

    Raises:
        TaskValidationError: An option is unknown or has an invalid value, or the function cannot be a task body.

    Example:
        >>> import cloaca
        >>> @cloaca.task(id="double", retry_attempts=2)
        ... def double(context):
        ...     context["n"] *= 2
        >>> double.retry.max_attempts
        2
    """
    if unknown:
        _refuse_unknown(unknown)
    if function is not None and not callable(function):
        raise TaskValidationError(_not_bare(function))
    retries = retry_of(
        retry,
        retry_policy,
        {
            "retry_attempts": retry_attempts,
            "retry_backoff": retry_backoff,
            "retry_delay_ms": retry_delay_ms,
            "retry_max_delay_ms": retry_max_delay_ms,
            "retry_condition": retry_condition,
            "retry_jitter": retry_jitter,
        },
    )
    rule = checked_rule(trigger_rules)
    timeout = _timeout(timeout_seconds)
    after = _dependencies(dependencies)
    callbacks = _callback("on_success", on_success), _callback("on_failure", on_failure)

    def declared(body: Callable[P, R_co]) -> Task[P, R_co]:
        body, name = _checked_body(body), id
        if name is None:
            name = _own_name(body)
        made = Task(
            body,
            id=checked_task_id(name, function=shown(function_name(body))),
            dependencies=after,
            retry=retries,
            timeout_seconds=timeout,
            trigger_rules=rule,
            on_success=callbacks[0],
            on_failure=callbacks[1],
        )
        registry.declare(made)
        return made

    return declared if function is None else declared(function)


def _refuse_unknown(unknown: dict[str, Any]) -> NoReturn:
    known = list(task.__kwdefaults__ or {})
    name = next(iter(unknown))
    hint = nearest(name, known) or f"there are {', '.join(known)}"
    raise TaskValidationError(f"@task has no option {shown(name)}: {hint}")


def _not_bare(given: object) -> str:
    if isinstance(given, (classmethod, property)):
        return (
            f"@task decorates a function, not {kind_of(given)}, and tasks are called with the context alone: "
            f"decorate a function outside the class"
        )
    example = shown(given) if is_str(given) else "..."
    return f"@task takes no positional value, and got {shown(given)}: write @task(id={example})"


def _own_name(body: Callable[..., Any]) -> str:
    name = function_name(body)
    if name == "<lambda>":
        raise TaskValidationError("a lambda has no name to be a task's id: write @task(id=...), or use def")
    return name


def _checked_body(body: Callable[P, R_co]) -> Callable[P, R_co]:
    if isinstance(body, Task):
        return body.function
    if not callable(body) or inspect.isclass(body):
        raise TaskValidationError(f"@task decorates a function, not {shown(body)}")
    called = called_function(body)
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise TaskValidationError(
            f"task {shown(function_name(body))} is a generator function, and a task runs to its end: "
            f"replace 'yield' by context.set(...) or return"
        )
    return body


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value <= MOST:
        raise TaskValidationError(
            f"timeout_seconds must be a number above 0 and at most {MOST}, not {shown(value)}: "
            f"leave it out for no limit of the task's own"
        )
    return float(value)


def _callback(option: str, given: Any) -> Any:
    if given is None or (callable(given) and not inspect.isclass(given)):
        return given
    raise TaskValidationError(
        f"{option} must be a function that is called when the task ends, not {shown(given)}"
    )


def _dependencies(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    if is_str(given):
        raise TaskValidationError(
            f"dependencies is the str {shown(given)}: write dependencies=[{shown(given)}]"
        )
    if not isinstance(given, (list, tuple)):
        raise TaskValidationError(f"dependencies must be a list of task ids or tasks, not {shown(given)}")
    return tuple(map(_dependency, given))


def _dependency(given: Any) -> str:
    if isinstance(given, Task):
        return given.id
    if is_str(given):
        return str.__str__(given)
    advice = f": put @task above def {function_name(given)}" if inspect.isfunction(given) else ""
    raise TaskValidationError(
        f"a dependency must be a task's id or a function decorated with @task, not {shown(given)}{advice}"
    )
