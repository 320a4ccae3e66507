"""The real command in a folder of its own, through pipes and on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tests.anywhere import postgres_database, postgres_url  # noqa: F401 - fixtures
from tests.cli.invoked import declared, ended, fired, shell, waiting  # noqa: F401 - fixtures
from tests.world import _own_world  # noqa: F401 - a fixture

PROGRAM = shutil.which("cloaca", path=os.path.dirname(sys.executable))
PATIENCE_SECONDS = 20
LINES, COLUMNS = 24, 100

ETL = """
import os
import cloaca

with cloaca.WorkflowBuilder("etl"):

    @cloaca.task
    def extract(context):
        print("extract runs")
        context["rows"] = [3, 4, 5]

    @cloaca.task(dependencies=[extract])
    def transform(context):
        print("transform runs")
        if "gate" in context:
            with open(context["gate"]) as gate:
                gate.read()
        context["total"] = sum(context["rows"])

    @cloaca.task(dependencies=[transform])
    def load(context):
        print("load runs")
        if "fail" in context:
            raise ValueError(context["fail"])

if __name__ == "__main__":
    raise RuntimeError("this block must not run")
"""


class Folder:
    """A working directory, and the command run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CLOACA_")
        }
        self.environment |= {"COLUMNS": str(COLUMNS), "TERM": "xterm", "NO_COLOR": "1"}

    def write(self, name: str, text: str) -> None:
        self.path.joinpath(name).write_text(text, encoding="utf-8")

    def gate(self) -> str:
        """The context of an ``etl`` whose second task waits until ``open_gate``."""
        os.mkfifo(self.path / "gate")
        return '{"gate": "gate"}'

    def open_gate(self) -> None:
        self.path.joinpath("gate").write_text("", encoding="utf-8")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments], cwd=self.path, env=self.environment | variables, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip

    def refused(self, *arguments: str) -> str:
        """What a command says that is wrong usage; nothing is printed as a result."""
        done = self.run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert "cloaca/cli" not in done.stderr
        return done.stderr

    @contextmanager
    def begun(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The command while it runs, its streams as pipes."""
        with subprocess.Popen(
            [PROGRAM, *arguments], cwd=self.path, env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=_heed_ctrl_c,  # noqa: PLW1509 - the tests have no threads
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def terminal(self, *arguments: str, columns: int = COLUMNS) -> Iterator[pexpect.spawn]:
        """The command on a pseudo-terminal."""
        child = pexpect.spawn(
            PROGRAM, list(arguments), cwd=self.path, dimensions=(LINES, columns),
            env=self.environment | {"COLUMNS": str(columns)},
            encoding="utf-8", timeout=PATIENCE_SECONDS,
            preexec_fn=_heed_ctrl_c,
        )  # fmt: skip
        try:
            yield child
        finally:
            child.close(force=True)


def _heed_ctrl_c() -> None:
    # Whoever runs the tests in the background of a shell lets their children ignore it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def rest_of(child: pexpect.spawn) -> str:
    """What a command still writes to its terminal; it has ended then."""
    child.expect(pexpect.EOF)
    child.close()
    return child.before


def plain(shown: str) -> str:
    """What was written to a terminal, without its codes; what was overwritten stands on lines of its own."""
    shown = re.sub(r"(\x1b\[2K|\x1b\[1A)+", "\n", shown.replace("\r", ""))
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def resume_command(text: str) -> list[str]:
    """The arguments of the command to go on that an interrupted one prints."""
    return re.search(r"resume with:\s+cloaca (run .*)", text)[1].split()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with the workflow ``etl`` in ``etl.py``."""
    made = Folder(tmp_path)
    made.write("etl.py", ETL)
    return made


def read_until(stream, text):
    """What a process prints until it has printed this."""
    read = ""
    while text not in read:
        line = stream.readline()
        assert line, f"ended without {text!r} after {read}"
        read += line
    return read
