"""Immutable values, without the start-up cost of dataclasses."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn


class Immutable:
    """Equality, hash, pickling and ``repr`` by the values of its slots.

    A subclass names its fields in ``__slots__`` and sets them with ``_keep``.
    """

    __slots__ = ()

    _names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls._names = (*cls._names, *vars(cls).get("__slots__", ()))

    def _keep(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name!r} of {self!r} cannot be set: make another {type(self).__name__}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} of {self!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), dict(zip(self._names, self._fields(), strict=True)))

    def __copy__(self) -> Immutable:
        return self

    def __deepcopy__(self, memo: object) -> Immutable:
        return self


def _restored(cls: type[Immutable], fields: dict[str, Any]) -> Immutable:
    made = cls.__new__(cls)
    made._keep(**fields)  # noqa: SLF001 - the counterpart of __reduce__
    return made
