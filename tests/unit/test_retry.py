import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cloaca
from cloaca.authoring import registry
from cloaca.authoring.decorator import task
from cloaca.model.retry import BACKOFFS, BackoffStrategy, RetryCondition, RetryPolicy

POLICY = (
    "RetryPolicy(max_attempts=2, initial_delay=0.5, max_delay=9.0, backoff=BackoffStrategy.fixed(), "
    "condition=RetryCondition.never(), with_jitter=False)"
)
SAYS_ITSELF = [
    "BackoffStrategy.fixed()",
    "BackoffStrategy.linear(multiplier=2.5)",
    "BackoffStrategy.exponential(base=3.0, multiplier=1.0)",
    "RetryCondition.never()",
    "RetryCondition.all_errors()",
    "RetryCondition.transient_only()",
    "RetryCondition.error_pattern(['rate', 'quota'])",
    POLICY,
]


@pytest.fixture(autouse=True)
def fresh_registry():
    before = registry.use(registry.Registry())
    yield
    registry.use(before)


def body(context): ...


def retry_of(**options):
    return task(**options)(body).retry


def delays(policy, count=4):
    return [policy.calculate_delay(n) for n in range(1, count + 1)]


# -- delays ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (BackoffStrategy.fixed(), [0.25, 0.25, 0.25, 0.25]),
        (BackoffStrategy.linear(1.0), [0.25, 0.5, 0.75, 1.0]),
        (BackoffStrategy.linear(2.0), [0.5, 1.0, 1.5, 2.0]),
        (BackoffStrategy.exponential(2.0), [0.25, 0.5, 1.0, 2.0]),
        (BackoffStrategy.exponential(3.0, 2.0), [0.5, 1.5, 4.5, 13.5]),
        (BackoffStrategy.exponential(2.0, multiplier=None), [0.25, 0.5, 1.0, 2.0]),
    ],
)
def test_delays_grow_as_the_strategy_says(strategy, expected):
    assert delays(RetryPolicy(3, initial_delay=0.25, backoff=strategy)) == expected


def test_a_delay_doubles_by_default():
    assert delays(RetryPolicy.default()) == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("strategy", [BackoffStrategy.linear(), BackoffStrategy.exponential(2.0, 1e9)])
def test_no_delay_exceeds_the_cap_however_many_attempts_there_were(strategy):
    policy = RetryPolicy(3, backoff=strategy, max_delay=5)
    assert [policy.calculate_delay(n) for n in (10, 10**30, 10**400)] == [5.0, 5.0, 5.0]


def test_a_delay_of_zero_stays_zero():
    policy = RetryPolicy(3, initial_delay=0)
    assert [policy.calculate_delay(n) for n in (1, 2, 10**400)] == [0.0, 0.0, 0.0]
    assert policy.delay_of(1, execution_id="e", task="t") == 0.0


def test_a_first_delay_above_the_usual_cap_is_kept_unless_a_cap_is_given():
    assert RetryPolicy(initial_delay=60).calculate_delay(1) == 60.0
    assert RetryPolicy(initial_delay=60, max_delay=45).calculate_delay(1) == 45.0


@pytest.mark.parametrize("attempt", [0, -1, -(10**400)])
def test_attempts_count_from_one(attempt):
    with pytest.raises(ValueError, match="attempts count from 1"):
        RetryPolicy(3).calculate_delay(attempt)


attempts = st.integers(1, 60)
policies = st.builds(
    RetryPolicy,
    initial_delay=st.floats(0, 100),
    max_delay=st.floats(0, 100),
    backoff=st.sampled_from(BACKOFFS).map(BackoffStrategy),
)


