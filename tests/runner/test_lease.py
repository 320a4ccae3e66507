"""How often a runner shows that it lives, and how long it may not."""

from types import SimpleNamespace

import pytest

import cloaca
from cloaca.engine.heartbeat import Heartbeat
from cloaca.runner.config import DefaultRunnerConfig


def test_a_runner_beats_every_ten_seconds_and_is_given_sixty():
    config = DefaultRunnerConfig()
    assert (config.heartbeat_seconds, config.lease_seconds) == (10, 60)
    assert config.to_dict()["lease_seconds"] == 60
    settings = config.engine_settings()
    assert (settings.heartbeat_seconds, settings.lease_seconds, settings.patrol_seconds) == (10, 60, 1.25)


def test_a_short_lease_is_looked_at_four_times():
    settings = DefaultRunnerConfig(lease_seconds=2, heartbeat_seconds=0.5).engine_settings()
    assert (settings.heartbeat_seconds, settings.lease_seconds, settings.patrol_seconds) == (0.5, 2, 0.5)


def test_both_are_given_in_any_order():
    one = DefaultRunnerConfig(lease_seconds=2, heartbeat_seconds=0.5)
    other = DefaultRunnerConfig(heartbeat_seconds=0.5, lease_seconds=2)
    assert one.to_dict() == other.to_dict()


@pytest.mark.parametrize("name", ["heartbeat_seconds", "lease_seconds"])
@pytest.mark.parametrize("value", [0, -1, "10", None, True, float("inf"), float("nan")])
def test_what_is_no_number_of_seconds_is_refused(name, value):
    with pytest.raises(cloaca.ConfigurationError, match=rf"{name}=.* must be a number of seconds above 0"):
        DefaultRunnerConfig(**{name: value})
    config = DefaultRunnerConfig()
    with pytest.raises(cloaca.ConfigurationError, match=rf"{name}=.* must be a number of seconds above 0"):
        setattr(config, name, value)
    assert config.to_dict() == DefaultRunnerConfig().to_dict()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lease_seconds": 5}, "lease_seconds=5 must be more than heartbeat_seconds=10.0"),
        ({"lease_seconds": 10}, "lease_seconds=10 must be more than heartbeat_seconds=10.0"),
        ({"heartbeat_seconds": 60}, "lease_seconds=60.0 must be more than heartbeat_seconds=60"),
        ({"heartbeat_seconds": 2, "lease_seconds": 1}, "lease_seconds=1 must be more than heartbeat_seconds=2"),
    ],
)  # fmt: skip
def test_a_lease_that_is_no_longer_than_a_heartbeat_is_refused_with_both(given, said):
    with pytest.raises(cloaca.ConfigurationError, match=said) as refused:
        DefaultRunnerConfig(**given)
    heartbeat = given.get("heartbeat_seconds", 10)
    assert str(refused.value).endswith(
        f"set both, with a lease of several heartbeats, such as {6 * heartbeat:g}"
    )


def test_a_setter_refuses_what_the_constructor_does_and_changes_nothing():
    config = DefaultRunnerConfig(heartbeat_seconds=1, lease_seconds=4)
    for name, value in (("heartbeat_seconds", 4), ("lease_seconds", 0.5)):
        with pytest.raises(cloaca.ConfigurationError, match="set both, with a lease"):
            setattr(config, name, value)
    assert (config.heartbeat_seconds, config.lease_seconds) == (1, 4)
    config.lease_seconds = 8
    config.heartbeat_seconds = 7
    assert (config.heartbeat_seconds, config.lease_seconds) == (7, 8)


def test_a_heartbeat_of_less_than_a_second_is_kept():
    now, beats = [0.0], []
    core = SimpleNamespace(
        clock=SimpleNamespace(monotonic=lambda: now[0]),
        settings=DefaultRunnerConfig(heartbeat_seconds=0.25, lease_seconds=1).engine_settings(),
        store=SimpleNamespace(beat=lambda: beats.append(now[0])),
        executors=SimpleNamespace(extend_lease=lambda until: None),
    )
    heartbeat = Heartbeat(core)
    for eighth in range(1, 9):
        now[0] = eighth / 8
        heartbeat.beat(now[0])
    assert beats == [0.25, 0.5, 0.75, 1.0]
