"""The settings of a runner."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn, cast

from cloaca.engine.plan import PATROL_SECONDS, EngineSettings
from cloaca.errors import ConfigurationError
from cloaca.model.shown import shown


class _Setting(NamedTuple):
    default: Any
    rule: str
    holds: Callable[[Any], bool]


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_seconds(value: Any, *, zero: bool = False) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and value <= sys.float_info.max and (value > 0 or (zero and value == 0))


def _is_encoders(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(t, type) and callable(f) for t, f in value.items())


_POSITIVE = "a whole number from 1"
_NATURAL = "a whole number from 0"
_SECONDS = "a number of seconds above 0"

SETTINGS: dict[str, _Setting] = {
    "max_concurrent_tasks": _Setting(4, _POSITIVE, lambda v: _is_whole(v, 1)),
    "max_concurrent_async_tasks": _Setting(1000, _POSITIVE, lambda v: _is_whole(v, 1)),
    "task_timeout_seconds": _Setting(300, _SECONDS, _is_seconds),
    "workflow_timeout_seconds": _Setting(None, f"{_SECONDS}, or None", lambda v: v is None or _is_seconds(v)),
    "retry_attempts": _Setting(0, _NATURAL, lambda v: _is_whole(v, 0)),
    "enable_recovery": _Setting(True, "True or False", lambda v: isinstance(v, bool)),
    "crash_limit": _Setting(3, _POSITIVE, lambda v: _is_whole(v, 1)),
    "shutdown_timeout_seconds": _Setting(
        30, "a number of seconds from 0", lambda v: _is_seconds(v, zero=True)
    ),
    "heartbeat_seconds": _Setting(10.0, _SECONDS, _is_seconds),
    "lease_seconds": _Setting(60.0, _SECONDS, _is_seconds),
    "window": _Setting(10_000, _POSITIVE, lambda v: _is_whole(v, 1)),
    "enable_cron_scheduling": _Setting(True, "True or False", lambda v: isinstance(v, bool)),
    "cron_poll_interval_seconds": _Setting(30, _SECONDS, _is_seconds),
    "cron_max_catchup_executions": _Setting(
        100, "a whole number from 0 to 1000", lambda v: _is_whole(v, 0) and v <= 1000
    ),
    "cron_enable_recovery": _Setting(True, "True or False", lambda v: isinstance(v, bool)),
    "cron_recovery_interval_seconds": _Setting(300, _SECONDS, _is_seconds),
    "cron_lost_threshold_minutes": _Setting(10, "a number of minutes above 0", _is_seconds),
    "cron_max_recovery_age_seconds": _Setting(86_400, _SECONDS, _is_seconds),
    "cron_max_recovery_attempts": _Setting(3, _NATURAL, lambda v: _is_whole(v, 0)),
    "encoders": _Setting(
        None, "a mapping of types to functions, or None", lambda v: v is None or _is_encoders(v)
    ),
}

ALIASES = {"pipeline_timeout_seconds": "workflow_timeout_seconds"}


class DefaultRunnerConfig:
    """How a runner works; every setting is a keyword of the constructor and an attribute.

    - ``max_concurrent_tasks`` (4): sync bodies at once.
    - ``max_concurrent_async_tasks`` (1000): async bodies at once.
    - ``task_timeout_seconds`` (300): for tasks that say nothing of their own.
    - ``workflow_timeout_seconds`` (None): from an execution's start to its end; ``pipeline_timeout_seconds`` is the
      same.
    - ``retry_attempts`` (0): retries of tasks that say nothing of their own.
    - ``enable_recovery`` (True): take over what dead runners have left.
    - ``crash_limit`` (3): how often a task may bring its process down while it runs alone.
    - ``shutdown_timeout_seconds`` (30): how long ``shutdown`` waits for bodies that run.
    - ``heartbeat_seconds`` (10): how often a runner writes at least, so that others see that it lives.
    - ``lease_seconds`` (60): how long a runner may be silent until others take over what it owns, where nothing else
      proves its death. Give all runners of a database the same two.
    - ``window`` (10,000): executions held in memory; the others wait in the database.
    - ``enable_cron_scheduling`` (True): fire schedules and ask triggers; another runner may, where this one does not.
    - ``cron_poll_interval_seconds`` (30): how late a schedule that another process has registered or changed is noticed
      at most. It holds up no fire: a runner sleeps until the next instant.
    - ``cron_max_catchup_executions`` (100, at most 1000): how many instants of a schedule that were missed are fired at
      once, the latest.
    - ``cron_enable_recovery`` (True), ``cron_recovery_interval_seconds`` (300), ``cron_lost_threshold_minutes`` (10),
      ``cron_max_recovery_age_seconds`` (86,400), ``cron_max_recovery_attempts`` (3): without effect. A fire and the start
      of its execution are one transaction, so that none is lost between the two and there is nothing to recover.
    - ``encoders`` (None): what to do with values that are not JSON, such as ``{datetime: datetime.isoformat}``.

    Raises:
        ConfigurationError: A name that does not exist, with the nearest that does, or a value that cannot be.

    Example:
        >>> DefaultRunnerConfig(max_concurrent_tasks=8).max_concurrent_tasks
        8
    """

    max_concurrent_tasks: int
    max_concurrent_async_tasks: int
    task_timeout_seconds: float
    workflow_timeout_seconds: float | None
    pipeline_timeout_seconds: float | None
    retry_attempts: int
    enable_recovery: bool
    crash_limit: int
    shutdown_timeout_seconds: float
    heartbeat_seconds: float
    lease_seconds: float
    window: int
    enable_cron_scheduling: bool
    cron_poll_interval_seconds: float
    cron_max_catchup_executions: int
    cron_enable_recovery: bool
    cron_recovery_interval_seconds: float
    cron_lost_threshold_minutes: float
    cron_max_recovery_age_seconds: float
    cron_max_recovery_attempts: int
    encoders: Mapping[type, Callable[[Any], Any]] | None

    def __init__(self, **settings: Any) -> None:
        for name, setting in SETTINGS.items():
            object.__setattr__(self, name, setting.default)
        for name, value in settings.items():
            object.__setattr__(self, _checked_name(name, value), value)
        _check_lease(self.heartbeat_seconds, self.lease_seconds)

    @staticmethod
    def default() -> DefaultRunnerConfig:
        """All settings at their defaults."""
        return DefaultRunnerConfig()

    def __setattr__(self, name: str, value: Any) -> None:
        name = _checked_name(name, value)
        changed = {name: value}
        _check_lease(
            changed.get("heartbeat_seconds", self.heartbeat_seconds),
            changed.get("lease_seconds", self.lease_seconds),
        )
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name in ALIASES:
            return getattr(self, ALIASES[name])
        raise AttributeError(f"DefaultRunnerConfig has no setting {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """All settings by name, aliases included."""
        settings = {name: getattr(self, name) for name in SETTINGS}
        return settings | {alias: settings[name] for alias, name in ALIASES.items()}

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in SETTINGS)
        return f"DefaultRunnerConfig({settings})"

    def engine_settings(self) -> EngineSettings:
        """What the engine needs of it."""
        return EngineSettings(
            window=self.window,
            task_timeout_seconds=float(self.task_timeout_seconds),
            workflow_timeout_seconds=self.workflow_timeout_seconds,
            retry_attempts=self.retry_attempts,
            crash_limit=self.crash_limit,
            recover=self.enable_recovery,
            heartbeat_seconds=float(self.heartbeat_seconds),
            lease_seconds=float(self.lease_seconds),
            patrol_seconds=min(PATROL_SECONDS, self.lease_seconds / 4),
        )


def checked_timeout(timeout: Any) -> float | None:
    """The seconds to wait at most, or ``None`` for as long as it takes.

    Raises:
        ConfigurationError: It is no time.
    """
    if timeout is None or (type(timeout) is float and timeout == math.inf) or _is_seconds(timeout, zero=True):
        return cast("float | None", timeout)
    raise ConfigurationError(f"timeout={shown(timeout)} must be a number of seconds from 0, or None")


def _checked_name(name: str, value: Any) -> str:
    """The name of a setting that may have this value."""
    name = ALIASES.get(name, name)
    setting = SETTINGS.get(name)
    if setting is None:
        _refuse_name(name)
    if not setting.holds(value):
        raise ConfigurationError(f"{name}={shown(value)} must be {setting.rule}")
    return name


def _check_lease(heartbeat: float, lease: float) -> None:
    if lease <= heartbeat:
        raise ConfigurationError(
            f"lease_seconds={lease!r} must be more than heartbeat_seconds={heartbeat!r}, or others take over from a "
            f"runner that lives: give both at once, a lease of several heartbeats, such as {6 * heartbeat:g}"
        )


def _refuse_name(name: str) -> NoReturn:
    import difflib  # noqa: PLC0415 - loaded only to explain a mistake

    nearest = difflib.get_close_matches(name[:255], [*SETTINGS, *ALIASES], n=1, cutoff=0)
    raise ConfigurationError(
        f"DefaultRunnerConfig has no setting {shown(name)}: did you mean {nearest[0]!r}?"
    )
