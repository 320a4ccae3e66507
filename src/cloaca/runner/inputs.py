"""The input of an execution: its context, its idempotency key, and what to do if the key was used before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cloaca.authoring.names import UNSTORABLE, is_str, shown
from cloaca.authoring.workflow import Workflow
from cloaca.clock import new_id
from cloaca.engine.events import NewExecution
from cloaca.errors import IdempotencyError
from cloaca.model.context import Context
from cloaca.model.shown import kind_of
from cloaca.model.values import encode, joined
from cloaca.store.rows import Existing

Input = Context | Mapping[str, Any] | None


def new_execution(
    context: Input, encoders: Any, idempotency_key: str | None = None, *, workflow: Workflow | None
) -> NewExecution:
    """An execution to start under a new id, with the declared defaults filled in.

    Args:
        workflow: If given, the context is checked against the inputs that it declares.

    Raises:
        IdempotencyError: The key is not a string, is empty or too long, or contains characters that cannot be stored.
        TypeError: A value in the context cannot be stored.
        WorkflowValidationError: The context does not match what the workflow declares.
    """
    key = None if idempotency_key is None else _checked_key(idempotency_key)
    texts = input_of(context, encoders, workflow=workflow)
    return NewExecution(new_id(), texts, joined(texts), key)


def new_executions(
    contexts: Iterable[Input],
    encoders: Any,
    idempotency_key: str | None = None,
    *,
    workflow: Workflow | None,
) -> list[NewExecution]:
    """``new_execution`` for each context; with several contexts, an error says which of them it is about."""
    made: list[NewExecution] = []
    try:
        for context in contexts:
            made.append(new_execution(context, encoders, idempotency_key, workflow=workflow))  # noqa: PERF401 - the error needs its length
    except Exception as error:
        if not isinstance(contexts, list) or len(contexts) > 1:
            error.add_note(f"this is context {len(made) + 1} of the list; none of them was started")
        raise
    return made


def input_of(context: Input, encoders: Any, *, workflow: Workflow | None) -> dict[str, str]:
    """``texts_of`` with the workflow's declared defaults.

    Raises:
        TypeError: As for ``texts_of``.
        WorkflowValidationError: The context does not match what the workflow declares.
    """
    texts = texts_of(context, encoders)
    if workflow is None or not (params := workflow.params):
        return texts
    from cloaca.authoring.workflow_params import filled  # noqa: PLC0415 - needed only where inputs are declared

    return filled(workflow.name, params, texts)


def many(contexts: Iterable[Input]) -> Iterable[Input]:
    """Check the contexts of ``start_many``.

    Raises:
        TypeError: A single context was given instead of a list.
    """
    if isinstance(contexts, Context | Mapping | str) or not isinstance(contexts, Iterable):
        raise TypeError(
            f"start_many takes a list of contexts, not {kind_of(contexts)}: for one execution write [context]"
        )
    return contexts


def check_input(workflow: str, new: NewExecution, earlier: Existing) -> None:
    """Check that an earlier execution with the same key had the same input.

    Raises:
        IdempotencyError: It had a different one.
    """
    if not _is_same_input(earlier.input, new.input):
        raise IdempotencyError(
            f"idempotency key {shown(new.idempotency_key)} of workflow {workflow!r} belongs to execution {earlier.id}, "
            "which has another input: use another key, or give the same input"
        )


def texts_of(context: Input, encoders: Any) -> dict[str, str]:
    """The encoded values of a context by key.

    Raises:
        TypeError: It is not a context, or one of its values cannot be stored.
    """
    if context is None:
        return {}
    if isinstance(context, Context):
        return context.texts()
    if not isinstance(context, Mapping):
        raise TypeError(f"a context is a Context, a mapping or None, not {kind_of(context)}")
    for key in context:
        if not is_str(key):
            raise TypeError(f"context keys are str: {shown(key)} is of type {type(key).__name__}, convert it")
    return {str.__str__(key): encode(value, key, encoders) for key, value in context.items()}


LONGEST_KEY = 1024
"""In bytes. Together with the longest workflow name it fits into an entry of PostgreSQL's index."""


def _checked_key(idempotency_key: Any) -> str:
    if not is_str(idempotency_key) or not idempotency_key:
        raise IdempotencyError(
            f"idempotency_key={shown(idempotency_key)} must be a string that is not empty: leave it out to start anew"
        )
    if unstorable := UNSTORABLE.search(idempotency_key):
        raise IdempotencyError(
            f"idempotency_key={shown(idempotency_key)} holds {unstorable[0]!r}, which cannot be stored: remove it"
        )
    if len(idempotency_key.encode()) > LONGEST_KEY:
        raise IdempotencyError(
            f"idempotency_key={shown(idempotency_key)} is longer than {LONGEST_KEY} bytes: use a digest of it"
        )
    return str.__str__(idempotency_key)


def _is_same_input(one: str, other: str) -> bool:
    if one == other:
        return True
    return json.dumps(json.loads(one), sort_keys=True) == json.dumps(json.loads(other), sort_keys=True)
