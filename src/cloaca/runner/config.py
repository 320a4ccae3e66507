"""The settings of a runner."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

from cloaca.engine.settings import PATROL_SECONDS, EngineSettings
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


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_registry(value: Any) -> bool:
    return isinstance(value, bool) or (
        callable(getattr(value, "register", None)) and hasattr(value, "collect")
    )


def _is_tracing(value: Any) -> bool:
    return isinstance(value, bool) or callable(getattr(value, "get_tracer", None))


def _one_of(*choices: str) -> tuple[str, Callable[[Any], bool]]:
    """A setting with a fixed set of values: its rule, and the check of a value."""
    named = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
    return named, lambda value: isinstance(value, str) and value in choices


_POSITIVE = "a whole number from 1"
_NATURAL = "a whole number from 0"
_SECONDS = "a number of seconds above 0"
_FLAG = "True or False"

SETTINGS: dict[str, _Setting] = {
    "max_concurrent_tasks": _Setting(4, _POSITIVE, lambda v: _is_whole(v, 1)),
    "max_concurrent_async_tasks": _Setting(1000, _POSITIVE, lambda v: _is_whole(v, 1)),
    "task_timeout_seconds": _Setting(300, _SECONDS, _is_seconds),
    "workflow_timeout_seconds": _Setting(None, f"{_SECONDS}, or None", lambda v: v is None or _is_seconds(v)),
    "retry_attempts": _Setting(0, _NATURAL, lambda v: _is_whole(v, 0)),
    "enable_recovery": _Setting(True, _FLAG, _is_flag),
    "on_version_change": _Setting("continue", *_one_of("continue", "wait")),
    "crash_limit": _Setting(3, _POSITIVE, lambda v: _is_whole(v, 1)),
    "shutdown_timeout_seconds": _Setting(
        30, "a number of seconds from 0", lambda v: _is_seconds(v, zero=True)
    ),
    "heartbeat_seconds": _Setting(10.0, _SECONDS, _is_seconds),
    "lease_seconds": _Setting(60.0, _SECONDS, _is_seconds),
    "window": _Setting(10_000, _POSITIVE, lambda v: _is_whole(v, 1)),
    "enable_cron_scheduling": _Setting(True, _FLAG, _is_flag),
    "cron_poll_interval_seconds": _Setting(30, _SECONDS, _is_seconds),
    "cron_max_catchup_executions": _Setting(
        100, "a whole number from 0 to 1000", lambda v: _is_whole(v, 0) and v <= 1000
    ),
    "cron_enable_recovery": _Setting(True, _FLAG, _is_flag),
    "cron_recovery_interval_seconds": _Setting(300, _SECONDS, _is_seconds),
    "cron_lost_threshold_minutes": _Setting(10, "a number of minutes above 0", _is_seconds),
    "cron_max_recovery_age_seconds": _Setting(86_400, _SECONDS, _is_seconds),
    "cron_max_recovery_attempts": _Setting(3, _NATURAL, lambda v: _is_whole(v, 0)),
    "encoders": _Setting(
        None, "a mapping of types to functions, or None", lambda v: v is None or _is_encoders(v)
    ),
    "scheduler_poll_interval_ms": _Setting(
        100,
        "a whole number of milliseconds from 10 to 3,600,000",
        lambda v: _is_whole(v, 10) and v <= 3_600_000,
    ),
    "retention_days": _Setting(
        None, "a number of days above 0, or None", lambda v: v is None or _is_seconds(v)
    ),
    "retention_executions": _Setting(None, f"{_NATURAL}, or None", lambda v: v is None or _is_whole(v, 0)),
    "db_pool_size": _Setting(10, _POSITIVE, lambda v: _is_whole(v, 1)),
    "max_concurrent_workflows": _Setting(5, _POSITIVE, lambda v: _is_whole(v, 1)),
    "enable_logging": _Setting(True, _FLAG, _is_flag),
    "log_level": _Setting("INFO", *_one_of("DEBUG", "INFO", "WARNING", "ERROR")),
    "metrics": _Setting(False, "True, False or a registry of prometheus_client", _is_registry),
    "tracing": _Setting(False, "True, False or a TracerProvider of OpenTelemetry", _is_tracing),
}

ALIASES = {
    "pipeline_timeout_seconds": "workflow_timeout_seconds",
    "connection_pool_size": "db_pool_size",
}


class DefaultRunnerConfig:
    """The settings of a runner. Each is a keyword argument of the constructor, and an attribute.

    A runner reads its settings when it is created; later changes affect only runners created afterwards.

    - ``max_concurrent_tasks`` (4): how many sync bodies run at once.
    - ``max_concurrent_async_tasks`` (1000): how many async bodies run at once.
    - ``task_timeout_seconds`` (300): the timeout of tasks that set none.
    - ``workflow_timeout_seconds`` (None): the time from an execution's start to its end;
      ``pipeline_timeout_seconds`` is an alias.
    - ``retry_attempts`` (0): the retries of tasks that set no retry options.
    - ``enable_recovery`` (True): take over the executions of dead runners.
    - ``on_version_change`` ("continue"): what to do with an execution that was started under another version of its
      workflow, with the same tasks and dependencies. ``"continue"`` runs it with the current code; ``"wait"``
      leaves it to a runner with the version it was started under, as ``waiting_for`` in its record then says.
    - ``crash_limit`` (3): how often a task may crash its process while it runs alone.
    - ``shutdown_timeout_seconds`` (30): how long ``shutdown`` waits for running bodies.
    - ``heartbeat_seconds`` (10): the longest time between two writes of a runner, by which others see that it is alive.
    - ``lease_seconds`` (60): how long a runner may be silent before others take over its executions, if nothing else
      proves it dead. All runners of a database should have the same heartbeat and lease.
    - ``window`` (10,000): how many executions are held in memory; the rest wait in the database.
    - ``enable_cron_scheduling`` (True): fire schedules and poll triggers. If it is off, other runners may still do so.
    - ``cron_poll_interval_seconds`` (30): how soon a schedule that another process has registered or changed is noticed,
      at the latest. It does not delay firing: a runner sleeps until the next scheduled time.
    - ``cron_max_catchup_executions`` (100, at most 1000): how many missed runs of a schedule are caught up at once, the
      latest ones.
    - ``cron_enable_recovery`` (True), ``cron_recovery_interval_seconds`` (300), ``cron_lost_threshold_minutes`` (10),
      ``cron_max_recovery_age_seconds`` (86,400), ``cron_max_recovery_attempts`` (3): no effect. A fire and the start of
      its execution are one transaction, so nothing is lost between the two and there is nothing to recover.
    - ``encoders`` (None): how to store values that are not JSON, such as ``{datetime: datetime.isoformat}``.
    - ``scheduler_poll_interval_ms`` (100): the shortest time between two checks for what other processes have left or
      started. Checks come every 1.25 s, so only larger values have an effect, up to a quarter of ``lease_seconds``; they
      relieve a database with many runners. Executions started in this process never wait for a check.
    - ``retention_days`` (None): remove executions that ended this many days ago, about once a minute; ``None`` keeps them.
    - ``retention_executions`` (None): remove ended executions started before the newest this many, at the earliest a
      minute after their end; ``None`` keeps all. Unfinished executions are never removed, whatever their age; see ``prune``.
    - ``db_pool_size`` (10), or ``connection_pool_size``: no effect. A runner holds at most three connections, however
      many threads share it: one writes, one reads, one listens.
    - ``max_concurrent_workflows`` (5): no effect. Executions share the slots of ``max_concurrent_tasks`` in turn, and
      ``window`` limits how many are held. If it is set lower than both, a warning is logged.
    - ``enable_logging`` (True): ``False`` silences the logger ``cloaca`` in the whole process, errors included.
    - ``log_level`` ("INFO"): the level of the logger ``cloaca`` in the whole process; ``"INFO"`` leaves it unchanged.
      No handler is installed: without one, Python prints warnings and errors to stderr.
    - ``metrics`` (False): keep metrics for Prometheus; ``True`` uses the default registry of ``prometheus_client``.
      Needs the extra ``prometheus``.
    - ``tracing`` (False): create a span for each execution and each attempt; ``True`` uses the global tracer provider of
      OpenTelemetry. Needs the extra ``opentelemetry``.

    Raises:
        ConfigurationError: The setting does not exist (the message names the closest one), or its value is not valid;
            raised by the constructor and by every assignment.

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
    on_version_change: Literal["continue", "wait"]
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
    scheduler_poll_interval_ms: int
    retention_days: float | None
    retention_executions: int | None
    db_pool_size: int
    connection_pool_size: int
    max_concurrent_workflows: int
    enable_logging: bool
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    metrics: Any
    tracing: Any

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
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(_unknown(name))

    def to_dict(self) -> dict[str, Any]:
        """All settings by name, aliases included; the constructor accepts the result."""
        settings = {name: getattr(self, name) for name in SETTINGS}
        return settings | {alias: settings[name] for alias, name in ALIASES.items()}

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in SETTINGS)
        return f"DefaultRunnerConfig({settings})"

    @property
    def removes_old(self) -> bool:
        """Whether old executions are removed automatically."""
        return self.retention_days is not None or self.retention_executions is not None

    def engine_settings(self) -> EngineSettings:
        """The part of the settings that the engine needs."""
        return EngineSettings(
            window=self.window,
            task_timeout_seconds=float(self.task_timeout_seconds),
            workflow_timeout_seconds=self.workflow_timeout_seconds,
            retry_attempts=self.retry_attempts,
            crash_limit=self.crash_limit,
            recover=self.enable_recovery,
            heartbeat_seconds=float(self.heartbeat_seconds),
            lease_seconds=float(self.lease_seconds),
            patrol_seconds=min(
                max(PATROL_SECONDS, self.scheduler_poll_interval_ms / 1000), self.lease_seconds / 4
            ),
            same_version=self.on_version_change == "wait",
        )


