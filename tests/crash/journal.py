"""What bodies and starters write down outside the database: JSON lines, each appended in one write."""

from __future__ import annotations

import json
import os
import time
from typing import Any, NamedTuple

from tests.crash.tables import Seen


class Event(NamedTuple):
    """One line. ``seen`` is what its writer could see to be committed."""

    kind: str
    execution: str
    pid: int
    workflow: str = ""
    key: str | None = None
    task: str = ""
    attempt: int = 0
    fence: int = 0
    seen: Seen = 0
    status: str = ""
    context: dict[str, Any] | None = None
    seconds: float = 0.0
    at: float = 0.0
    """Seconds since 1970."""
    began: float = 0.0
    """When the body that writes it was given its slot."""


class Journal:
    """A file that survives the process that writes it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self, kind: str, execution: str, **facts: Any) -> None:
        """Append an event; it is there for all readers when this returns."""
        event = Event(kind, execution, os.getpid(), at=time.time(), **facts)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, json.dumps(event._asdict()).encode() + b"\n")
        finally:
            os.close(file)

    def read(self) -> list[Event]:
        """All events so far, in the order they were written."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as file:
            return [Event(**json.loads(line)) for line in file]
