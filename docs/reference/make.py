"""Write the reference from the docstrings: ``python -m docs.reference.make [FOLDER]``, from the root of the repository.

Examples are ``pycon`` blocks: they run as doctests, not as examples of the pages.
"""

from __future__ import annotations

import enum
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ForwardRef

from docs.reference.names import ALIASES, INTERNAL, MADE_ELSEWHERE, PAGES, Entry, entries, fenced

WIDTH = 100

_ABOUT = """Every public name of `cloaca` and `cloaca.testing`, from its docstring, which `help(cloaca.task)` shows too.
These pages are written by `python -m docs.reference.make`."""


class Reference:
    """All pages, as they refer to each other."""

    def __init__(self, found: list[Entry]) -> None:
        self._entries = found
        self._targets = {entry.name: f"{entry.page.file}#{entry.name.lower()}" for entry in found}

    def pages(self) -> Iterator[tuple[str, str]]:
        """The name and the text of each file."""
        yield "index.md", self._index()
        for page in PAGES:
            described = [self._described(entry) for entry in self._entries if entry.page == page]
            yield page.file, "\n\n".join([f"# {page.title}", page.about, *described]) + "\n"

    def _index(self) -> str:
        parts = [
            "# Reference",
            _ABOUT,
        ]
        for page in PAGES:
            rows = [
                f"| [`{entry.name}`]({self._targets[entry.name]}) | {self._prose(_summary(entry.value))} |"
                for entry in self._entries
                if entry.page == page
            ]
            parts += [f"## {page.title}", "\n".join(["| name | |", "|---|---|", *rows])]
        return "\n\n".join(parts) + "\n"

    def _described(self, entry: Entry) -> str:
        parts = [f"## `{entry.name}`", *_declared(entry), *self._documented(inspect.getdoc(entry.value))]
        if entry.name == "WorkflowResult":
            parts.append("`PipelineResult` is another name of it.")
        if inspect.isclass(entry.value):
            parts += self._members(entry)
        return "\n\n".join(parts)

    def _members(self, entry: Entry) -> Iterator[str]:
        for name, member in _public(entry.value):
            if name in INTERNAL.get(entry.name, ()):
                continue
            function = _callable_of(member)
            title = f"### `{entry.name}.{name}`"
            if isinstance(member, enum.Enum):
                continue
            if function is None or isinstance(member, (property, cached_property)):
                type_name = _annotation(inspect.signature(function).return_annotation) if function else ""
                shown = fenced("py", f"{name}: {type_name}") if type_name else ""
            else:
                shown = fenced("py", _called(name, function, is_bound=not isinstance(member, staticmethod)))
            yield "\n\n".join(filter(None, [title, shown, *self._documented(inspect.getdoc(member))]))

    def _documented(self, docstring: str | None) -> Iterator[str]:
        for title, text in _sections(docstring or ""):
            if title == "Example":
                yield fenced("pycon", text)
            elif title in {"Args", "Attributes", "Raises"}:
                heading = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Raises"}[title]
                yield f"{heading}:\n\n" + "\n".join(self._items(text))
            else:
                yield self._prose(f"Returns: {text}" if title == "Returns" else text)

    def _items(self, text: str) -> Iterator[str]:
        for item in re.split(r"\n(?=\S)", text):
            names, _, meaning = item.partition(":")
            if names != "**unknown":
                code = ", ".join(f"``{name.strip()}``" for name in names.split(","))
                yield self._prose(f"- {code}: {' '.join(meaning.split())}")

    def _prose(self, text: str) -> str:
        """Docstring markup as Markdown, with links to the names that are described."""

        def code(match: re.Match[str]) -> str:
            target = self._targets.get(match[1].removeprefix("cloaca.").removeprefix("testing."))
            return f"[`{match[1]}`]({target})" if target else f"`{match[1]}`"

        return re.sub(r"``(.+?)``", code, text, flags=re.DOTALL)


