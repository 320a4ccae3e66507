"""Combining a task's retry options, in whichever form they are given, into one policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloaca.authoring.names import is_str, nearest, shown
from cloaca.errors import TaskValidationError
from cloaca.model.retry import BACKOFFS, DEFAULT_RETRIES, MOST, BackoffStrategy, RetryCondition, RetryPolicy

_CONDITIONS = {
    "never": RetryCondition.never(),
    "transient": RetryCondition.transient_only(),
    "all": RetryCondition.all_errors(),
}

_POLICY_KEYS = ("max_attempts", "retry_delay_seconds", "exponential_backoff", "max_delay_seconds")


def retry_of(policy: Any, settings: Any, options: Mapping[str, Any]) -> RetryPolicy | None:
    """The policy that a task declares, or ``None`` if it declares none.

    Args:
        policy: The value of the option ``retry``.
        settings: The value of the option ``retry_policy``.
        options: The values of the options ``retry_attempts`` to ``retry_jitter``, by name.

    Raises:
        TaskValidationError: A value is not valid, or two of the forms were combined.
    """
    given = {"retry": policy, "retry_policy": settings, **options}
    ways = [name for name, value in given.items() if value is not None]
    if len(ways) > 1 and ways[0] in ("retry", "retry_policy"):
        raise TaskValidationError(
            f"{ways[0]} and {ways[1]} both say how to retry: give {ways[0]} or {ways[1]}, not both"
        )
    if policy is not None:
        return _checked(policy)
    if settings is not None:
        return _of_settings(settings)
    return _of_options(options) if ways else None


def whole(option: str, value: Any) -> int:
    """The value of an option that is a count or a number of milliseconds.

    Raises:
        TaskValidationError: It is not an int from 0 to ``MOST``.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise TaskValidationError(f"{option} must be an int from 0 to {MOST}, not {shown(value)}")
    return int(value)


def _checked(policy: Any) -> RetryPolicy:
    if isinstance(policy, RetryPolicy):
        return policy
    advice = (
        "call build()" if type(policy).__name__ == "RetryPolicyBuilder" else "RetryPolicy.builder() makes one"
    )
    raise TaskValidationError(f"retry must be a RetryPolicy, not {shown(policy)}: {advice}")


def _of_options(options: Mapping[str, Any]) -> RetryPolicy:
    attempts, delay, longest = (
        None if options[name] is None else whole(name, options[name])
        for name in ("retry_attempts", "retry_delay_ms", "retry_max_delay_ms")
    )
    return RetryPolicy(
        DEFAULT_RETRIES if attempts is None else attempts,
        initial_delay=1.0 if delay is None else delay / 1000,
        max_delay=None if longest is None else longest / 1000,
        backoff=_backoff(options["retry_backoff"]),
        condition=_condition(options["retry_condition"]),
        with_jitter=_flag("retry_jitter", options["retry_jitter"]),
    )


def _backoff(value: Any) -> BackoffStrategy | None:
    if value is None:
        return None
    if type(value) is not str or value not in BACKOFFS:
        raise TaskValidationError(f"retry_backoff must be one of {', '.join(BACKOFFS)}, not {shown(value)}")
    return BackoffStrategy(value)


def _condition(value: Any) -> RetryCondition | None:
    if value is None:
        return None
    words = [word.strip() for word in str.__str__(value).split(",")] if is_str(value) else []
    if len(words) == 1 and words[0].lower() in _CONDITIONS:
        return _CONDITIONS[words[0].lower()]
    if not any(words) or any(word.lower() in _CONDITIONS for word in words):
        raise TaskValidationError(
            f"retry_condition must be 'never', 'transient', 'all', or texts to look for in errors, separated by commas, "
            f"not {shown(value)}"
        )
    return RetryCondition.error_pattern([word for word in words if word])


def _flag(option: str, value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise TaskValidationError(f"{option} must be True or False, not {shown(value)}")
    return value is not False


def _of_settings(settings: Any) -> RetryPolicy:
    if not isinstance(settings, Mapping):
        raise TaskValidationError(
            f"retry_policy must be a dict of {', '.join(_POLICY_KEYS)}, not {shown(settings)}: "
            f"a RetryPolicy is given as retry=..."
        )
    for key in settings:
        if key not in _POLICY_KEYS:
            hint = (is_str(key) and nearest(key, _POLICY_KEYS)) or f"there are {', '.join(_POLICY_KEYS)}"
            raise TaskValidationError(f"retry_policy has no {shown(key)}: {hint}")
    attempts, delay, grows, longest = (settings.get(key) for key in _POLICY_KEYS)
    what = "{} of retry_policy".format
    return RetryPolicy(
        DEFAULT_RETRIES if attempts is None else whole(what("max_attempts"), attempts),
        initial_delay=1.0 if delay is None else _seconds(what("retry_delay_seconds"), delay),
        max_delay=None if longest is None else _seconds(what("max_delay_seconds"), longest),
        backoff=None if _flag(what("exponential_backoff"), grows) else BackoffStrategy.fixed(),
    )


def _seconds(option: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise TaskValidationError(
            f"{option} must be a number of seconds from 0 to {MOST}, not {shown(value)}"
        )
    return float(value)
