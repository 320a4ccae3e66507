"""Why an execution is not making progress, as data and as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloaca.model.states import Status


class ReasonKind(StrEnum):
    """What an execution or one of its tasks is waiting for; compares equal to its name."""

    ENDED = "Ended"
    PAUSED = "Paused"
    CODE = "Code"
    RUNNER = "Runner"
    LEASE = "Lease"
    RUNNING = "Running"
    DEFERRED = "Deferred"
    SUSPECT = "Suspect"
    RETRY = "Retry"
    SLOT = "Slot"
    DEPENDENCY = "Dependency"
    SKIPPED = "Skipped"
    ENDING = "Ending"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why an execution is not making progress.

    ``task`` is ``None`` if it concerns the execution as a whole. ``text`` is a sentence. ``next_step`` is a helpful command,
    without ``--db``; ``None`` if there is nothing to do but wait.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("refusing"):
        ...     @cloaca.task
        ...     def load(context):
        ...         raise OSError("no route")
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     ended = runner.execute("refusing")
        ...     explanation = runner.explain(ended.execution_id)
        >>> reason = explanation.reasons[0]
        >>> print(reason.kind, reason.next_step)
        Ended cloaca retry ...
    """

    kind: ReasonKind
    task: str | None
    text: str
    next_step: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an execution is not making progress: its ``reasons``, those about all of it first; ``str`` has one line each.

    Example:
        >>> import cloaca
        >>> with cloaca.WorkflowBuilder("refusing"):
        ...     @cloaca.task
        ...     def load(context):
        ...         raise OSError("no route")
        >>> with cloaca.DefaultRunner("sqlite:///:memory:") as runner:
        ...     ended = runner.execute("refusing")
        ...     explanation = runner.explain(ended.execution_id)
        >>> print(explanation)
        it has ended as Failed: task 'load' failed: OSError: no route
    """

    execution_id: str
    status: Status
    reasons: list[Reason]

    @property
    def sentences(self) -> list[str]:
        """The texts of the reasons."""
        return [reason.text for reason in self.reasons]

    def __str__(self) -> str:
        return "\n".join(self.sentences)