@given(policies, attempts, st.uuids(), st.sampled_from(["a", "b"]))
def test_jitter_moves_a_delay_by_up_to_a_quarter_and_never_above_the_cap(policy, attempt, execution, name):
    plain = policy.calculate_delay(attempt)
    moved = policy.delay_of(attempt, execution_id=str(execution), task=name)
    assert plain * 0.75 <= moved * (1 + 1e-9)
    assert moved <= min(plain * 1.25 * (1 + 1e-9), policy.max_delay)
    assert moved == policy.delay_of(attempt, execution_id=str(execution), task=name)


def test_jitter_is_the_same_in_every_process():
    policy = RetryPolicy(3, initial_delay=8)
    assert policy.delay_of(2, execution_id="019aaf1c", task="load") == pytest.approx(17.65005216)


def test_jitter_spreads_over_the_whole_range():
    policy = RetryPolicy(3, initial_delay=1)
    found = [policy.delay_of(1, execution_id=f"e{n}", task="t") for n in range(400)]
    tenths = {int((delay - 0.75) / 0.05) for delay in found}
    assert tenths == set(range(10))
    assert abs(sum(found) / 400 - 1) < 0.03


def test_execution_task_and_attempt_each_change_the_jitter():
    policy = RetryPolicy(3, initial_delay=8, backoff=BackoffStrategy.fixed())
    asked = [(1, "e", "t"), (2, "e", "t"), (1, "f", "t"), (1, "e", "u")]
    assert len({policy.delay_of(n, execution_id=e, task=t) for n, e, t in asked}) == 4


def test_without_jitter_a_delay_is_what_it_says():
    policy = RetryPolicy(3, with_jitter=False)
    assert policy.delay_of(3, execution_id="e", task="t") == 4.0


# -- conditions --------------------------------------------------------------------------------------------------------

TRANSIENT = [
    "timeout", "connection", "network", "temporary", "unavailable", "busy", "overloaded", "rate limit"
]  # fmt: skip


@pytest.mark.parametrize("word", TRANSIENT)
def test_what_time_may_mend_is_transient_whatever_its_case(word):
    condition = RetryCondition.transient_only()
    assert condition.matches(f"RuntimeError: the {word} was bad")
    assert condition.matches(f"RuntimeError: THE {word.upper()}")


@pytest.mark.parametrize(
    ("condition", "matched"),
    [
        (RetryCondition.never(), []),
        (RetryCondition.all_errors(), ["ValueError: no", "OSError: Quota reached", "TimeoutError", ""]),
        (RetryCondition.transient_only(), ["TimeoutError"]),
        (RetryCondition.error_pattern(["QUOTA", "valueerror"]), ["ValueError: no", "OSError: Quota reached"]),
    ],
)
def test_a_condition_matches_what_its_name_says(condition, matched):
    errors = ["ValueError: no", "OSError: Quota reached", "TimeoutError", ""]
    assert [error for error in errors if condition.matches(error)] == matched


@pytest.mark.parametrize("given", [[], None, "timeout", [""], [" "], ["a", 3], {"a"}])
def test_a_pattern_that_cannot_be_is_refused(given):
    with pytest.raises(cloaca.TaskValidationError, match="error_pattern takes a list of texts"):
        RetryCondition.error_pattern(given)


@pytest.mark.parametrize(("attempt", "expected"), [(0, True), (1, True), (2, True), (3, False), (4, False)])
def test_there_is_another_retry_while_there_were_fewer_than_max_attempts(attempt, expected):
    assert RetryPolicy(3).should_retry(attempt, "ValueError") is expected


def test_an_error_that_the_condition_does_not_match_is_not_retried():
    policy = RetryPolicy(3, condition=RetryCondition.transient_only())
    assert policy.should_retry(0, "TimeoutError")
    assert not policy.should_retry(0, "ValueError")


# -- value objects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", SAYS_ITSELF)
def test_a_value_is_shown_as_what_makes_it(text):
    value = eval(text, vars(cloaca))
    assert repr(value) == text
    assert value == eval(text, vars(cloaca))
    assert hash(value) == hash(eval(text, vars(cloaca)))
    assert value not in [eval(other, vars(cloaca)) for other in SAYS_ITSELF if other != text]


