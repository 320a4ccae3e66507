"""The messages that other threads put into the engine's inbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cloaca.authoring.workflow import Workflow
from cloaca.engine.callbacks import CalledBack
from cloaca.executors.job import Outcome
from cloaca.store.rows import Existing


class NewExecution(NamedTuple):
    """An execution to start. ``texts`` holds the encoded values of its input by key, ``input`` all of them as one text."""

    id: str
    texts: dict[str, str]
    input: str
    idempotency_key: str | None


Answer = Callable[[dict[str, Existing] | BaseException], None]


class StartRequest:
    """Executions of one workflow to start in one transaction.

    Args:
        answer: Called once, in a turn. Once the start is durable it receives, by requested id, the executions that
            already exist under an idempotency key; if the start is refused, it receives the error.
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
        """The caller, as telemetry identifies it."""
        self.size = sum(len(new.input) for new in executions)


class Registered(NamedTuple):
    """A workflow of this name was registered in this process."""

    name: str


class WorkAnnounced(NamedTuple):
    """Another process has started executions that have no owner yet."""


class Steered(NamedTuple):
    """Somebody may have steered these executions."""

    executions: Sequence[str]


class WorkflowsFound(NamedTuple):
    """The registered workflows found under these names, or ``None``."""

    workflows: dict[str, Workflow | None]


class AfterTurn(NamedTuple):
    """Run a turn, handle what is due, and then call this on the thread that runs the turn."""

    call: Callable[[], object]


class Wake(NamedTuple):
    """A turn on another thread has left work, or something that falls due earlier."""


class Stop(NamedTuple):
    """Let running bodies finish within the timeout, hand over the rest, and end."""

    timeout: float


Message = (
    StartRequest
    | Outcome
    | CalledBack
    | Registered
    | WorkAnnounced
    | Steered
    | WorkflowsFound
    | AfterTurn
    | Wake
    | Stop
)
