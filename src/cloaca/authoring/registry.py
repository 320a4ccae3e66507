"""The tasks and workflows that are registered in this process, by name."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from cloaca.authoring.names import checked_name, is_str, listed, nearest, shown
from cloaca.authoring.task import AnyTask
from cloaca.authoring.workflow import Workflow
from cloaca.errors import WorkflowError, WorkflowNotFoundError, WorkflowValidationError

_MOST_BUILT = 1000
"""How many names of built workflows are kept for the message about unregistered ones; a process may build any number."""


_NOTHING = (
    "no workflow is registered here: import the module that declares it, or declare one with WorkflowBuilder"
)


class AnyTrigger(Protocol):
    """What the registry needs of a trigger; the class ``Trigger`` is loaded only if one is declared."""

    function: Callable[..., Any]
    name: str
    workflow: str
    poll_interval_ms: int | None
    cron: str | None
    timezone: str | None
    allow_concurrent: bool


class Scope(Protocol):
    """Receives the tasks that ``@task`` declares."""

    name: str
    """The name of the workflow that will be built."""

    def declare(self, task: AnyTask) -> None:
        """Add the task."""


_scope: ContextVar[Scope | None] = ContextVar("cloaca_scope", default=None)


@contextmanager
def within(scope: Scope | None) -> Iterator[None]:
    """Send tasks declared inside the block to the scope, or to the process-wide registry if it is None."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def declare(task: AnyTask) -> None:
    """Add the task to the open builder, or to the process-wide registry."""
    (_scope.get() or _current).declare(task)


class _Entry:
    """A registered workflow, which is built on first use if it was registered by its constructor."""

    def __init__(self, constructor: Callable[[], Workflow]) -> None:
        self._constructor = constructor
        self._workflow: Workflow | None = None
        # Not the registry's lock: a constructor may import modules whose import declares tasks in another thread.
        self._lock = threading.RLock()
        self._is_running = False

    def workflow(self, name: str) -> Workflow:
        with self._lock:
            if self._workflow is None:
                self._workflow = self._constructed(name)
            return self._workflow

    def _constructed(self, name: str) -> Workflow:
        if self._is_running:
            raise WorkflowError(
                f"the constructor of workflow {shown(name)} asks for the workflow it is to make"
            )
        made = self._called(name)
        if not isinstance(made, Workflow):
            if inspect.iscoroutine(made):
                made.close()
            raise WorkflowError(
                f"the constructor of workflow {shown(name)} returned {shown(made)}, not a Workflow: "
                f"return builder.build()"
            )
        return made

    def _called(self, name: str) -> Any:
        self._is_running = True
        try:
            with within(None):
                return self._constructor()
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            raise WorkflowError(f"the constructor of workflow {shown(name)} failed with {reason}") from error
        finally:
            self._is_running = False