def _sections(docstring: str) -> Iterator[tuple[str, str]]:
    """The parts of a docstring: paragraphs with no title, and what stands under ``Args:`` and the like."""
    for part in re.split(r"\n\n(?=\S)", docstring):
        title, _, text = part.partition("\n")
        if title in {"Args:", "Attributes:", "Raises:", "Returns:", "Example:"}:
            yield title[:-1], textwrap.dedent(text).strip("\n")
        elif part.startswith(">>>"):
            yield "Example", part
        else:
            yield "", part.removesuffix("::") + ":" * part.endswith("::")


def _summary(value: Any) -> str:
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())


def _declared(entry: Entry) -> Iterator[str]:
    """How it is called, or which fields it has."""
    value = entry.value
    if not inspect.isclass(value):
        if entry.module != "pytest_cloaca":
            yield fenced("py", _called(entry.name, value))
    elif issubclass(value, BaseException):
        bases = ", ".join(base.__name__ for base in value.__bases__)
        yield fenced("py", f"class {entry.name}({bases})")
        if "__init__" in vars(value):
            attributes = [f"`{name}`" for name in list(inspect.signature(value).parameters)[1:]]
            yield f"Attributes: {', '.join(attributes)}."
    elif issubclass(value, enum.Enum):
        yield fenced(
            "py", "\n".join(f"{entry.name}.{member.name} = {_shown(member.value)}" for member in value)
        )
    elif is_dataclass(value) and entry.module.startswith("cloaca.insights"):
        yield fenced(
            "py", "\n".join(f"{name}: {field.type}" for name, field in value.__dataclass_fields__.items())
        )
    elif issubclass(value, tuple):
        yield fenced(
            "py", "\n".join(f"{name}: {_annotation(kind)}" for name, kind in value.__annotations__.items())
        )
    elif entry.name not in MADE_ELSEWHERE:
        yield fenced("py", _called(entry.name, value))


def _public(cls: type) -> Iterator[tuple[str, Any]]:
    """What a class of ours and its bases of ours define, the class first; fields are described by the class itself."""
    seen = set()
    for base in cls.__mro__:
        for name, member in vars(base).items() if base.__module__.startswith("cloaca") else ():
            described = inspect.getdoc(member) if _callable_of(member) else None
            if described and not name.startswith("_") and name not in seen:
                seen.add(name)
                yield name, member


def _callable_of(member: Any) -> Callable[..., Any] | None:
    match member:
        case property():
            return member.fget
        case cached_property():
            return member.func
        case staticmethod() | classmethod():
            return member.__func__
    return member if inspect.isfunction(member) else None


def _called(name: str, function: Any, *, is_bound: bool = False) -> str:
    """A call of a function, with the types and defaults of what it takes; one parameter a line where it is long."""
    signature = inspect.signature(function)
    taken = list(signature.parameters.values())[1 if is_bound else 0 :]
    parts, star = [], False
    for parameter in taken:
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
        star = star or parameter.kind in {parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL}
        if parameter.name != "unknown":
            parts.append(_parameter(parameter))
        if parameter.kind is parameter.POSITIONAL_ONLY:
            parts = [*(part for part in parts if part != "/"), "/"]
    prefix = "async " if inspect.iscoroutinefunction(function) else ""
    returned = "" if inspect.isclass(function) else _annotation(signature.return_annotation)
    arrow = f" -> {returned}" if returned else ""
    line = f"{prefix}{name}({', '.join(parts)}){arrow}"
    if len(line) <= WIDTH:
        return line
    return f"{prefix}{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){arrow}"


def _written_out(name: re.Match[str]) -> str:
    alias = ALIASES.get(name[0], name[0])
    text = alias if isinstance(alias, str) else re.sub(r"\b(?:\w+\.)+(?=\w)", "", str(alias))
    return text.replace("AnyTask", "Task")


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    kind = _annotation(parameter.annotation)
    text = f"{stars}{parameter.name}" + (f": {kind}" if kind else "")
    if parameter.default is parameter.empty:
        return text
    default = _shown(parameter.default)
    return f"{text} = {default}" if kind else f"{text}={default}"


def _shown(value: Any) -> str:
    if type(value) is object:  # what stands for nothing given
        return "..."
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    if isinstance(annotation, str):
        return re.sub(r"\b[A-Z]\w+\b", _written_out, annotation.strip("'\""))
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for file, text in Reference(entries()).pages():
        folder.joinpath(file).write_text(text, encoding="utf-8")
