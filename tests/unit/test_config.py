"""The settings of a runner: their names, defaults and what they refuse."""

import logging
import math

import pytest

import cloaca
from cloaca.engine.settings import PATROL_SECONDS
from cloaca.runner import logs
from cloaca.runner.config import ALIASES, SETTINGS

Config = cloaca.DefaultRunnerConfig

DEFAULTS = {
    "max_concurrent_tasks": 4,
    "max_concurrent_async_tasks": 1000,
    "scheduler_poll_interval_ms": 100,
    "task_timeout_seconds": 300,
    "workflow_timeout_seconds": None,
    "pipeline_timeout_seconds": None,
    "db_pool_size": 10,
    "connection_pool_size": 10,
    "enable_recovery": True,
    "max_concurrent_workflows": 5,
    "retry_attempts": 0,
    "enable_logging": True,
    "log_level": "INFO",
    "metrics": False,
    "tracing": False,
    "on_version_change": "continue",
    "crash_limit": 3,
    "heartbeat_seconds": 10,
    "lease_seconds": 60,
    "shutdown_timeout_seconds": 30,
    "window": 10_000,
    "encoders": None,
    "enable_cron_scheduling": True,
    "cron_poll_interval_seconds": 30,
    "cron_max_catchup_executions": 100,
    "cron_enable_recovery": True,
    "cron_recovery_interval_seconds": 300,
    "cron_lost_threshold_minutes": 10,
    "cron_max_recovery_age_seconds": 86_400,
    "cron_max_recovery_attempts": 3,
    "retention_days": None,
    "retention_executions": None,
}

REFUSED = [
    ("metrics", 9090),
    ("tracing", "otlp"),
    ("max_concurrent_tasks", 0),
    ("max_concurrent_tasks", 2.0),
    ("max_concurrent_tasks", True),
    ("max_concurrent_tasks", "4"),
    ("max_concurrent_async_tasks", -1),
    ("scheduler_poll_interval_ms", 9),
    ("scheduler_poll_interval_ms", 3_600_001),
    ("task_timeout_seconds", 0),
    ("task_timeout_seconds", math.nan),
    ("task_timeout_seconds", math.inf),
    ("workflow_timeout_seconds", -5),
    ("db_pool_size", 0),
    ("enable_recovery", 1),
    ("max_concurrent_workflows", 0),
    ("retry_attempts", -1),
    ("enable_logging", "yes"),
    ("log_level", "debug"),
    ("log_level", 10),
    ("on_version_change", "waits"),
    ("on_version_change", None),
    ("crash_limit", 0),
    ("heartbeat_seconds", 0),
    ("lease_seconds", 0),
    ("shutdown_timeout_seconds", -1),
    ("window", 0),
    ("encoders", {"datetime": str}),
    ("enable_cron_scheduling", None),
    ("cron_poll_interval_seconds", 0),
    ("cron_max_catchup_executions", 1001),
    ("cron_max_recovery_attempts", -1),
    ("retention_days", 0),
    ("retention_days", "30"),
    ("retention_executions", -1),
    ("retention_executions", 1.5),
]


def test_the_settings_are_these():
    assert Config().to_dict().keys() == DEFAULTS.keys()


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
def test_a_setting_has_its_default_in_every_form(name, default):
    for config in (Config(), Config.default()):
        assert getattr(config, name) == config.to_dict()[name] == default


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_setting_can_be_given_and_set(name):
    values = {"log_level": "DEBUG", "on_version_change": "wait", "encoders": {set: sorted}}
    values |= {"metrics": True, "tracing": True}
    value = values.get(name, False if DEFAULTS[name] is True else 20)
    changed = Config()
    setattr(changed, name, value)
    for config in (Config(**{name: value}), changed):
        assert getattr(config, name) == config.to_dict()[name] == value
        assert f"{ALIASES.get(name, name)}={value!r}" in repr(config)
        assert Config(**config.to_dict()).to_dict() == config.to_dict()


