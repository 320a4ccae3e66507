"""Pages of Markdown as programs: what their code blocks are, and whether they print what they show.

A page's blocks run from top to bottom in one namespace and one folder:

- ``python`` is executed. What it prints must be shown in a ``text`` block that comes next; a block that prints nothing
  has none. After ``<!-- file: NAME -->`` it is written to a file of that name instead. After ``<!-- cell: NUMBER -->`` it
  is run as a cell of a notebook is: on an event loop, with ``await`` at top level.
- ``console`` holds lines ``$ COMMAND``, each followed by what the command prints to either stream.
- ``sh`` is only parsed: it makes environments or talks to the network.
- any other language is not looked at.

In shown output ``...`` stands for anything; ids, times and durations are compared as such, not by value.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (?P<kind>\w+): (?P<value>\S+) -->\n\Z")

_SAME = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00)?"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s)\b"), "<duration>"),
    (re.compile(r"process \d+ on \S+\)"), "process <pid> on <host>)"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``mark`` is the comment ``<!-- KIND: VALUE -->`` on the line before it."""

    language: str
    text: str
    line: int
    mark: tuple[str, str] | None


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    source = page.read_text(encoding="utf-8")
    blocks = []
    for fence in _FENCE.finditer(source):
        mark = _MARK.search(source, 0, fence.start())
        line = source.count("\n", 0, fence.start("text")) + 1
        blocks.append(
            Block(fence["language"], fence["text"], line, (mark["kind"], mark["value"]) if mark else None)
        )
    return blocks


def pages() -> list[Path]:
    """The README and everything in docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Page:
    """A page that is being run in ``folder``, which must be the working directory."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._namespace = {"__name__": "__main__"}
        self._groups: list[int] = []
        self._kernel = asyncio.Runner()  # makes its loop when the first cell runs

    def run(self) -> None:
        """Run every block; raises where one fails or prints something else than the page shows."""
        try:
            self._run_blocks()
        finally:
            self._kernel.close()
            self._end_what_runs()

    def _run_blocks(self) -> None:
        for block, following in pairwise([*blocks_of(self._path), None]):
            match block.language:
                case "python" if block.mark and block.mark[0] == "file":
                    self._folder.joinpath(block.mark[1]).write_text(block.text, encoding="utf-8")
                case "python":
                    shown = following.text if following and following.language == "text" else ""
                    self._check(self._executed(block), shown, block.line)
                case "console":
                    self._run_commands(block)
                case "sh":
                    subprocess.run(["bash", "-n", "-c", block.text], check=True)

    def _executed(self, block: Block) -> str:
        # Under the page's own name and line, so that a traceback, and the source of a task, is what the page shows.
        source = "\n" * (block.line - 1) + block.text
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if block.mark and block.mark[0] == "cell" else 0
        code = compile(source, str(self._path), "exec", flags=flags, dont_inherit=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if flags:
                self._kernel.run(self._cell(code))
            else:
                exec(code, self._namespace)
        return printed.getvalue()

    async def _cell(self, code: CodeType) -> None:
        awaited = eval(code, self._namespace)
        if code.co_flags & inspect.CO_COROUTINE:
            await awaited

    def _run_commands(self, block: Block) -> None:
        line = block.line
        for command, shown in _commands(block.text):
            self._check(self._printed(command), shown, line)
            line += 1 + shown.count("\n")

    def _printed(self, command: str) -> str:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=self._folder, env=_environment(self._folder), process_group=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._groups.append(process.pid)
        printed, _ = process.communicate(timeout=60)
        if not _is_alive(process.pid):
            self._groups.remove(process.pid)
        # Bash has become the command, so nobody is left to say what an interactive one says.
        return printed + ("Killed\n" if process.returncode == -9 else "")

    def _end_what_runs(self) -> None:
        """End what commands have left in the background, as a page does that was not run to its end."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def _check(self, printed: str, shown: str, line: int) -> None:
        place = f"{self._path.relative_to(ROOT)}:{line}"
        assert is_as_shown(printed, shown), f"{place} shows\n{shown}\nand prints\n{printed}"


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def is_as_shown(printed: str, shown: str) -> bool:
    """Whether a program printed what a page shows."""
    for pattern, name in _SAME:
        printed, shown = pattern.sub(name, printed), pattern.sub(name, shown)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(shown.strip() + "\n", printed.strip() + "\n", flags)


def _environment(folder: Path) -> dict[str, str]:
    """An environment in which ``python`` and ``cloaca`` are those of this test."""
    programs = folder / ".bin"
    programs.mkdir(exist_ok=True)
    run = "import sys; from cloaca.cli.main import main; sys.argv[0] = 'cloaca'; main()"
    for name, options in (("python", '"$@"'), ("cloaca", f'-c "{run}" "$@"')):
        program = programs / name
        if program.exists():
            continue  # one that runs in the background cannot be written
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {options}\n', encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOACA_")}
    path = os.pathsep.join([str(programs), environment.get("PATH", os.defpath)])
    source = os.pathsep.join([str(ROOT / "src"), environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return environment | {"PATH": path, "PYTHONPATH": source, "COLUMNS": "100", "NO_COLOR": "1"}
