"""Trigger rules: whether a task runs, given how its dependencies ended and what is in the context.

A rule is evaluated once, when all dependencies of its task have ended, and never raises, as it compares JSON values. A
new condition is a class here with a ``name`` and a builder function of that name, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from cloaca.errors import TaskValidationError, UnstorableValueError
from cloaca.model.immutable import Immutable
from cloaca.model.operators import OPERATORS, UNARY, canonical
from cloaca.model.shown import shown
from cloaca.model.states import TaskStatus
from cloaca.model.values import decode, encode

MOST_DEPTH = 50
"""How deep rules may be nested: evaluating them is recursive."""

MOST_OF_A_REASON = 1000

_OMITTED: Any = object()


class Facts(NamedTuple):
    """What a rule is evaluated on: the status of a dependency, and the text of a context key or ``None``."""

    status: Callable[[str], TaskStatus]
    text: Callable[[str], str | None]


class Rule(Immutable):
    """Decides whether a task runs; created by the functions of this module."""

    __slots__ = ()

    name: ClassVar[str]
    """The name of the function that creates it; its stored form starts with it."""

    depth = 1

    def holds(self, facts: Facts) -> bool:
        """Whether the rule is true."""
        raise NotImplementedError

    def why(self, facts: Facts) -> str:
        """Which facts make the rule true or false."""
        raise NotImplementedError

    def arguments(self) -> list[Any]:
        """The arguments it was created with, as JSON."""
        raise NotImplementedError

    @classmethod
    def made_of(cls, arguments: Sequence[Any]) -> Rule:
        """The rule with these ``arguments``."""
        return cls(*arguments)

    def tasks(self) -> Iterator[str]:
        """The tasks it refers to, as they were named."""
        return iter(())

    def handles(self) -> Iterator[str]:
        """The ids of the tasks whose failure it accepts: those in ``task_failed``, outside any ``none_of``."""
        return iter(())

    def stored(self) -> list[Any]:
        """The rule as JSON; ``rule_of`` parses it."""
        return [self.name, *self.arguments()]

    def refusal(self, facts: Facts) -> str | None:
        """A sentence that says why it is false, or ``None`` if it is true."""
        if self.holds(facts):
            return None
        reason = f"rule {self} is false: {self.why(facts)}"
        return reason if len(reason) <= MOST_OF_A_REASON else f"{reason[:MOST_OF_A_REASON]}..."


def rule_of(stored: Sequence[Any]) -> Rule:
    """The rule written by ``Rule.stored``."""
    name, *arguments = stored
    return _KINDS[name].made_of(arguments)


class _Always(Rule):
    __slots__ = ()
    name = "always"

    def holds(self, facts: Facts) -> bool:  # noqa: ARG002 - always true
        return True

    def why(self, facts: Facts) -> str:  # noqa: ARG002 - as above
        return "it always is"

    def arguments(self) -> list[Any]:
        return []

    def __repr__(self) -> str:
        return "always()"


class _TaskIs(Rule):
    __slots__ = ("given", "task")

    given: str
    """The id of the task, or its full name ``tenant::package::workflow::id``."""
    task: str
    status: ClassVar[TaskStatus]

    def __init__(self, task: str) -> None:
        if not issubclass(type(task), str) or not task:
            raise TaskValidationError(
                f"{self.name} takes the id of a dependency, not {shown(task)}: write {self.name}('fetch')"
            )
        given = str.__str__(task)
        self._keep(given=given, task=given.rpartition("::")[2])

    def holds(self, facts: Facts) -> bool:
        return facts.status(self.task) == self.status

    def why(self, facts: Facts) -> str:
        return f"{self.task!r} is {facts.status(self.task)}"

    def arguments(self) -> list[Any]:
        return [self.task]

    def tasks(self) -> Iterator[str]:
        yield self.given

    def __repr__(self) -> str:
        return f"{self.name}({self.task!r})"


class _TaskSuccess(_TaskIs):
    __slots__ = ()
    name, status = "task_success", TaskStatus.COMPLETED


class _TaskFailed(_TaskIs):
    __slots__ = ()
    name, status = "task_failed", TaskStatus.FAILED

    def handles(self) -> Iterator[str]:
        yield self.task


class _TaskSkipped(_TaskIs):
    __slots__ = ()
    name, status = "task_skipped", TaskStatus.SKIPPED


class _ContextValue(Rule):
    __slots__ = ("key", "operator", "value")
    name = "context_value"

    key: str
    operator: str
    value: str | None
    """The value as JSON text; ``None`` if the operator compares nothing."""

    def __init__(self, key: str, operator: str, value: Any = _OMITTED) -> None:
        if not issubclass(type(key), str):
            raise TaskValidationError(f"context_value takes a context key, a str, not {shown(key)}")
        key, operator = str.__str__(key), canonical(operator)
        self._keep(key=key, operator=operator, value=_value_text(key, operator, value))

    def holds(self, facts: Facts) -> bool:
        found = facts.text(self.key)
        if self.value is None:
            return (found is not None) == (self.operator == "Exists")
        test, expected = OPERATORS[self.operator]
        return (found is not None and test(decode(found), decode(self.value))) == expected

    def why(self, facts: Facts) -> str:
        found = facts.text(self.key)
        return (
            f"there is no {shown(self.key)}"
            if found is None
            else f"{shown(self.key)} is {_shown_text(found)}"
        )

    def arguments(self) -> list[Any]:
        return [self.key, self.operator, *([] if self.value is None else [decode(self.value)])]

    def __repr__(self) -> str:
        value = "" if self.value is None else f", {_shown_text(self.value)}"
        return f"context_value({shown(self.key)}, {self.operator!r}{value})"


class _Combined(Rule):
    __slots__ = ("depth", "rules")

    depth: int
    rules: tuple[Rule, ...]

    def __init__(self, *rules: Rule) -> None:
        if not rules:
            raise TaskValidationError(f"{self.name} takes at least one rule: write {self.name}({_EXAMPLE})")
        for rule in rules:
            _check(rule, f"{self.name} combines rules")
        depth = 1 + max(rule.depth for rule in rules)
        if depth > MOST_DEPTH:
            raise TaskValidationError(
                f"{self.name} makes rules nested deeper than {MOST_DEPTH}: nest them less"
            )
        self._keep(depth=depth, rules=rules)

    def arguments(self) -> list[Any]:
        return [rule.stored() for rule in self.rules]

    @classmethod
    def made_of(cls, arguments: Sequence[Any]) -> Rule:
        return cls(*map(rule_of, arguments))

    def tasks(self) -> Iterator[str]:
        return (task for rule in self.rules for task in rule.tasks())

    def handles(self) -> Iterator[str]:
        return (task for rule in self.rules for task in rule.handles())

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.rules))})"


class _AllOf(_Combined):
    __slots__ = ()
    name = "all_of"

    def holds(self, facts: Facts) -> bool:
        return all(rule.holds(facts) for rule in self.rules)

    def why(self, facts: Facts) -> str:
        return _why([rule for rule in self.rules if not rule.holds(facts)][:1] or self.rules, facts)


class _AnyOf(_Combined):
    __slots__ = ()
    name = "any_of"

    def holds(self, facts: Facts) -> bool:
        return any(rule.holds(facts) for rule in self.rules)

    def why(self, facts: Facts) -> str:
        return _why([rule for rule in self.rules if rule.holds(facts)][:1] or self.rules, facts)


class _NoneOf(_AnyOf):
    __slots__ = ()
    name = "none_of"

    def holds(self, facts: Facts) -> bool:
        return not super().holds(facts)

    def handles(self) -> Iterator[str]:
        return iter(())


_KINDS: dict[str, type[Rule]] = {
    kind.name: kind
    for kind in (_Always, _TaskSuccess, _TaskFailed, _TaskSkipped, _ContextValue, _AllOf, _AnyOf, _NoneOf)
}


def _why(rules: Iterable[Rule], facts: Facts) -> str:
    return ", ".join(dict.fromkeys(rule.why(facts) for rule in rules))


# -- what users call ---------------------------------------------------------------------------------------------------


def always() -> Rule:
    """Always true: the task runs even after failures.

    Example:
        >>> import cloaca
        >>> @cloaca.task(dependencies=["load"], trigger_rules=cloaca.always())
        ... def clean_up(context): ...
    """
    return _Always()


def task_success(name: str) -> Rule:
    """True if that dependency completed.

    Example:
        >>> import cloaca
        >>> cloaca.task_success("fetch")
        task_success('fetch')
    """
    return _TaskSuccess(name)


def task_failed(name: str) -> Rule:
    """True if that dependency failed, after all its retries.

    A failure counts as handled if a task with such a rule completed; it then does not fail the execution.

    Example:
        >>> import cloaca
        >>> @cloaca.task(dependencies=["fetch"], trigger_rules=cloaca.task_failed("fetch"))
        ... def use_the_cache(context): ...
    """
    return _TaskFailed(name)


def task_skipped(name: str) -> Rule:
    """True if that dependency was skipped, by its own rule or because of an earlier failure.

    Example:
        >>> import cloaca
        >>> cloaca.task_skipped("fetch")
        task_skipped('fetch')
    """
    return _TaskSkipped(name)


def context_value(key: str, operator: str, value: Any = _OMITTED) -> Rule:
    """True if the value of a key, in the merged context of the dependencies, satisfies the comparison.

    Values of different types are never equal, greater or smaller; ints and floats count as one type, and bools are not
    numbers. Numbers and strings have an order. ``Contains`` looks for a substring, an item of a list, or a key of a
    dict. If the key is missing, only ``NotEquals``, ``NotContains`` and ``NotExists`` are true.

    Args:
        key: A context key.
        operator: ``Equals``, ``NotEquals``, ``GreaterThan``, ``GreaterThanOrEqual``, ``LessThan``, ``LessThanOrEqual``,
            ``Contains``, ``NotContains``, ``Exists`` or ``NotExists``; also as ``greater_than``, and as ``==``,
            ``!=``, ``>``, ``>=``, ``<``, ``<=``.
        value: A JSON value; ``Exists`` and ``NotExists`` need none.

    Raises:
        TaskValidationError: There is no such operator, or the value is missing or cannot be stored.

    Example:
        >>> import cloaca
        >>> cloaca.context_value("rows", ">", 0)
        context_value('rows', 'GreaterThan', 0)
    """
    return _ContextValue(key, operator, value)


def all_of(*rules: Rule) -> Rule:
    """True if all of the rules are true.

    Example:
        >>> import cloaca
        >>> cloaca.all_of(cloaca.task_success("fetch"), cloaca.context_value("rows", ">", 0))
        all_of(task_success('fetch'), context_value('rows', 'GreaterThan', 0))
    """
    return _AllOf(*rules)


def any_of(*rules: Rule) -> Rule:
    """True if at least one of the rules is true.

    Example:
        >>> import cloaca
        >>> cloaca.any_of(cloaca.task_success("mirror_1"), cloaca.task_success("mirror_2"))
        any_of(task_success('mirror_1'), task_success('mirror_2'))
    """
    return _AnyOf(*rules)


def none_of(*rules: Rule) -> Rule:
    """True if none of the rules is true.

    Example:
        >>> import cloaca
        >>> cloaca.none_of(cloaca.context_value("dry_run", "==", True))
        none_of(context_value('dry_run', 'Equals', True))
    """
    return _NoneOf(*rules)


_EXAMPLE = "task_success('fetch')"


def checked_rule(value: object) -> Rule | None:
    """Validate the value of the option ``trigger_rules``.

    Raises:
        TaskValidationError: It is not a rule.
    """
    return None if value is None else _check(value, "trigger_rules takes a rule")


def _check(value: object, what: str) -> Rule:
    if isinstance(value, Rule):
        return value
    advice = f"such as {_EXAMPLE}"
    if made_by := next((name for name, builder in _BUILDERS.items() if value is builder), None):
        advice = f"and {made_by} makes one: call it"
    elif isinstance(value, (list, tuple)):
        advice = "and rules are combined by all_of(...) or any_of(...)"
    raise TaskValidationError(f"{what}, {advice}, not {shown(value)}")


_BUILDERS: dict[str, object] = {
    builder.__name__: builder
    for builder in (always, task_success, task_failed, task_skipped, context_value, all_of, any_of, none_of)
}


def _value_text(key: str, operator: str, value: Any) -> str | None:
    if operator in UNARY:
        return None
    if value is _OMITTED:
        raise TaskValidationError(
            f"context_value({shown(key)}, {operator!r}) compares with nothing: give a third argument"
        )
    try:
        return encode(value, key)
    except UnstorableValueError as error:
        raise TaskValidationError(f"context_value compares with a JSON value, {error}") from error


def _shown_text(text: str) -> str:
    """The value of a JSON text on one short line; the text of a container is not decoded."""
    return shown(decode(text)) if text[0] not in "[{" else text if len(text) <= 60 else f"{text[:60]}..."
