"""Configuring the logger ``cloaca`` as a runner's settings say."""

from __future__ import annotations

import logging

from cloaca.runner.config import SETTINGS, DefaultRunnerConfig

_SILENT = logging.CRITICAL + 1


def configure(logger: logging.Logger, config: DefaultRunnerConfig) -> None:
    """Set the logger's level, unless the settings leave it to ``logging``."""
    if not config.enable_logging:
        logger.setLevel(_SILENT)
    elif config.log_level != SETTINGS["log_level"].default:
        logger.setLevel(config.log_level)
    elif logger.level == _SILENT:
        logger.setLevel(logging.NOTSET)


def warn_of_no_bound(logger: logging.Logger, config: DefaultRunnerConfig) -> None:
    """Warn if a setting that has no effect was meant to limit executions."""
    asked = config.max_concurrent_workflows
    if asked < min(config.max_concurrent_tasks, SETTINGS["max_concurrent_workflows"].default):
        logger.warning(
            "max_concurrent_workflows=%d does not limit executions: they share the slots of max_concurrent_tasks=%d in turn",
            asked, config.max_concurrent_tasks,
        )  # fmt: skip