@pytest.mark.parametrize("text", SAYS_ITSELF)
def test_a_value_cannot_be_changed_and_is_copied_and_pickled(text):
    value = eval(text, vars(cloaca))
    for name in value._names:
        with pytest.raises(AttributeError, match="cannot be set: make another"):
            setattr(value, name, 4)
        with pytest.raises(AttributeError, match="cannot be deleted"):
            delattr(value, name)
    assert copy.copy(value) is copy.deepcopy(value) is value
    assert pickle.loads(pickle.dumps(value)) == value


def test_the_default_is_three_retries_of_every_error_with_jitter():
    policy = RetryPolicy.default()
    shown = policy.max_attempts, policy.initial_delay, policy.max_delay, policy.with_jitter
    assert shown == (3, 1.0, 30.0, True)
    assert policy.condition == RetryCondition.all_errors()
    assert policy == RetryPolicy() == RetryPolicy.builder().build()


def test_a_builder_makes_a_policy_of_what_it_was_told():
    policy = (
        cloaca.RetryPolicyBuilder()
        .max_attempts(5)
        .initial_delay(0.25)
        .max_delay(10)
        .backoff_strategy(BackoffStrategy.exponential(2.0))
        .retry_condition(RetryCondition.transient_only())
        .with_jitter(True)
        .build()
    )
    assert policy == RetryPolicy(
        5, initial_delay=0.25, max_delay=10.0, condition=RetryCondition.transient_only(), with_jitter=True
    )
    assert policy.calculate_delay(2) > policy.calculate_delay(1)
    assert repr(policy).startswith("RetryPolicy(")


def test_a_builder_is_left_as_it_is_by_its_methods():
    first = RetryPolicy.builder()
    second = first.max_attempts(7)
    assert (first.build().max_attempts, second.build().max_attempts) == (3, 7)
    assert "max_attempts=7" in repr(second)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("max_attempts", -1),
        ("max_attempts", 1.5),
        ("max_attempts", True),
        ("initial_delay", -0.1),
        ("initial_delay", float("nan")),
        ("initial_delay", "1"),
        ("max_delay", float("inf")),
        ("backoff_strategy", "fixed"),
        ("backoff_strategy", None.__class__),
        ("retry_condition", "never"),
        ("with_jitter", 1),
    ],
)
def test_a_builder_refuses_what_cannot_be_at_once(method, value):
    with pytest.raises(cloaca.TaskValidationError, match=f"^{method} must be"):
        getattr(RetryPolicy.builder(), method)(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BackoffStrategy.linear(0),
        lambda: BackoffStrategy.linear(float("nan")),
        lambda: BackoffStrategy.exponential(-2.0),
        lambda: BackoffStrategy.exponential(2.0, True),
        lambda: BackoffStrategy.exponential("2"),
        lambda: BackoffStrategy("quadratic"),
    ],
)
def test_a_backoff_that_cannot_be_is_refused(make):
    with pytest.raises(ValueError, match=r"of a backoff must be a number above 0|a backoff is one of"):
        make()


