"""Spans for OpenTelemetry: one for each execution while it is held here, with a child for each attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach, get_current
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from cloaca.telemetry.observer import Attempt, Committed, Ended, Snapshot

STRAYS = 1000
"""How many spans of executions that are no longer held may be open before they are cleaned up."""


class Tracing:
    """Creates the spans of one runner.

    Args:
        provider: A tracer provider; by default the global one at the time of use.
    """

    def __init__(self, provider: TracerProvider | None) -> None:
        self._tracer = trace.get_tracer("cloaca", tracer_provider=provider)
        self._executions: dict[str, tuple[Span, Context]] = {}
        """By id: the span, and the context that bodies start with."""
        self._attempts: dict[Attempt, Span] = {}

    def attached(self, look: Callable[[], Snapshot]) -> None:
        """See ``Observer``."""

    def detached(self, look: Callable[[], Snapshot]) -> None:  # noqa: ARG002 - spans need no snapshots
        """See ``Observer``."""
        self._let_go(set(self._executions))

    def origin(self) -> object:
        """The caller's context, whose active span becomes the parent of the execution's span."""
        return get_current()

    def claimed(self, execution_id: str, workflow: str) -> None:
        """See ``Observer``."""
        if execution_id not in self._executions:
            self._begin(execution_id, workflow, Context(), None, {"cloaca.claimed": True})

    def committed(self, turn: Committed) -> None:
        """See ``Observer``."""
        for one in turn.started:
            if one.is_held:
                context = one.origin if isinstance(one.origin, Context) else Context()
                self._begin(one.execution_id, one.workflow, context, _nanoseconds(one.at), {})
        for ended in turn.ended:
            self._end(ended)
        if len(self._executions) > len(turn.held) + STRAYS:
            self._let_go(self._executions.keys() - turn.held)

    def left(self, execution_id: str, workflow: str, status: str | None) -> None:
        """See ``Observer``."""
        if status is None:
            self._let_go([execution_id])
        else:
            self._end(Ended(execution_id, workflow, status, None, time.time()))

    def _begin(
        self, execution_id: str, workflow: str, context: Context, start: int | None, more: dict[str, Any]
    ) -> None:
        attributes = {"cloaca.execution_id": execution_id, "cloaca.workflow": workflow} | more
        span = self._tracer.start_span(
            f"workflow {workflow}", context, start_time=start, attributes=attributes
        )
        self._executions[execution_id] = span, trace.set_span_in_context(span, context)

    def _end(self, ended: Ended) -> None:
        span, _ = self._executions.pop(ended.execution_id, (None, None))
        if span is not None:
            span.set_attribute("cloaca.status", ended.status)
            if ended.error is not None:
                span.set_status(Status(StatusCode.ERROR, ended.error))
            span.end(_nanoseconds(ended.at))

    def _let_go(self, executions: Collection[str]) -> None:
        """End the spans of executions that continue elsewhere."""
        for execution_id in list(executions):
            span, _ = self._executions.pop(execution_id, (None, None))
            if span is not None:
                span.set_attribute("cloaca.handed_over", True)
                span.end()

    def attempt_started(self, attempt: Attempt) -> None:
        """See ``Observer``: spans opened by the body are children of the attempt's span."""
        held = self._executions.get(attempt.execution_id)
        context = Context() if held is None else held[1]
        if held is not None and not held[0].is_recording():
            # A trace that is not sampled: the body's own spans inherit this from the execution's span.
            attach(context)
            return
        span = self._tracer.start_span(
            f"task {attempt.task.id}", context, start_time=_nanoseconds(attempt.started_at),
            attributes={
                "cloaca.execution_id": attempt.execution_id,
                "cloaca.workflow": attempt.workflow_name,
                "cloaca.task": attempt.task.id,
                "cloaca.attempt": attempt.attempt,
            },
        )  # fmt: skip
        if attempt.round > 1:
            span.set_attribute("cloaca.round", attempt.round)
        self._attempts[attempt] = span
        # The context variables of a body are its own and end with it.
        attach(trace.set_span_in_context(span, context))

    def attempt_ended(self, attempt: Attempt, error: str | None) -> None:
        """See ``Observer``."""
        span = self._attempts.pop(attempt, None)
        if span is None:
            return
        if attempt.cancelled:
            span.set_attribute("cloaca.discarded", True)
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end()

    def fired(self, executions: int, late_seconds: float | None) -> None:
        """See ``Observer``: what is fired is claimed."""


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
