"""Runner processes that are started, killed, stopped and continued, each by its own process id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.chaos.member import Orders
from tests.chaos.place import Place, until
from tests.chaos.steerer import SteeringOrders

SECONDS_TO_END = 60


class Fleet:
    """The runner processes of one scenario; all that are left are killed at the end of the block.

    Args:
        orders: What the process in each slot is to do.
        module: What the processes run.
    """

    def __init__(
        self, place: Place, orders: Sequence[Orders | SteeringOrders], *, module: str = "member"
    ) -> None:
        self._place = place
        self._orders = orders
        self._module = module
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.kills = self.pauses = 0

    def __enter__(self) -> Self:
        for slot in range(len(self._orders)):
            self.start(slot)
        for slot in range(len(self._orders)):
            self.wait_for(slot)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            _end(process)

    def start(self, slot: int) -> None:
        """Start the process of a slot."""
        with open(self._place.log(f"{self._module}-{slot}"), "ab") as log:
            self._processes[slot] = subprocess.Popen(
                [sys.executable, "-m", f"tests.chaos.{self._module}", json.dumps(self._orders[slot])],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def wait_for(self, slot: int) -> None:
        """Wait until its runner works."""
        out = self._processes[slot].stdout
        assert out is not None
        if out.readline() != b"ready\n":
            raise AssertionError(f"the process of slot {slot} did not become ready")

    def restart(self, slot: int) -> None:
        """Start the process of a slot again, which has ended."""
        _end(self._processes[slot])
        self.start(slot)

    def pid(self, slot: int) -> int:
        return self._processes[slot].pid

    def wait_until_alone(self) -> None:
        """Wait until each process has its runner, and every dead one has been replaced."""
        pids = sorted(process.pid for process in self._processes.values())
        entered = "select pid from cloaca_runners"
        until(
            lambda: sorted(row[0] for row in self._place.ask(entered)) == pids,
            f"the runners are those of {pids}", seconds=30,
        )  # fmt: skip

    def exit_code(self, slot: int) -> int | None:
        """How it ended, if it has."""
        return self._processes[slot].poll()

    def note(self, kind: str, slot: int) -> None:
        """Write down what is done to a process."""
        pid = self.pid(slot)
        self._place.journal.write(kind, "", workflow=str(pid), key=self._place.runner_of(pid))

    def kill(self, slot: int) -> None:
        """End it as ``kill -9`` does."""
        self.note("killed", slot)
        self.kills += 1
        _end(self._processes[slot])

    def pause(self, slot: int) -> None:
        """Stop it."""
        self.note("paused", slot)
        self.pauses += 1
        self._stop(slot)

    def _stop(self, slot: int) -> None:
        """Stop it, and return when none of its threads runs any more."""
        self._processes[slot].send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid(slot), os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self, slot: int) -> None:
        """Let it go on."""
        self._processes[slot].send_signal(signal.SIGCONT)
        self._place.journal.write("continued", "", workflow=str(self.pid(slot)))

    def nudge(self, slot: int) -> None:
        """Let a process that was stopped go on for a moment."""
        self._processes[slot].send_signal(signal.SIGCONT)
        time.sleep(0.02)
        self._stop(slot)

    def end(self) -> list[str]:
        """Ask all to end, and say which did not end well."""
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.close()
        codes = {slot: process.wait(SECONDS_TO_END) for slot, process in self._processes.items()}
        return [f"the process of slot {slot} ended with {code}" for slot, code in codes.items() if code]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
