"""Loading the file or module given to a command, and finding the workflows it registers."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType

import cloaca
from cloaca.authoring import registry
from cloaca.authoring.names import listed, nearest, shown
from cloaca.authoring.workflow import Workflow
from cloaca.cli.exit_codes import Refused

_OURS = (os.path.dirname(cloaca.__file__) + os.sep, os.path.dirname(importlib.__file__) + os.sep)
_LONGEST = 300
_GUARD = "if __name__ == '__main__'"


class NothingRegistered(Refused):
    """The loaded code registers no new workflow."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of loading: ``target`` as it was typed, and the names of the workflows it registers."""

    target: str
    names: list[str]

    def pick(self, name: str | None) -> str:
        """The workflow with this name, or the only one.

        Raises:
            Refused: There is none with this name, or no name is given and there are several.
        """
        if name is None:
            if len(self.names) > 1:
                raise Refused(
                    f"{self.target} registers {len(self.names)} workflows: name one of {listed(self.names, most=20)}"
                )
            return self.names[0]
        if name not in self.names:
            hint = nearest(name, self.names) or f"it registers {listed(self.names)}"
            raise Refused(f"workflow {shown(name)} is not in {self.target}: {hint}")
        return name


def load(target: str) -> Loaded:
    """Import a file by path, or a module by its dotted name, and find the workflows it registers.

    The folder of the file, or the working directory, becomes the first entry of ``sys.path``. Code under
    ``if __name__ == "__main__"`` does not run.

    Raises:
        Refused: The file or module does not exist, its import raises, or it registers no workflow.
    """
    if not target.strip():
        raise Refused(f"FILE_OR_MODULE is {target!r}: name a file such as etl.py, or a module")
    before = set(registry.registered_names())
    tasks = set(registry.current().task_ids())
    module = _from_file(target) if _is_path(target) else _from_name(target)
    names = [name for name in registry.registered_names() if name not in before]
    if not names:
        declared = [task for task in registry.current().task_ids() if task not in tasks]
        raise NothingRegistered(_nothing_in(target, module, declared))
    return Loaded(target, names)


def load_all(targets: Sequence[str]) -> list[str]:
    """Load several files or modules, of which one may have imported another, and find the workflows they register.

    Raises:
        Refused: As for ``load``.
    """
    before = set(registry.registered_names())
    known = set(sys.modules)
    for target in dict.fromkeys(targets):
        if not _is_imported(target, since=known):
            load(target)
    return [name for name in registry.registered_names() if name not in before]


def _is_imported(target: str, *, since: set[str]) -> bool:
    """Whether it was imported since only these modules were loaded."""
    path = os.path.abspath(target)
    return any(
        name == target or getattr(module, "__file__", None) == path
        for name, module in list(sys.modules.items())
        if name not in since
    )


def _is_path(target: str) -> bool:
    is_dotted_name = all(part.isidentifier() for part in target.split("."))
    if not is_dotted_name or target.endswith(".py") or os.path.isfile(target):
        return True
    return os.path.isdir(target) and not os.path.isfile(os.path.join(target, "__init__.py"))


def _from_file(target: str) -> ModuleType:
    path = os.path.abspath(target)
    _check_file(target, path)
    folder, file = os.path.split(path)
    name = os.path.splitext(file)[0]
    if name in sys.modules:
        name = f"_{name}"  # so that a file named types.py does not replace the standard module
    sys.path.insert(0, folder)

    def run() -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path, loader=SourceFileLoader(name, path))
        assert spec is not None  # noqa: S101 - its loader is passed in
        assert spec.loader is not None  # noqa: S101 - as above
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    return _imported(target, run)


def _check_file(target: str, path: str) -> None:
    typed = _typed(target)
    if os.path.isdir(path):
        raise Refused(f"{typed} is a folder: name a file in it, or a package by its dotted name")
    if not os.path.exists(path):
        file, colon, workflow = target.rpartition(":")
        if colon and os.path.exists(file):
            raise Refused(f"there is no file {typed}: name the workflow after a space, {file} {workflow}")
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            raise Refused(f"there is no file {typed}: there is no folder {_typed(folder)}")
        raise Refused(f"there is no file {typed}: {_nearest_file(target) or f'looked for {_typed(path)}'}")


def _typed(text: str) -> str:
    """The text as it was typed, unless that would control the terminal or fill it."""
    return text if text.isprintable() and len(text) <= _LONGEST else shown(text)


def _nearest_file(target: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and only errors need it

    folder, file = os.path.split(target)
    names = [name.removesuffix(".py") for name in os.listdir(folder or ".") if name.endswith(".py")]
    close = get_close_matches(file[:_LONGEST].removesuffix(".py"), names, n=1)
    return f"did you mean {_typed(os.path.join(folder, close[0]))}.py?" if close else ""


def _from_name(target: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())

    def run() -> ModuleType:
        try:
            return importlib.import_module(target)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{target}.".startswith(f"{error.name}."):
                hint = (
                    _nearest_file(target)
                    or "name a file such as etl.py, or a module that Python finds from here"
                )
                raise Refused(f"there is no file or module {_typed(target)}: {hint}") from None
            raise

    return _imported(target, run)


def _imported(target: str, run: Callable[[], ModuleType]) -> ModuleType:
    try:
        return run()
    except (Refused, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise Refused(
            f"{target} ended the program when it was imported (SystemExit: {error.code}): "
            f"put what is not to run here under {_GUARD}"
        ) from error
    except BaseException as error:
        lines = traceback.format_exception(type(error), error, _without_ours(error.__traceback__))
        raise Refused(
            f"{target} cannot be imported: it raised {type(error).__name__}", above="".join(lines)
        ) from error


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this library and of Python's import system."""
    kept = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((*_OURS, "<frozen importlib")):
            kept.append(trace)
        trace = trace.tb_next
    linked: TracebackType | None = None
    for entry in reversed(kept):
        linked = TracebackType(linked, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return linked


def _nothing_in(target: str, module: ModuleType, tasks: list[str]) -> str:
    for name, value in vars(module).items():
        if isinstance(value, Workflow):
            return (
                f"{target} registers no workflow: it builds {shown(value.name)} and does not register it: add "
                f"cloaca.register_workflow_constructor({value.name!r}, lambda: {name})"
            )
    if tasks:
        return (
            f"{target} declares {listed(tasks)} and registers no workflow: put them into a block, "
            "with cloaca.WorkflowBuilder(...), at the top level of the file"
        )
    return (
        f"{target} registers no workflow: write one with cloaca.WorkflowBuilder(...) as a block at the top level of "
        f"the file; what is under {_GUARD} does not run here"
    )
