"""A task: a function with an id, dependencies and options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar

from cloaca.authoring.signature import Parameter, called_function, signature_of
from cloaca.model.context import Context
from cloaca.model.retry import RetryPolicy
from cloaca.model.rules import Rule

if TYPE_CHECKING:
    from cloaca.authoring.workflow_param import Param

OnSuccess: TypeAlias = "Callable[[str, Context], object]"
OnFailure: TypeAlias = "Callable[[str, str, Context], object]"

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

PARAMS = "__workflow_params__"
"""The attribute in which ``workflow_params`` stores its declarations; the task takes it over from its function."""

_FIXED = frozenset(
    {
        "id",
        "function",
        "dependencies",
        "retry",
        "timeout_seconds",
        "trigger_rules",
        "on_success",
        "on_failure",
        "is_async",
        "takes_handle",
        "parameters",
    }
)


class Task(Generic[P, R_co]):
    """A function with an id, dependencies and options; created by the decorator ``task``.

    Calling a task calls the function and returns its result. The options of a task cannot be changed.

    Attributes:
        id: Its id in workflows.
        function: The decorated function.
        dependencies: The ids of the tasks it runs after, in declared order.
        retry: Its retry policy; None uses the runner's setting.
        timeout_seconds: The longest time for one attempt; None uses the runner's setting.
        trigger_rules: Evaluated once its dependencies have ended; None runs it unless something before it failed.
        on_success: Called with its id and the resulting context, once it has completed.
        on_failure: Called with its id, the error's text and the context it was given, once it has failed for good.
        is_async: Whether the function is a coroutine function.
        takes_handle: Whether its second positional parameter is named ``handle`` or ``task_handle``.
        parameters: Its keyword-only parameters, filled from the context.
    """

    id: str
    function: Callable[P, R_co]
    dependencies: tuple[str, ...]
    retry: RetryPolicy | None
    timeout_seconds: float | None
    trigger_rules: Rule | None
    on_success: OnSuccess | None
    on_failure: OnFailure | None
    is_async: bool
    takes_handle: bool
    parameters: tuple[Parameter, ...]

    def __init__(
        self,
        function: Callable[P, R_co],
        *,
        id: str,
        dependencies: tuple[str, ...] = (),
        retry: RetryPolicy | None = None,
        timeout_seconds: float | None = None,
        trigger_rules: Rule | None = None,
        on_success: OnSuccess | None = None,
        on_failure: OnFailure | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        signature = signature_of(function, id=id)
        vars(self).update(
            id=id,
            function=function,
            dependencies=dependencies,
            retry=retry,
            timeout_seconds=timeout_seconds,
            trigger_rules=trigger_rules,
            on_success=on_success,
            on_failure=on_failure,
            is_async=inspect.iscoroutinefunction(called_function(function)),
            takes_handle=signature.takes_handle,
            parameters=signature.parameters,
        )
        # With these, inspect takes a task for a function, so a decorated coroutine function still counts as one.
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            if hasattr(function, name):
                vars(self)[name] = getattr(function, name)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.function(*args, **kwargs)

    @property
    def declared_params(self) -> tuple[Param, ...]:
        """The workflow inputs that are declared with this task."""
        declared: tuple[Param, ...] = vars(self).get(PARAMS, ())
        return declared

    @property
    def what(self) -> str:
        """What it does: the text after ``what:`` in its function's docstring, or the whole docstring if nothing is marked."""
        return _documented(self.function)[0]

    @property
    def why(self) -> str:
        """Why it exists: the text after ``why:`` in its function's docstring."""
        return _documented(self.function)[1]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED:
            raise AttributeError(
                f"{name!r} of task {self.id!r} cannot be changed: decorate the function again with another {name}"
            )
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in _FIXED:
            raise AttributeError(f"{name!r} of task {self.id!r} cannot be deleted")
        super().__delattr__(name)

    def __repr__(self) -> str:
        return f"Task({self.id!r}, dependencies={list(self.dependencies)})"


def _documented(function: Callable[..., Any]) -> tuple[str, str]:
    """A docstring's ``what`` and ``why``; each mark starts a line and ignores case."""
    said: dict[str, list[str]] = {"what": [], "why": []}
    mark = "what"
    for line in (inspect.getdoc(function) or "").splitlines():
        head, colon, rest = line.strip().partition(":")
        is_marked = bool(colon) and head.lower() in said
        mark = head.lower() if is_marked else mark
        said[mark].append(rest.strip() if is_marked else line)
    return "\n".join(said["what"]).strip(), "\n".join(said["why"]).strip()


AnyTask: TypeAlias = "Task[..., Any]"
