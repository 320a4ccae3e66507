"""Keyword-only parameters of a task's function, filled from the context."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from cloaca.authoring.names import listed, shown
from cloaca.authoring.signature import Parameter
from cloaca.authoring.task import AnyTask
from cloaca.errors import TaskExecutionError

_NESTING = {list, dict, Sequence, MutableSequence, Mapping, MutableMapping, Union, UnionType}
_SCALARS = {str, int, float, bool, None, NoneType, Any}


class Readable(Protocol):
    """What ``bind`` needs of a context; mappings provide it too."""

    def __contains__(self, key: object, /) -> bool: ...

    def get(self, key: str, /) -> Any: ...


def bind(task: AnyTask, context: Readable) -> dict[str, Any]:
    """The keyword arguments for the task's function, taken from this context.

    Annotated values are checked strictly by msgspec: ``"5"`` is not an ``int``. If the annotation consists of JSON types, a
    list or dict is passed as the context's own object, so changes made in place are kept. Any other annotation (a
    ``Struct``, a ``datetime``, a ``set``) receives a converted copy. If a key is absent, the parameter keeps its default.

    Raises:
        TaskExecutionError: A key without a default is missing, or a value does not match its annotation.
    """
    return {
        parameter.name: _value(task, parameter, context.get(parameter.name))
        for parameter in task.parameters
        if _is_given(task, parameter, context)
    }


def _is_given(task: AnyTask, parameter: Parameter, context: Readable) -> bool:
    if parameter.name in context:
        return True
    if parameter.has_default:
        return False
    writers = (
        f"none of {listed(task.dependencies)} or what ran before them has set it"
        if task.dependencies
        else "it has no dependencies, so the initial context must hold it"
    )
    raise TaskExecutionError(
        f"task {shown(task.id)} needs {parameter.name!r}, which is not in the context: {writers}; "
        f"set it there or give the parameter a default",
        task.id,
    )


def _value(task: AnyTask, parameter: Parameter, value: Any) -> Any:
    if parameter.annotation is None:
        return value
    import msgspec  # noqa: PLC0415 - most tasks have no annotated parameter, and it costs milliseconds

    expected = expected_types(task)[parameter.name]
    try:
        converted = msgspec.convert(value, expected.type)
    except msgspec.ValidationError as error:
        raise TaskExecutionError(
            f"task {shown(task.id)} needs {parameter.name!r} as {_named(parameter)}: {error}", task.id
        ) from error
    return value if expected.is_json and isinstance(value, (list, dict)) else converted


class Expected(NamedTuple):
    """A parameter's resolved annotation."""

    type: Any
    is_json: bool


def expected_types(task: AnyTask) -> dict[str, Expected]:
    """The types of the annotated parameters, resolved at the first call.

    Raises:
        TaskExecutionError: An annotation names something that does not exist, or that msgspec does not support.
    """
    if (known := task.__dict__.get("_expected")) is None:
        known = task.__dict__["_expected"] = _resolved(task)
    return known


def annotation_problem(task: AnyTask) -> str | None:
    """Why the annotations of the task's parameters cannot be resolved, or None; cheap for a task without parameters."""
    if all(p.annotation is None for p in task.parameters):
        return None
    try:
        _hints(task)
    except TaskExecutionError as error:
        return str(error)
    return None


def _resolved(task: AnyTask) -> dict[str, Expected]:
    hints = _hints(task)
    return {p.name: _supported(task, p, hints[p.name]) for p in task.parameters if p.annotation is not None}


def _hints(task: AnyTask) -> dict[str, Any]:
    try:
        return get_type_hints(inspect.unwrap(task.function), include_extras=True)
    except Exception as error:
        annotated = listed(p.name for p in task.parameters if p.annotation is not None)
        raise TaskExecutionError(
            f"the annotations of task {shown(task.id)} cannot be resolved, {error}: "
            f"make those of {annotated} name types that its module defines",
            task.id,
        ) from error


def _supported(task: AnyTask, parameter: Parameter, annotation: Any) -> Expected:
    import msgspec  # noqa: PLC0415 - see above

    try:
        msgspec.json.Decoder(annotation)
    except Exception as error:
        raise TaskExecutionError(
            f"task {shown(task.id)} wants {parameter.name!r} as {_named(parameter)}, which cannot come from a "
            f"context, {error}: annotate it with JSON's types or leave the annotation out",
            task.id,
        ) from error
    return Expected(annotation, _is_json(annotation))


def _named(parameter: Parameter) -> str:
    annotation = parameter.annotation
    if isinstance(annotation, str):
        return annotation
    return annotation.__qualname__ if type(annotation) is type else str(annotation)


def _is_json(annotation: Any) -> bool:
    seen: set[int] = set()
    waiting = [annotation]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        parts = _parts(current)
        if parts is None:
            return False
        waiting.extend(parts)
    return True


def _parts(annotation: Any) -> Sequence[Any] | None:
    """The annotations nested in this one, or None if it is not made of JSON types."""
    origin = get_origin(annotation) or annotation
    if origin is Annotated:
        return get_args(annotation)[:1]
    if origin in _NESTING:
        return get_args(annotation)
    if is_typeddict(origin):
        return list(get_type_hints(origin).values())
    return () if origin is Literal or origin in _SCALARS else None
