"""The declared inputs of a workflow, and checking an input against them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

from cloaca.authoring.names import listed, nearest, shown
from cloaca.authoring.signature import function_name
from cloaca.authoring.task import PARAMS, AnyTask, Task
from cloaca.authoring.workflow_param import Param
from cloaca.errors import TaskValidationError, WorkflowValidationError
from cloaca.model.values import decode, encode

T = TypeVar("T", bound=Callable[..., Any])

FIRED = (
    "scheduled_time", "schedule_id", "schedule_timezone", "schedule_expression", "trigger_name", "triggered_at",
)  # fmt: skip
"""Keys in the input of executions started by a schedule or a trigger, in addition to the declared ones."""

_MOST_SHOWN = 20


def workflow_params(function: Any = None, /, **declared: Any) -> Callable[[T], T]:
    """Declare the inputs of a workflow, above or below the ``@task`` of any of its tasks.

    Runners check each start against the declaration. If a required input is missing, or a value has the wrong type, nothing
    is started, and the error has one line for each key. Defaults are filled in and stored with the input. The values are
    keys of the initial context. A client that knows only the workflow's name cannot check its input.

    Args:
        function: Not used: the decorator is always called with keyword arguments.
        **declared: For each key its type, or its type and default: ``limit=(int, 10)``. Types are ``str``, ``int``,
            ``float``, ``bool``, ``list``, ``dict``, or any other that msgspec supports, such as ``list[int]`` or a
            ``Literal``. Values are checked strictly: ``"5"`` is not an ``int``. A default of ``None`` allows the value
            ``None`` as well.

    Raises:
        TaskValidationError: A type or default is not valid, or a key is declared twice.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("report"):
        ...     @cloaca.workflow_params(region=str, limit=(int, 10))
        ...     @cloaca.task
        ...     def select(context):
        ...         context["selected"] = f"{context['limit']} of {context['region']}"
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     runner.execute("report", {"region": "north"})["selected"]
        '10 of north'
    """
    if function is not None or not declared:
        raise TaskValidationError(
            "@workflow_params declares inputs by name: write @workflow_params(limit=int) or, with a default, limit=(int, 10)"
        )
    params = tuple(_param(name, given) for name, given in declared.items())

    def declare(target: T) -> T:
        if not isinstance(target, Task) and not hasattr(target, "__code__"):
            raise TaskValidationError(
                f"@workflow_params decorates a task or its function, not {shown(target)}"
            )
        before: tuple[Param, ...] = vars(target).get(PARAMS, ())
        for param in params:
            if param.name in {one.name for one in before}:
                _refuse(param.name, f"{function_name(target)} declares it twice: keep one")
        setattr(target, PARAMS, (*params, *before))
        return target

    return declare


def _param(name: str, given: Any) -> Param:
    match given:
        case tuple((annotation, default)):
            _check_type(name, annotation)
            return _with_default(name, annotation, default)
        case tuple():
            _refuse(name, f"{shown(given)} is not a type with its default: write {name}=(int, 10)")
    _check_type(name, given)
    return Param(name, given)


def _with_default(name: str, annotation: Any, default: Any) -> Param:
    text = _text(name, default)
    param = Param(name, (annotation | None) if default is None else annotation, text)
    if wrong := _mismatch(param, text):
        _refuse(name, f"its default {shown(default)} is not of its type, {wrong}: change one of the two")
    return param


def _text(name: str, default: Any) -> str:
    try:
        return encode(default, name)
    except TypeError as error:
        raise TaskValidationError(f"@workflow_params({name}=...): {error}") from error


def _check_type(name: str, annotation: Any) -> None:
    import msgspec  # noqa: PLC0415 - see above

    if isinstance(annotation, (str, int, float, list, dict)) or annotation is None:
        _refuse(
            name,
            f"{shown(annotation)} is a value, not a type: write {name}=({_kind(annotation)}, {shown(annotation)})",
        )
    try:
        msgspec.json.Decoder(annotation)
    except Exception as error:
        raise TaskValidationError(
            f"@workflow_params({name}=...): {shown(annotation)} is not a type that an input can have, {error}: "
            f"give one of JSON's, such as str, int or list"
        ) from error


def _kind(value: Any) -> str:
    return "str" if value is None else type(value).__name__


def _refuse(name: str, problem: str) -> NoReturn:
    raise TaskValidationError(f"@workflow_params({name}=...): {problem}")


def contradictions(tasks: Iterable[AnyTask]) -> Iterator[str]:
    """One line for each input that tasks of a workflow declare in different ways."""
    first: dict[str, tuple[AnyTask, Param]] = {}
    for task in tasks:
        for param in task.declared_params:
            other, known = first.setdefault(param.name, (task, param))
            if known != param:
                yield (
                    f"tasks {shown(other.id)} and {shown(task.id)} declare the input {shown(param.name)} differently: "
                    f"declare it once"
                )


def filled(workflow: str, params: Mapping[str, Param], texts: dict[str, str]) -> dict[str, str]:
    """An input with its missing defaults filled in; its values are JSON texts.

    Raises:
        WorkflowValidationError: It does not match the declaration; ``errors`` has a line for each key.
    """
    errors = [*_unknown(params, texts), *_wrong(params.values(), texts)]
    if errors:
        raise _refusal(workflow, errors)
    defaults = {p.name: p.default_text for p in params.values() if p.default_text is not None}
    return texts | {name: text for name, text in defaults.items() if name not in texts}


def _unknown(params: Mapping[str, Param], texts: Iterable[str]) -> Iterator[str]:
    for name in texts:
        if name not in params and name not in FIRED:
            hint = nearest(name, params) or f"declared are {listed(params)}"
            yield f"{shown(name)} is not declared by @workflow_params: {hint}"


def _wrong(params: Iterable[Param], texts: Mapping[str, str]) -> Iterator[str]:
    for param in params:
        text = texts.get(param.name)
        if text is None:
            if param.is_required:
                yield f"{shown(param.name)}, {param.type_name}, is missing and has no default: give it"
        elif wrong := _mismatch(param, text):
            yield f"{shown(param.name)} must be {param.type_name}: {wrong}"


def _mismatch(param: Param, text: str) -> str:
    """How a value differs from its type, or an empty string."""
    import msgspec  # noqa: PLC0415 - see above

    try:
        msgspec.convert(decode(text), param.type)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _refusal(workflow: str, errors: list[str]) -> WorkflowValidationError:
    start = f"workflow {shown(workflow)} cannot start with this input:"
    if len(errors) == 1:
        return WorkflowValidationError(f"{start} {errors[0]}", errors)
    more = len(errors) - _MOST_SHOWN
    lines = [*errors[:_MOST_SHOWN], *([f"and {more} more, see the exception's errors"] if more > 0 else [])]
    return WorkflowValidationError("\n  - ".join([start, *lines]), errors)
