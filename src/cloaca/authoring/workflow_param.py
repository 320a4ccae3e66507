"""A declared input of a workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloaca.model.values import decode


@dataclass(frozen=True, slots=True)
class Param:
    """A declared input: a key of the initial context. ``default_text`` is its default as JSON, or ``None``."""

    name: str
    type: Any
    default_text: str | None = None

    @property
    def is_required(self) -> bool:
        """Whether the input has to be given."""
        return self.default_text is None

    @property
    def default(self) -> Any:
        """The default, a new object each time; ``None`` if the input is required."""
        return None if self.default_text is None else decode(self.default_text)

    @property
    def type_name(self) -> str:
        """Its type as written in source code."""
        return self.type.__qualname__ if type(self.type) is type else str(self.type).replace("typing.", "")

    def schema(self) -> dict[str, Any]:
        """Its type and its default, if any, as JSON Schema."""
        import msgspec  # noqa: PLC0415 - needed only where inputs are declared

        schema = msgspec.json.schema(self.type)
        return schema if self.is_required else schema | {"default": self.default}
