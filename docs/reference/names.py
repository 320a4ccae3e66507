"""The public names, and the page of the reference that each of them is on: that of the module which defines it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cloaca
import cloaca.errors
import cloaca.testing
import pytest_cloaca
from cloaca.authoring.decorator import Dependencies
from cloaca.authoring.task import OnFailure, OnSuccess, Task
from cloaca.model.events import Failure
from cloaca.model.retry import Backoff
from cloaca.runner.inputs import Input
from cloaca.testing.failing import Fail, Replace

_TREE = (cloaca.errors.__doc__ or "").partition("\n\n")[2].partition("\n\nEach")[0]


def fenced(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


@dataclass(frozen=True)
class Page:
    """A page, and the modules whose names are on it; the longest that fits a name's module has it."""

    file: str
    title: str
    about: str
    modules: tuple[str, ...]


PAGES = (
    Page(
        "tasks.md", "Tasks and workflows", "Declaring them, and what a body is given.",
        ("cloaca.authoring.decorator", "cloaca.authoring.builder", "cloaca.authoring.workflow", "cloaca.model.context",
         "cloaca.executors", "cloaca.authoring"),
    ),
    Page("rules.md", "Rules", "When a task runs; see [Rules](../rules.md).", ("cloaca.model.rules",)),
    Page("retries.md", "Retries", "See [Failures](../failures.md#retries).", ("cloaca.model.retry",)),
    Page(
        "running.md", "Runners and clients", "Starting executions and waiting for them; see [Running](../running.md).",
        ("cloaca.runner.runner", "cloaca.runner.config", "cloaca.runner.handle", "cloaca.runner",
         "cloaca.executors.log_context"),
    ),
    Page(
        "records.md", "Results and records", "What became of an execution.",
        ("cloaca.runner.result", "cloaca.insights", "cloaca.model.states", "cloaca.model.events", "cloaca.engine.pruning"),
    ),
    Page(
        "schedules.md", "Schedules and triggers",
        "Methods for schedules are those of [a runner](running.md#defaultrunner); see [Schedules](../schedules.md).",
        ("cloaca.schedules", "cloaca.authoring.trigger"),
    ),
    Page("tenants.md", "Tenants", "On PostgreSQL; see [Tenants](../tenancy.md).", ("cloaca.runner.tenancy",)),
    Page("errors.md", "Errors", fenced("text", _TREE) + "\n\nEach pickles, its attributes included.", ("cloaca.errors",)),
    Page(
        "testing.md", "cloaca.testing", "And the fixtures of the pytest plugin; see [Testing](../testing.md).",
        ("cloaca.testing", "pytest_cloaca"),
    ),
)  # fmt: skip

FIXTURES = ("cloaca_runner", "cloaca_clock", "cloaca_database_url", "cloaca_config")

ALIASES = {
    "Backoff": Backoff,
    "Dependencies": Dependencies,
    "Fail": Fail,
    "Input": Input,
    "OnFailure": OnFailure,
    "OnSuccess": OnSuccess,
    "Replace": Replace,
}
"""Types that signatures name, and readers cannot look up: they are written out."""

INTERNAL = {
    "Clock": {"drive", "sleeper", "wait", "is_asleep", "asleep", "monotonic"},
    "Context": {"delta", "over", "texts", "replace"},
    "DefaultRunnerConfig": {"engine_settings", "removes_old"},
    "Failure": {"text", "from_text"},
    "RetryPolicy": {"delay_of"},
    "Workflow": {"bound", "graph", "params", "task"},
    "WorkflowBuilder": {"declare"},
}
"""By class: what has a public name for the engine's sake."""

MADE_ELSEWHERE = {"ExecutionHandle", "RetryPolicyBuilder", "Task", "TaskHandle", "Workflow", "WorkflowResult"}
"""Classes that users do not construct: no constructor is shown."""


@dataclass(frozen=True)
class Entry:
    """A public name."""

    name: str
    value: Any

    @property
    def module(self) -> str:
        """Where it is defined."""
        return str(self.value.__module__)

    @cached_property
    def page(self) -> Page:
        """Where it is described."""
        fitting = [
            (len(prefix), page)
            for page in PAGES
            for prefix in page.modules
            if self.module == prefix or self.module.startswith(prefix + ".")
        ]
        if not fitting:
            raise LookupError(
                f"{self.name} is defined in {self.module}, which is on no page of the reference: add it to one of PAGES"
            )
        return max(fitting, key=lambda found: found[0])[1]

    @property
    def place(self) -> tuple[int, str, int]:
        """Where on its page."""
        prefixes = [prefix for prefix in self.page.modules if self.module.startswith(prefix)]
        nearest = max(prefixes, key=len)
        return self.page.modules.index(nearest), self.module, inspect.getsourcelines(self.value)[1]


def entries() -> list[Entry]:
    """Every public name once, by page and place; the classes that are met without being exported, too."""
    found = {name: getattr(cloaca, name) for name in cloaca.__all__ if name != "PipelineResult"}
    found |= {name: getattr(cloaca.testing, name) for name in cloaca.testing.__all__}
    found |= {name: inspect.unwrap(_function(getattr(pytest_cloaca, name))) for name in FIXTURES}
    found |= {"Task": Task, "Failure": Failure}
    made = [Entry(name, value) for name, value in found.items()]
    return sorted(made, key=lambda entry: (PAGES.index(entry.page), *entry.place))


def _function(fixture: Any) -> Any:
    return getattr(fixture, "_fixture_function", None) or fixture.__wrapped__