def checked_timeout(timeout: Any) -> float | None:
    """The timeout in seconds, or ``None`` to wait without limit.

    Raises:
        ConfigurationError: It is not a valid timeout.
    """
    if timeout is None or (type(timeout) is float and timeout == math.inf) or _is_seconds(timeout, zero=True):
        return cast("float | None", timeout)
    raise ConfigurationError(f"timeout={shown(timeout)} must be a number of seconds from 0, or None")


def _checked_name(typed: str, value: Any) -> str:
    """The name of a setting, given itself or as its alias, if it may have this value."""
    name = ALIASES.get(typed, typed)
    setting = SETTINGS.get(name)
    if setting is None:
        raise ConfigurationError(_unknown(typed))
    if not setting.holds(value):
        raise ConfigurationError(f"{typed}={shown(value)} must be {setting.rule}")
    return name


def _check_lease(heartbeat: float, lease: float) -> None:
    if lease <= heartbeat:
        raise ConfigurationError(
            f"lease_seconds={lease!r} must be more than heartbeat_seconds={heartbeat!r}, or other runners take over "
            f"from a live one: set both, with a lease of several heartbeats, such as {6 * heartbeat:g}"
        )


def _unknown(name: str) -> str:
    import difflib  # noqa: PLC0415 - loaded only to explain a mistake

    nearest = difflib.get_close_matches(name[:255], [*SETTINGS, *ALIASES], n=1, cutoff=0)
    return f"DefaultRunnerConfig has no setting {shown(name)}: did you mean {nearest[0]!r}?"
