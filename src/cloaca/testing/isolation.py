"""Limiting declarations to a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloaca.authoring import registry


@contextmanager
def isolated_registry() -> Iterator[None]:
    """Forget all tasks and workflows declared or registered in the block when it ends.

    What was registered before remains available in the block; replacing it affects only the block. This applies to
    the whole process, including all its threads.

    A module that is first imported inside the block declares its workflows in there and nowhere else, because Python does
    not run it again. Import modules that declare workflows at the top of the test module.

    Example:
        >>> import cloaca
        >>> from cloaca.testing import isolated_registry, run
        >>> with isolated_registry():
        ...     with cloaca.WorkflowBuilder("of-this-test"):
        ...         @cloaca.task
        ...         def work(context): ...
        ...     run("of-this-test").status
        <Status.COMPLETED: 'Completed'>
        >>> run("of-this-test")
        Traceback (most recent call last):
        cloaca.errors.WorkflowNotFoundError: workflow 'of-this-test' is not registered: ...
    """
    before = registry.use(registry.current().copy())
    try:
        yield
    finally:
        registry.use(before)
