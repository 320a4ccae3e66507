"""Keeping what a test declares to that test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloaca.authoring import registry


@contextmanager
def isolated_registry() -> Iterator[None]:
    """Forget at the end of the block which tasks and workflows were declared or registered in it.

    What was known before is known inside as well; what replaces it there is replaced for the block alone. It holds for
    the whole process, all of its threads included.

    A module whose first import happens inside the block declares its workflows there, and only there: Python does not
    run it again. Import the modules that declare workflows at the top of the test module.

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
