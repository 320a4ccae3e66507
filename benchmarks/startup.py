"""What a new process pays before it has done anything, beside one that only starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks.figures import Bound, Figure, shown
from benchmarks.places import alternate
from benchmarks.sizes import Sizes

SAY = "import os; os.write(1, b'.')"
BARE = f"{SAY}\n"
IMPORT = f"import cloaca\n{SAY}\n"
FIRST_EXECUTION = f"""
import os
import sys

import cloaca

with cloaca.WorkflowBuilder("orders"):

    @cloaca.task
    def extract(context):
        context["raw"] = 1

    @cloaca.task(dependencies=[extract])
    def transform(context):
        context["metrics"] = context["raw"] + 1

    @cloaca.task(dependencies=[transform])
    def load(context):
        context["loaded"] = context["metrics"] + 1

with cloaca.DefaultRunner("sqlite:///" + os.path.join(sys.argv[1], f"{{os.getpid()}}.db")) as runner:
    assert runner.execute("orders")["loaded"] == 3
    {SAY}
"""


def startup(sizes: Sizes, folder: str) -> list[Figure]:
    """From the start of a process to an import, and to the end of its first execution, on a new file."""
    return [
        _added("import cloaca", IMPORT, 60, sizes, folder),
        _added("process start to first result, new file", FIRST_EXECUTION, 130, sizes, folder),
    ]


def _added(name: str, program: str, limit: float, sizes: Sizes, folder: str) -> Figure:
    ours, bare = (_written(folder, text) for text in (program, BARE))
    _time(ours)  # leaves the bytecode of what it imports
    pairs = alternate(lambda: _time(ours), lambda: _time(bare), rounds=sizes.process_rounds)
    mine, beside = pairs.medians
    return Figure(
        f"{name}, over bare python", pairs.difference, "ms", Bound("at most", limit), f"{shown(mine)} ms", f"{shown(beside)} ms"
    )  # fmt: skip


def _written(folder: str, text: str) -> str:
    path = os.path.join(folder, f"program{len(os.listdir(folder))}.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _time(program: str) -> float:
    """Milliseconds from the start of a process until it says a word."""
    unset = ("PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME", "COVERAGE_PROCESS_START")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    command = [sys.executable, program, os.path.dirname(program)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        said = process.stdout.read(1)
        taken = time.perf_counter() - began
    if said != b"." or process.returncode:
        raise RuntimeError(f"{program} ended with {process.returncode}")
    return taken * 1e3
