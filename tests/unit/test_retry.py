import dataclasses

import pytest

from cloaca.model.retry import RetryPolicy


def delays(policy, count=4):
    return [policy.delay_seconds(n) for n in range(1, count + 1)]


def test_a_fixed_delay_stays():
    assert delays(RetryPolicy(3, delay_ms=250, backoff="fixed")) == [0.25] * 4


def test_a_linear_delay_grows_by_itself():
    assert delays(RetryPolicy(3, delay_ms=250, backoff="linear")) == [0.25, 0.5, 0.75, 1.0]


def test_an_exponential_delay_doubles_and_is_the_default():
    assert delays(RetryPolicy(3)) == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("backoff", ["linear", "exponential"])
def test_no_delay_exceeds_the_cap_however_many_attempts_there_were(backoff):
    policy = RetryPolicy(3, backoff=backoff, max_delay_ms=5000)
    assert policy.delay_seconds(10) == 5.0
    assert policy.delay_seconds(10**30) == 5.0


def test_a_delay_of_zero_stays_zero():
    assert delays(RetryPolicy(3, delay_ms=0)) == [0.0] * 4


def test_attempts_count_from_one():
    with pytest.raises(ValueError, match="attempts count from 1"):
        RetryPolicy(3).delay_seconds(0)


def test_a_policy_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RetryPolicy(3).attempts = 4