class Registry:
    """Tasks and workflows by name; thread-safe.

    Callbacks and constructors do not run under the registry's lock. Each constructor runs under a re-entrant lock of its
    own, so it is called once however many threads need it first.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tasks: dict[str, AnyTask] = {}
        self._entries: dict[str, _Entry] = {}
        self._triggers: dict[str, AnyTrigger] = {}
        self._built: dict[str, None] = {}
        self._subscribers: dict[object, Callable[[str], object]] = {}

    def copy(self) -> Registry:
        """A copy with the same contents and no subscribers."""
        other = Registry()
        with self._lock:
            other._tasks, other._entries = dict(self._tasks), dict(self._entries)
            other._triggers, other._built = dict(self._triggers), dict(self._built)
        return other

    def declare(self, task: AnyTask) -> None:
        """Register the task under its id, replacing an earlier one."""
        self._tasks[task.id] = task

    def find_task(self, id: str) -> AnyTask | None:
        """The latest task declared under this id outside any builder."""
        return self._tasks.get(id)

    def task_ids(self) -> list[str]:
        """The ids of all tasks declared outside builders."""
        with self._lock:
            return list(self._tasks)

    def register_workflow_constructor(self, name: str, constructor: Callable[[], Workflow]) -> None:
        """Register a constructor for the workflow, which is called once, when the name is first used.

        Raises:
            WorkflowValidationError: The name is not valid, or the constructor is not callable.
        """
        name = checked_name(name)
        if not callable(constructor):
            raise WorkflowValidationError(
                f"the constructor of workflow {shown(name)} must be callable, not {shown(constructor)}: "
                f"write register_workflow_constructor({name!r}, lambda: workflow)"
            )
        self._register(name, _Entry(constructor))

    def register_workflow(self, workflow: Workflow) -> None:
        """Register a built workflow under its own name, replacing an earlier one.

        Raises:
            WorkflowValidationError: It is not a workflow.
        """
        if not isinstance(workflow, Workflow):
            raise WorkflowValidationError(
                f"{shown(workflow)} is not a workflow: build one with WorkflowBuilder"
            )
        self._register(workflow.name, _Entry(lambda: workflow))

    def _register(self, name: str, entry: _Entry) -> None:
        with self._lock:
            self._entries[name] = entry
        self._tell(name)

    def declare_trigger(self, trigger: AnyTrigger) -> None:
        """Register the trigger under its name, replacing an earlier one."""
        with self._lock:
            self._triggers[trigger.name] = trigger
        self._tell(trigger.workflow)

    def triggers(self) -> list[AnyTrigger]:
        """All triggers, in order of their first declaration."""
        with self._lock:
            return list(self._triggers.values())

    def _tell(self, workflow: str) -> None:
        with self._lock:
            subscribers = list(self._subscribers.values())
        for notify in subscribers:
            notify(workflow)

    def find_workflow(self, name: str) -> Workflow | None:
        """The workflow registered under this name, or None; it is constructed on first use.

        Raises:
            WorkflowError: Its constructor failed or returned something else; the next call tries again.
        """
        entry = self._entries.get(name) if isinstance(name, str) else None
        return None if entry is None else entry.workflow(name)

    def workflow(self, name: str) -> Workflow:
        """The workflow registered under this name.

        Raises:
            WorkflowNotFoundError: There is none; the message suggests what to do.
            WorkflowError: Its constructor failed or returned something else.
        """
        if (found := self.find_workflow(name)) is None:
            raise WorkflowNotFoundError(self._missing(name))
        return found

    def _missing(self, name: str) -> str:
        if not is_str(name):
            return f"{shown(name)} is not the name of a workflow: pass a str, or the Workflow that builder.build() returns"
        scope = _scope.get()
        if scope is not None and scope.name == name:
            return f"workflow {shown(name)} is registered at the end of its block: execute it after that"
        if name in self._built:
            return (
                f"workflow {shown(name)} was built but never registered: call "
                f"register_workflow_constructor({name!r}, lambda: workflow) or pass the workflow itself"
            )
        if name in self._tasks:
            return (
                f"{shown(name)} is a task, not a workflow: add it to one, "
                f"WorkflowBuilder({name!r}).add_task({name!r}).build(), and execute that"
            )
        names = self.registered_names()
        known = f"registered are {listed(names)}" if names else _NOTHING
        return f"workflow {shown(name)} is not registered: {nearest(name, names) or known}"

    def registered_names(self) -> list[str]:
        """The names of all registered workflows, in order of their first registration."""
        with self._lock:
            return list(self._entries)

    def note_built(self, name: str) -> None:
        """Remember that a workflow of this name was built, for the message about unregistered names."""
        with self._lock:
            self._built[name] = None
            if len(self._built) > _MOST_BUILT:
                del self._built[next(iter(self._built))]

    def subscribe(self, callback: Callable[[str], object]) -> Callable[[], None]:
        """Call ``callback`` with the workflow's name after each registration, also of triggers; returns the unsubscriber.

        The callback runs in the registering thread, outside the registry's lock.
        """
        key = object()
        with self._lock:
            self._subscribers[key] = callback
        return lambda: self._unsubscribe(key)

    def _unsubscribe(self, key: object) -> None:
        with self._lock:
            self._subscribers.pop(key, None)


_current = Registry()


def current() -> Registry:
    """The process-wide registry."""
    return _current


def use(registry: Registry) -> Registry:
    """Make this the process-wide registry, and return the previous one."""
    global _current
    before, _current = _current, registry
    return before


def register_workflow_constructor(name: str, constructor: Callable[[], Workflow]) -> None:
    """Register a constructor for the workflow of this name, replacing an earlier registration.

    The constructor is called once, when the name is first used, and the workflow is kept.

    Raises:
        WorkflowValidationError: The name is not valid, or the constructor is not callable.

    Example:
        >>> import cloaca
        >>> @cloaca.task
        ... def greet(context): ...
        >>> workflow = cloaca.WorkflowBuilder("greeting").add_task("greet").build()
        >>> cloaca.register_workflow_constructor("greeting", lambda: workflow)
    """
    _current.register_workflow_constructor(name, constructor)


def register_workflow(workflow: Workflow) -> None:
    """Register a built workflow under its own name, in the process-wide registry."""
    _current.register_workflow(workflow)


def find_workflow(name: str) -> Workflow | None:
    """``Registry.find_workflow`` of the process-wide registry."""
    return _current.find_workflow(name)


def workflow(name: str) -> Workflow:
    """``Registry.workflow`` of the process-wide registry."""
    return _current.workflow(name)


def registered_names() -> list[str]:
    """``Registry.registered_names`` of the process-wide registry."""
    return _current.registered_names()


def declare_trigger(trigger: AnyTrigger) -> None:
    """``Registry.declare_trigger`` of the process-wide registry."""
    _current.declare_trigger(trigger)


def triggers() -> list[AnyTrigger]:
    """``Registry.triggers`` of the process-wide registry."""
    return _current.triggers()


def subscribe(callback: Callable[[str], object]) -> Callable[[], None]:
    """``Registry.subscribe`` of the process-wide registry."""
    return _current.subscribe(callback)
