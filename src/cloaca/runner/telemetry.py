"""Telemetry as configured for a runner: which observers it reports to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cloaca.engine.core import Core
from cloaca.errors import ConfigurationError
from cloaca.runner.config import DefaultRunnerConfig

if TYPE_CHECKING:
    from cloaca.telemetry.observer import Observer, Snapshot


def observer_of(config: DefaultRunnerConfig) -> Observer | None:
    """The observers to report to; ``None``, with nothing loaded, if none are configured.

    Raises:
        ConfigurationError: The extra that a setting needs is not installed.
    """
    observers = [make(config) for make in (_metrics, _tracing)]
    asked = [observer for observer in observers if observer is not None]
    if not asked:
        return None
    from cloaca.telemetry.observer import Observers  # noqa: PLC0415 - needed only with telemetry

    return Observers(asked)


def _metrics(config: DefaultRunnerConfig) -> Observer | None:
    if config.metrics is False:
        return None
    try:
        from cloaca.telemetry.prometheus import metrics_in  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise missing_extra("metrics", "prometheus", error) from error
    return metrics_in(None if config.metrics is True else config.metrics)


def _tracing(config: DefaultRunnerConfig) -> Observer | None:
    if config.tracing is False:
        return None
    try:
        from cloaca.telemetry.opentelemetry import Tracing  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise missing_extra("tracing", "opentelemetry", error) from error
    return Tracing(None if config.tracing is True else config.tracing)


def missing_extra(what: str, extra: str, error: ModuleNotFoundError) -> ConfigurationError:
    """The error for a module that is missing because its extra is not installed."""
    return ConfigurationError(
        f"{what} needs the module {error.name!r}, which is not installed: pip install 'pycloaca[{extra}]'"
    )


def attach(observer: Observer | None, core: Core) -> Callable[[], None]:
    """Let the observer look at an engine until the returned function is called."""
    if observer is None:
        return lambda: None
    from cloaca.engine.telemetry import snapshot  # noqa: PLC0415 - needed only with telemetry

    def look() -> Snapshot:
        return snapshot(core)

    observer.attached(look)
    return lambda: observer.detached(look)
