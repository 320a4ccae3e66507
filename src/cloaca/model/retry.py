"""Retry policies: how often a failed task runs again, after which errors, and after what delay."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, Literal

from cloaca.errors import TaskValidationError
from cloaca.model.immutable import Immutable
from cloaca.model.shown import shown

Backoff = Literal["fixed", "linear", "exponential"]

BACKOFFS: tuple[Backoff, ...] = ("fixed", "linear", "exponential")

DEFAULT_RETRIES = 3
"""The number of retries if only other retry options are given."""

LONGEST_DELAY = 30.0
"""The default for the longest delay, in seconds."""

JITTER = 0.25
"""By how much of itself a delay may be varied."""

MOST = 2**31 - 1
"""The largest value of an option: all clocks and databases accept it."""

_TRANSIENT = (
    "timeout", "connection", "network", "temporary", "unavailable", "busy", "overloaded", "rate limit",
)  # fmt: skip


class BackoffStrategy(Immutable):
    """How the delay grows from one retry to the next.

    With d for the first delay and n for the number of the failed attempt, counted from 1: ``fixed`` waits d,
    ``linear`` d·n·multiplier, ``exponential`` d·multiplier·baseⁿ⁻¹.

    Example:
        >>> import cloaca
        >>> cloaca.BackoffStrategy.exponential(2.0)
        BackoffStrategy.exponential(base=2.0, multiplier=1.0)
    """

    __slots__ = ("base", "kind", "multiplier")

    kind: Backoff
    multiplier: float
    base: float

    def __init__(self, kind: Backoff, *, multiplier: float = 1.0, base: float = 2.0) -> None:
        if type(kind) is not str or kind not in BACKOFFS:
            raise TaskValidationError(f"a backoff is one of {', '.join(BACKOFFS)}, not {shown(kind)}")
        self._keep(kind=kind, multiplier=_factor("multiplier", multiplier), base=_factor("base", base))

    @staticmethod
    def fixed() -> BackoffStrategy:
        """Always the first delay."""
        return BackoffStrategy("fixed")

    @staticmethod
    def linear(multiplier: float = 1.0) -> BackoffStrategy:
        """The first delay times ``multiplier`` times the number of the attempt."""
        return BackoffStrategy("linear", multiplier=multiplier)

    @staticmethod
    def exponential(base: float = 2.0, multiplier: float | None = None) -> BackoffStrategy:
        """The first delay times ``multiplier`` (by default 1), times ``base`` for each attempt after the first."""
        return BackoffStrategy("exponential", base=base, multiplier=1.0 if multiplier is None else multiplier)

    def delay(self, first: float, attempt: int) -> float:
        """The delay after this attempt has failed, in the unit of ``first``; infinite if it exceeds the range of floats."""
        if not first or self.kind == "fixed":
            return first
        try:
            grown = attempt if self.kind == "linear" else self.base ** (attempt - 1)
            return first * self.multiplier * grown
        except OverflowError:
            return float("inf")

    def __repr__(self) -> str:
        match self.kind:
            case "fixed":
                return "BackoffStrategy.fixed()"
            case "linear":
                return f"BackoffStrategy.linear(multiplier={self.multiplier})"
        return f"BackoffStrategy.exponential(base={self.base}, multiplier={self.multiplier})"


class RetryCondition(Immutable):
    """After which errors a task is retried.

    Patterns are searched for in the error's text, ``"TypeName: message"``, ignoring case.

    Example:
        >>> import cloaca
        >>> cloaca.RetryCondition.transient_only().matches("OSError: Connection refused")
        True
    """

    __slots__ = ("patterns",)

    patterns: tuple[str, ...] | None
    """In lower case; an empty tuple matches nothing, and ``None`` matches everything."""

    def __init__(self, patterns: Sequence[str] | None) -> None:
        self._keep(patterns=None if patterns is None else tuple(pattern.lower() for pattern in patterns))

    @staticmethod
    def never() -> RetryCondition:
        """Never retry."""
        return RetryCondition(())

    @staticmethod
    def transient_only() -> RetryCondition:
        """Retry after errors that may go away by themselves.

        These contain timeout, connection, network, temporary, unavailable, busy, overloaded or rate limit.
        """
        return RetryCondition(_TRANSIENT)

    @staticmethod
    def all_errors() -> RetryCondition:
        """Retry after any error."""
        return RetryCondition(None)

    @staticmethod
    def error_pattern(patterns: list[str]) -> RetryCondition:
        """Retry after errors whose text contains one of the patterns.

        Raises:
            TaskValidationError: It is not a list of texts, or the list is empty.
        """
        given: Any = patterns
        if not isinstance(given, (list, tuple)) or not given or not all(_is_text(one) for one in given):
            raise TaskValidationError(
                f"error_pattern takes a list of texts to look for in errors, not {shown(given)}: "
                f"write error_pattern(['rate limit']), or never() or all_errors()"
            )
        return RetryCondition(given)

    def matches(self, error: str) -> bool:
        """Whether a task is retried after an error with this text."""
        if not self.patterns:
            return self.patterns is None
        text = error.lower()
        return any(pattern in text for pattern in self.patterns)

    def __repr__(self) -> str:
        known: dict[tuple[str, ...] | None, str] = {
            None: "all_errors()",
            (): "never()",
            _TRANSIENT: "transient_only()",
        }
        return f"RetryCondition.{known.get(self.patterns) or f'error_pattern({list(self.patterns or ())})'}"


class RetryPolicy(Immutable):
    """How often a failed task runs again, after which errors, and after what delay.

    Attributes:
        max_attempts: The number of retries after the first run; 0 never retries.
        initial_delay: The seconds before the first retry.
        max_delay: The longest delay in seconds; by default 30, or ``initial_delay`` if that is more.
        backoff: How the delay grows.
        condition: After which errors the task is retried.
        with_jitter: Whether each delay is varied by up to a quarter, so that tasks that failed together are not
            retried together.

    Example:
        >>> import cloaca
        >>> policy = cloaca.RetryPolicy.builder().max_attempts(5).initial_delay(0.25).build()
        >>> policy.calculate_delay(1), policy.calculate_delay(2)
        (0.25, 0.5)
        >>> @cloaca.task(retry=policy)
        ... def call(context): ...
    """

    __slots__ = ("backoff", "condition", "initial_delay", "max_attempts", "max_delay", "with_jitter")

    max_attempts: int
    initial_delay: float
    max_delay: float
    backoff: BackoffStrategy
    condition: RetryCondition
    with_jitter: bool

    def __init__(
        self,
        max_attempts: int = DEFAULT_RETRIES,
        *,
        initial_delay: float = 1.0,
        max_delay: float | None = None,
        backoff: BackoffStrategy | None = None,
        condition: RetryCondition | None = None,
        with_jitter: bool = True,
    ) -> None:
        first = _seconds("initial_delay", initial_delay)
        self._keep(
            max_attempts=_count("max_attempts", max_attempts),
            initial_delay=first,
            max_delay=max(LONGEST_DELAY, first) if max_delay is None else _seconds("max_delay", max_delay),
            backoff=_of(BackoffStrategy, "backoff_strategy", _DOUBLING if backoff is None else backoff),
            condition=_of(RetryCondition, "retry_condition", _ALWAYS if condition is None else condition),
            with_jitter=_of(bool, "with_jitter", with_jitter),
        )

    @staticmethod
    def builder() -> RetryPolicyBuilder:
        """A builder that starts with the defaults."""
        return RetryPolicyBuilder()

    @staticmethod
    def default() -> RetryPolicy:
        """Three retries after any error, with delays of 1, 2 and 4 seconds and jitter."""
        return RetryPolicy()

    def calculate_delay(self, attempt: int) -> float:
        """The delay in seconds after attempt number ``attempt`` (1 is the first run) has failed, without jitter.

        Any number is accepted, however large.

        Raises:
            ValueError: ``attempt`` is below 1.
        """
        if attempt < 1:
            raise ValueError(f"attempt {attempt} does not exist: attempts count from 1")
        return min(self.backoff.delay(self.initial_delay, attempt), self.max_delay)

    def delay_of(self, attempt: int, *, execution_id: str, task: str) -> float:
        """The delay of one task in one execution, with its jitter, which is always the same for the same attempt."""
        delay = self.calculate_delay(attempt)
        if not self.with_jitter or not delay:
            return delay
        import hashlib  # noqa: PLC0415 - it loads OpenSSL, which a process without retries does not need

        digest = hashlib.sha256(f"{execution_id}\0{task}\0{attempt}".encode()).digest()
        share = int.from_bytes(digest[:4]) / 0xFFFFFFFF
        return min(self.max_delay, delay * (1 - JITTER + 2 * JITTER * share))

    def should_retry(self, attempt: int, error_type: str) -> bool:
        """Whether the task is retried again.

        Args:
            attempt: The number of retries so far.
            error_type: The error's text or the name of its type, in which the condition's patterns are searched for.
        """
        return attempt < self.max_attempts and self.condition.matches(error_type)

    def __repr__(self) -> str:
        return (
            f"RetryPolicy(max_attempts={self.max_attempts}, initial_delay={self.initial_delay}, "
            f"max_delay={self.max_delay}, backoff={self.backoff}, condition={self.condition}, "
            f"with_jitter={self.with_jitter})"
        )


class RetryPolicyBuilder:
    """Builds a ``RetryPolicy``. Each method returns a new builder and leaves this one unchanged.

    Raises:
        TaskValidationError: Raised by each method for an invalid value.

    Example:
        >>> import cloaca
        >>> patient = cloaca.RetryPolicy.builder().initial_delay(5.0).with_jitter(False)
        >>> patient.max_attempts(10).build().max_attempts, patient.build().max_attempts
        (10, 3)
    """

    __slots__ = ("_options",)

    def __init__(self) -> None:
        self._options: dict[str, Any] = {}

    def _with(self, option: str, value: object) -> RetryPolicyBuilder:
        made = RetryPolicyBuilder()
        made._options = {**self._options, option: value}
        RetryPolicy(**made._options)
        return made

    def max_attempts(self, retries: int) -> RetryPolicyBuilder:
        """Set the number of retries after the first run."""
        return self._with("max_attempts", retries)

    def initial_delay(self, seconds: float) -> RetryPolicyBuilder:
        """Set the delay before the first retry."""
        return self._with("initial_delay", seconds)

    def max_delay(self, seconds: float) -> RetryPolicyBuilder:
        """Set the longest delay."""
        return self._with("max_delay", seconds)

    def backoff_strategy(self, strategy: BackoffStrategy) -> RetryPolicyBuilder:
        """Set how the delay grows."""
        return self._with("backoff", strategy)

    def retry_condition(self, condition: RetryCondition) -> RetryPolicyBuilder:
        """Set after which errors the task is retried."""
        return self._with("condition", condition)

    def with_jitter(self, jitter: bool) -> RetryPolicyBuilder:  # noqa: FBT001 - the API's signature is given
        """Set whether each delay is varied by up to a quarter."""
        return self._with("with_jitter", jitter)

    def build(self) -> RetryPolicy:
        """Build the policy."""
        return RetryPolicy(**self._options)

    def __repr__(self) -> str:
        return f"<RetryPolicyBuilder of {self.build()}>"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _count(option: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise TaskValidationError(f"{option} must be an int from 0 to {MOST}, not {shown(value)}")
    return int(value)


def _seconds(option: str, value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= MOST:
        raise TaskValidationError(
            f"{option} must be a number of seconds from 0 to {MOST}, not {shown(value)}"
        )
    return float(value)


def _factor(option: str, value: Any) -> float:
    if not _is_number(value) or not 0 < value <= MOST or not isfinite(value):
        raise TaskValidationError(
            f"the {option} of a backoff must be a number above 0 and at most {MOST}, not {shown(value)}"
        )
    return float(value)


def _of(kind: type, option: str, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TaskValidationError(f"{option} must be a {kind.__name__}, not {shown(value)}")
    return value


_DOUBLING, _ALWAYS = BackoffStrategy.exponential(), RetryCondition.all_errors()