# -- the options of a task ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"retry_attempts": 0}, RetryPolicy(0)),
        ({"retry_attempts": 5}, RetryPolicy(5)),
        ({"retry_backoff": "fixed"}, RetryPolicy(3, backoff=BackoffStrategy.fixed())),
        ({"retry_backoff": "linear"}, RetryPolicy(3, backoff=BackoffStrategy.linear(1.0))),
        ({"retry_backoff": "exponential"}, RetryPolicy(3)),
        ({"retry_delay_ms": 250}, RetryPolicy(3, initial_delay=0.25)),
        ({"retry_delay_ms": 60_000}, RetryPolicy(3, initial_delay=60, max_delay=60)),
        ({"retry_max_delay_ms": 1500}, RetryPolicy(3, max_delay=1.5)),
        ({"retry_jitter": False}, RetryPolicy(3, with_jitter=False)),
        ({"retry_jitter": True}, RetryPolicy(3)),
        ({"retry_condition": "all"}, RetryPolicy(3)),
        ({"retry_condition": "never"}, RetryPolicy(3, condition=RetryCondition.never())),
        ({"retry_condition": " Transient "}, RetryPolicy(3, condition=RetryCondition.transient_only())),
        (
            {"retry_condition": "rate limit, QUOTA,"},
            RetryPolicy(3, condition=RetryCondition.error_pattern(["rate limit", "quota"])),
        ),
        ({"retry": RetryPolicy(9)}, RetryPolicy(9)),
        ({"retry_policy": {}}, RetryPolicy(3)),
        (
            {
                "retry_policy": {
                    "max_attempts": 4,
                    "retry_delay_seconds": 0.5,
                    "exponential_backoff": False,
                    "max_delay_seconds": 7,
                }
            },
            RetryPolicy(4, initial_delay=0.5, max_delay=7, backoff=BackoffStrategy.fixed()),
        ),
        ({"retry_policy": {"exponential_backoff": True}}, RetryPolicy(3)),
        ({}, None),
    ],
)
def test_every_retry_option_is_part_of_one_policy(options, expected):
    assert retry_of(**options) == expected


RETRY_OPTIONS = {
    "retry_attempts": 1,
    "retry_backoff": "fixed",
    "retry_delay_ms": 1,
    "retry_max_delay_ms": 1,
    "retry_condition": "all",
    "retry_jitter": False,
}


@pytest.mark.parametrize("option", [*RETRY_OPTIONS, "retry_policy"])
def test_a_policy_excludes_every_other_retry_option(option):
    with pytest.raises(ValueError, match=f"{option}.*not both"):
        task(retry=RetryPolicy(), **{option: RETRY_OPTIONS.get(option, {})})


@pytest.mark.parametrize("option", RETRY_OPTIONS)
def test_a_dict_of_a_policy_excludes_every_option_that_says_the_same(option):
    with pytest.raises(ValueError, match=f"{option}.*not both"):
        task(retry_policy={"max_attempts": 1}, **{option: RETRY_OPTIONS[option]})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retry": 3}, "retry must be a RetryPolicy, not 3"),
        ({"retry": RetryPolicy.builder()}, r"call build\(\)"),
        ({"retry_max_delay_ms": -1}, "retry_max_delay_ms must be an int from 0"),
        ({"retry_jitter": 1}, "retry_jitter must be True or False"),
        ({"retry_condition": ""}, "retry_condition must be 'never', 'transient', 'all', or texts"),
        ({"retry_condition": " , "}, "retry_condition must be"),
        ({"retry_condition": "transient,quota"}, "retry_condition must be"),
        ({"retry_condition": ["quota"]}, "retry_condition must be"),
        ({"retry_backoff": "quadratic"}, "retry_backoff must be one of fixed, linear, exponential"),
        ({"retry_policy": RetryPolicy()}, r"a RetryPolicy is given as retry=\.\.\."),
        ({"retry_policy": {"max_attemps": 3}}, "no 'max_attemps': did you mean 'max_attempts'"),
        ({"retry_policy": {3: 3}}, "no 3: there are max_attempts, "),
        ({"retry_policy": {"max_attempts": "3"}}, "max_attempts of retry_policy must be an int"),
        ({"retry_policy": {"retry_delay_seconds": -1}}, "retry_delay_seconds of retry_policy must be a number"),
        ({"retry_policy": {"max_delay_seconds": None, "exponential_backoff": 1}}, "must be True or False"),
    ],
)  # fmt: skip
def test_a_retry_option_that_cannot_be_is_refused_where_it_is_written(options, said):
    with pytest.raises(cloaca.TaskValidationError, match=said):
        task(**options)