def test_no_setting_is_without_a_line_in_the_docstring():
    for name in [*SETTINGS, *ALIASES]:
        assert f"``{name}``" in Config.__doc__


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_a_setting_cannot_be_is_refused_by_the_constructor_and_the_setter(name, value):
    config = Config()
    for refused in (lambda: Config(**{name: value}), lambda: setattr(config, name, value)):
        with pytest.raises(cloaca.ConfigurationError) as error:
            refused()
        assert str(error.value) == f"{name}={value!r} must be {SETTINGS[name].rule}"
    assert getattr(config, name) == DEFAULTS[name]


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_the_same_setting(alias):
    config = Config(**{alias: 7})
    assert getattr(config, ALIASES[alias]) == 7
    setattr(config, ALIASES[alias], 8)
    assert getattr(config, alias) == 8
    with pytest.raises(cloaca.ConfigurationError, match=f"^{alias}=0 must be"):
        Config(**{alias: 0})


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("max_concurent_tasks", "max_concurrent_tasks"),
        ("pool_size", "db_pool_size"),
        ("connection_pool", "connection_pool_size"),
        ("loglevel", "log_level"),
        ("timeout_seconds", "task_timeout_seconds"),
    ],
)
def test_a_misspelt_name_names_the_nearest_wherever_it_is_written(misspelt, meant):
    config, message = Config(), f"DefaultRunnerConfig has no setting {misspelt!r}: did you mean {meant!r}?"
    with pytest.raises(cloaca.ConfigurationError) as given:
        Config(**{misspelt: 1})
    with pytest.raises(cloaca.ConfigurationError) as assigned:
        setattr(config, misspelt, 1)
    with pytest.raises(AttributeError) as read:
        getattr(config, misspelt)
    assert str(given.value) == str(assigned.value) == str(read.value) == message


@pytest.mark.parametrize("given", [{"heartbeat_seconds": 60}, {"lease_seconds": 5}])
def test_a_lease_within_a_heartbeat_is_refused_in_either_order(given):
    config = Config()
    [(name, value)] = given.items()
    for refused in (lambda: Config(**given), lambda: setattr(config, name, value)):
        with pytest.raises(cloaca.ConfigurationError, match="must be more than heartbeat_seconds"):
            refused()
    assert Config(heartbeat_seconds=60, lease_seconds=61).lease_seconds == 61


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, PATROL_SECONDS),
        ({"scheduler_poll_interval_ms": 10}, PATROL_SECONDS),
        ({"scheduler_poll_interval_ms": 5000}, 5),
        ({"scheduler_poll_interval_ms": 60_000}, 15),
        ({"heartbeat_seconds": 0.1, "lease_seconds": 1}, 0.25),
    ],
)
def test_the_poll_interval_spaces_the_looks_within_the_lease(settings, seconds):
    assert Config(**settings).engine_settings().patrol_seconds == seconds


@pytest.mark.parametrize(
    ("before", "settings", "level"),
    [
        (logging.NOTSET, {}, logging.NOTSET),
        (logging.ERROR, {"log_level": "INFO"}, logging.ERROR),
        (logging.ERROR, {"log_level": "DEBUG"}, logging.DEBUG),
        (logging.NOTSET, {"log_level": "WARNING"}, logging.WARNING),
        (logging.NOTSET, {"log_level": "ERROR"}, logging.ERROR),
    ],
)
def test_the_log_level_is_the_loggers_where_it_says_more_than_the_default(before, settings, level):
    logger = logging.Logger("one", before)  # noqa: LOG001 - of this test alone
    logs.configure(logger, Config(**settings))
    assert (logger.level, logger.handlers) == (level, [])


def test_logging_is_silent_until_a_runner_enables_it():
    logger = logging.Logger("one")  # noqa: LOG001 - of this test alone
    logs.configure(logger, Config(enable_logging=False, log_level="DEBUG"))
    assert not logger.isEnabledFor(logging.CRITICAL)
    logs.configure(logger, Config())
    assert logger.level == logging.NOTSET


@pytest.mark.parametrize(
    ("settings", "warns"),
    [({}, False), ({"max_concurrent_workflows": 4}, False), ({"max_concurrent_workflows": 2}, True)],
)
def test_a_bound_on_executions_that_would_bind_is_said_to_have_no_effect(settings, warns, caplog):
    logs.warn_of_no_bound(logging.getLogger("cloaca"), Config(**settings))
    assert ("does not limit executions" in caplog.text) is warns
