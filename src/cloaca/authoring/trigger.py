"""Triggers: functions that are polled to decide whether a workflow should start."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar

from cloaca.authoring import registry
from cloaca.authoring.names import checked_name, is_str, nearest, shown
from cloaca.authoring.signature import called_function, function_name
from cloaca.errors import ScheduleError, WorkflowValidationError
from cloaca.model.context import Context
from cloaca.model.cron import fields_of, zone_of

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

DEFAULT_INTERVAL = "5s"
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_LONGEST_MS = 366 * 24 * 3_600_000


class TriggerResult:
    """The result of a trigger's function: ``TriggerResult.fire(context)`` or ``TriggerResult.skip()``.

    Example:
        >>> TriggerResult.fire({"file": "a.csv"})
        TriggerResult.Fire({'file': 'a.csv'})
        >>> TriggerResult.skip().is_fire_result()
        False
    """

    __slots__ = ("_context", "_should_fire")

    def __init__(self, should_fire: bool, context: Context | Mapping[str, Any] | None = None) -> None:  # noqa: FBT001 - the API's
        if type(should_fire) is not bool:
            raise TypeError(
                f"should_fire={shown(should_fire)} must be True or False: write TriggerResult.fire(...) or .skip()"
            )
        if context is not None and not isinstance(context, Context | Mapping):
            raise TypeError(
                f"a trigger fires with a Context, a mapping or None, not with {shown(context)}: write {{'key': ...}}"
            )
        self._should_fire = should_fire
        self._context = context

    @staticmethod
    def skip() -> TriggerResult:
        """Start nothing."""
        return TriggerResult(should_fire=False)

    @staticmethod
    def fire(context: Context | Mapping[str, Any] | None = None) -> TriggerResult:
        """Start the workflow with this context."""
        return TriggerResult(should_fire=True, context=context)

    @property
    def should_fire(self) -> bool:
        """Whether the workflow should start."""
        return self._should_fire

    @property
    def context(self) -> Context | Mapping[str, Any] | None:
        """The context it starts with."""
        return self._context

    def is_fire_result(self) -> bool:
        """Whether the workflow should start."""
        return self._should_fire

    def is_skip_result(self) -> bool:
        """Whether nothing should start."""
        return not self._should_fire

    def __repr__(self) -> str:
        if not self._should_fire:
            return "TriggerResult.Skip"
        shown_context = self._context.to_dict() if isinstance(self._context, Context) else self._context
        return f"TriggerResult.Fire({'' if shown_context is None else shown_context!r})"


class Trigger(Generic[P, R_co]):
    """A function decorated with ``@cloaca.trigger``; calling it calls the function."""

    def __init__(
        self,
        function: Callable[P, R_co],
        *,
        name: str,
        workflow: str,
        poll_interval_ms: int | None,
        cron: str | None,
        timezone: str | None,
        allow_concurrent: bool,
    ) -> None:
        self.function = function
        self.name = name
        self.workflow = workflow
        self.poll_interval_ms = poll_interval_ms
        self.cron = cron
        self.timezone = timezone
        self.allow_concurrent = allow_concurrent
        self.__name__ = getattr(function, "__name__", name)
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Trigger({self.name!r}, workflow={self.workflow!r})"


def trigger(
    *misplaced: Any,
    on: Any = None,
    workflow: Any = None,
    name: str | None = None,
    poll_interval: str | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    allow_concurrent: bool = False,
    **unknown: Any,
) -> Callable[[Callable[P, R_co]], Trigger[P, R_co]]:
    """Make a sync or async function a trigger, which is polled to decide whether a workflow should start.

    One runner of a database polls it, on a thread of its own, for the first time one interval after its registration. The
    function takes no arguments and returns a ``TriggerResult``, or ``True`` to fire without a context. If it raises, the
    error is logged and polling continues. The execution's context also has the keys ``trigger_name`` and ``triggered_at``.

    Args:
        on: The workflow or its name; by default the trigger's own name.
        workflow: The same as ``on``.
        name: By default the function's name.
        poll_interval: For example ``"100ms"``, ``"5s"`` (the default), ``"1m"`` or ``"1h"``.
        cron: Fire on a cron schedule instead. The function is then not called, and ``on`` is required.
        timezone: The time zone of ``cron``; by default ``"UTC"``.
        allow_concurrent: Whether it may fire while an execution that it started with the same context is unfinished.
        *misplaced: Refused: all options are keywords.
        **unknown: Refused, with a suggestion.

    Raises:
        ScheduleError: An option is unknown or has an invalid value, or the function cannot be a trigger.

    Example:
        >>> import cloaca
        >>> @cloaca.trigger(on="import", poll_interval="1s")
        ... def new_file():
        ...     return cloaca.TriggerResult.fire({"file": "a.csv"})
        >>> new_file().is_fire_result()
        True
    """
    if misplaced:
        raise ScheduleError(_not_by_position(misplaced[0]))
    if unknown:
        _refuse_unknown(unknown)
    target = _target(on, workflow)
    if cron is None:
        if timezone is not None:
            raise ScheduleError(f"@trigger(timezone={shown(timezone)}) needs cron=...: give that, or drop it")
        interval: int | None = milliseconds(DEFAULT_INTERVAL if poll_interval is None else poll_interval)
    else:
        timezone, interval = _checked_clock(cron, timezone, poll_interval, target), None
    if type(allow_concurrent) is not bool:
        raise ScheduleError(f"allow_concurrent={shown(allow_concurrent)} must be True or False")

    def declared(function: Callable[P, R_co]) -> Trigger[P, R_co]:
        own = _own_name(function, name)
        if cron is None:
            _check_takes_nothing(function, own)
        made = Trigger(
            function, name=own, workflow=own if target is None else target, poll_interval_ms=interval, cron=cron,
            timezone=timezone, allow_concurrent=allow_concurrent,
        )  # fmt: skip
        registry.declare_trigger(made)
        return made

    return declared


def milliseconds(duration: Any) -> int:
    """A duration in milliseconds.

    >>> milliseconds("100ms"), milliseconds("5s"), milliseconds("1m"), milliseconds("1h")
    (100, 5000, 60000, 3600000)

    Raises:
        ScheduleError: It is not a duration, or is longer than a year.
    """
    found = re.fullmatch(r"\s*([0-9]{1,12})\s*(ms|s|m|h)\s*", duration) if is_str(duration) else None
    length = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < length <= _LONGEST_MS:
        raise ScheduleError(
            f"poll_interval={shown(duration)} must be a duration of at most a year, such as '100ms', '5s', '1m' or '1h'"
        )
    return length


def _refuse_unknown(unknown: dict[str, Any]) -> NoReturn:
    known = list(trigger.__kwdefaults__ or {})
    name = next(iter(unknown))
    hint = nearest(name, known) or f"there are {', '.join(known)}"
    raise ScheduleError(f"@trigger has no option {shown(name)}: {hint}")


def _not_by_position(given: object) -> str:
    if inspect.isfunction(given):
        return (
            f"@trigger is called: write @trigger(on=..., poll_interval='5s') above def {function_name(given)}"
        )
    return f"@trigger takes keywords alone, and got {shown(given)}: write @trigger(on=..., name=..., poll_interval='5s')"


def _check_takes_nothing(function: Callable[..., object], name: str) -> None:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise ScheduleError(
            f"trigger {shown(name)} is called with nothing, and its function wants more ({error}): "
            f"write def {function_name(function)}()"
        ) from error
    except ValueError:
        return  # The signature is unknown.


def _target(on: Any, workflow: Any) -> str | None:
    """The name of the target workflow, if one is given."""
    names = {_checked(getattr(given, "name", given), "on") for given in (on, workflow) if given is not None}
    if len(names) > 1:
        raise ScheduleError(
            f"@trigger has on={shown(on)} and workflow={shown(workflow)}, which mean the same: give one of them"
        )
    return next(iter(names), None)


def _checked(name: Any, option: str) -> str:
    try:
        return checked_name(name, what=f"{option}=...")
    except WorkflowValidationError as error:
        raise ScheduleError(f"@trigger: {error}") from error


def _checked_clock(cron: str, timezone: str | None, poll_interval: Any, target: str | None) -> str:
    """The time zone of a trigger that fires on a cron schedule."""
    if poll_interval is not None:
        raise ScheduleError(
            f"@trigger has cron={shown(cron)} and poll_interval={shown(poll_interval)}: it fires by the clock or by "
            "polling, give one of them"
        )
    if target is None:
        raise ScheduleError(f"@trigger(cron={shown(cron)}) needs a workflow: give on=...")
    fields_of(cron)
    zone_of("UTC" if timezone is None else timezone)
    return "UTC" if timezone is None else timezone


def _own_name(function: Any, name: Any) -> str:
    if not callable(function) or inspect.isclass(function):
        raise ScheduleError(
            f"@trigger decorates a function, not {shown(function)}: write @trigger(...) above def"
        )
    called = called_function(function)
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise ScheduleError(
            f"trigger {shown(function_name(function))} is a generator function: replace 'yield' by 'return'"
        )
    if name is None and function_name(function) == "<lambda>":
        raise ScheduleError("a lambda has no name to be a trigger's: write @trigger(name=...), or use def")
    return _checked(function_name(function) if name is None else name, "name")
