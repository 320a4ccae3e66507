"""What a runner's configuration means for the logger ``cloaca``."""

from __future__ import annotations

import logging

from cloaca.runner.config import SETTINGS, DefaultRunnerConfig

_SILENT = logging.CRITICAL + 1


def configure(logger: logging.Logger, config: DefaultRunnerConfig) -> None:
    """Set the logger's level where the configuration asks for one that ``logging`` does not decide itself."""
    if not config.enable_logging:
        logger.setLevel(_SILENT)
    elif config.log_level != SETTINGS["log_level"].default:
        logger.setLevel(config.log_level)
    elif logger.level == _SILENT:
        logger.setLevel(logging.NOTSET)


def warn_of_no_bound(logger: logging.Logger, config: DefaultRunnerConfig) -> None:
    """Say where executions are meant to be bounded by a setting that does not."""
    asked = config.max_concurrent_workflows
    if asked < min(config.max_concurrent_tasks, SETTINGS["max_concurrent_workflows"].default):
        logger.warning(
            "max_concurrent_workflows=%d does not bound executions: max_concurrent_tasks=%d bodies run at once, of as many",
            asked, config.max_concurrent_tasks,
        )  # fmt: skip
