"""What reaches the engine's inbox from other threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cloaca.authoring.workflow import Workflow
from cloaca.engine.callbacks import CalledBack
from cloaca.executors.job import Outcome
from cloaca.store.rows import Existing


class NewExecution(NamedTuple):
    """An execution to start; ``texts`` are the encoded values of its input by key, ``input`` all of them as one text."""

    id: str
    texts: dict[str, str]
    input: str
    idempotency_key: str | None


Answer = Callable[[dict[str, Existing] | BaseException], None]


class StartRequest:
    """Executions of one workflow to start in one transaction.

    Args:
        answer: Called once, in a turn: with the executions that exist already under an idempotency key,
            by the id that was asked for, once the start is durable; or with the error that refused it.
    """

    __slots__ = ("answer", "executions", "origin", "size", "version", "workflow")

    def __init__(
        self, workflow: Workflow, version: str, executions: list[NewExecution], answer: Answer | None = None
    ) -> None:
        self.workflow = workflow
        self.version = version
        self.executions = executions
        self.answer = answer
        self.origin: object = None
        """What telemetry remembers the caller by."""
        self.size = sum(len(new.input) for new in executions)


class Registered(NamedTuple):
    """A workflow of this name was registered in this process."""

    name: str


class WorkAnnounced(NamedTuple):
    """Another process has started what nobody owns."""


class Steered(NamedTuple):
    """Somebody may have steered these executions."""

    executions: Sequence[str]


class WorkflowsFound(NamedTuple):
    """What looking for the registered workflows of some names has found."""

    workflows: dict[str, Workflow | None]


class Look(NamedTuple):
    """See what is due, and call this in the thread that takes the turn, once it is done."""

    seen: Callable[[], object]


class Wake(NamedTuple):
    """A turn in another thread has left something to do, or to wait for a shorter time."""


class Stop(NamedTuple):
    """Finish what runs within so many seconds, hand over the rest, and end."""

    timeout: float


Message = (
    StartRequest
    | Outcome
    | CalledBack
    | Registered
    | WorkAnnounced
    | Steered
    | WorkflowsFound
    | Look
    | Wake
    | Stop
)
