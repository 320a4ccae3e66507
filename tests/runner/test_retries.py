import threading
from datetime import timedelta
from itertools import pairwise

import pytest

import cloaca
from tests.world import SOON, workflow_of


def failing(times):
    """A body that fails so many times, then leaves the number of its attempt."""

    def body(context, handle):
        if handle.attempt <= times:
            raise ConnectionError(f"attempt {handle.attempt}")
        context["attempt"] = handle.attempt

    return body


def test_a_task_that_says_nothing_is_run_once(runner):
    workflow_of("w", failing(1), id="call")
    result = runner.execute("w")
    assert (result.status, len(result.tasks["call"].attempts)) == ("Failed", 1)


@pytest.mark.parametrize(
    ("retries", "fails", "status", "attempts"),
    [(2, 2, "Completed", 3), (2, 3, "Failed", 3), (0, 1, "Failed", 1), (1, 0, "Completed", 1)],
)
def test_retries_are_what_follows_the_first_run(runner, retries, fails, status, attempts):
    workflow_of("w", failing(fails), id="call", retry_attempts=retries, retry_delay_ms=0)
    result = runner.execute("w")
    assert (result.status, len(result.tasks["call"].attempts)) == (status, attempts)


def test_another_retry_option_alone_means_three_retries(runner):
    workflow_of("w", failing(9), id="call", retry_delay_ms=0)
    assert len(runner.execute("w").tasks["call"].attempts) == 4


def test_the_runners_default_is_for_tasks_that_say_nothing(make_runner):
    runner = make_runner(retry_attempts=1)
    with cloaca.WorkflowBuilder("w"):
        cloaca.task(id="silent")(failing(9))
        cloaca.task(id="never", retry_attempts=0)(failing(9))
    tasks = runner.execute("w").tasks
    assert (len(tasks["silent"].attempts), len(tasks["never"].attempts)) == (2, 1)


def test_each_attempt_is_on_record_with_its_own_error(runner):
    workflow_of("w", failing(2), id="call", retry_attempts=2, retry_delay_ms=0)
    attempts = runner.execute("w").tasks["call"].attempts
    assert [(a.attempt, a.status, a.error and a.error.message) for a in attempts] == [
        (1, "Failed", "attempt 1"),
        (2, "Failed", "attempt 2"),
        (3, "Completed", None),
    ]


@pytest.mark.parametrize(
    ("backoff", "delays"), [("fixed", (20, 20, 20)), ("linear", (20, 40, 60)), ("exponential", (20, 40, 80))]
)
def test_delays_grow_as_the_backoff_says(runner, backoff, delays):
    workflow_of(
        "w",
        failing(3),
        id="call",
        retry_attempts=3,
        retry_delay_ms=20,
        retry_backoff=backoff,
        retry_jitter=False,
    )
    attempts = runner.execute("w").tasks["call"].attempts
    waited = [after.started_at - before.finished_at for before, after in pairwise(attempts)]
    assert all(wait >= timedelta(milliseconds=least) for wait, least in zip(waited, delays, strict=True)), (
        waited
    )


def test_a_failed_attempt_leaves_nothing_to_the_next(runner):
    def clean(context, handle):
        assert "half" not in context
        context["half"] = handle.attempt
        if handle.attempt == 1:
            raise ValueError("half-way")

    workflow_of("w", clean, retry_attempts=1, retry_delay_ms=0)
    assert runner.execute("w").final_context.data == {"half": 2}


def test_a_wait_for_a_retry_is_in_the_database_and_holds_no_slot(make_runner):
    runner = make_runner(max_concurrent_tasks=1)
    failed = threading.Event()

    def flaky(context, handle):
        if handle.attempt == 1:
            failed.set()
            raise ValueError("later")

    workflow_of("w", flaky, retry_attempts=1, retry_delay_ms=60_000)
    workflow_of("other", lambda context: None, id="other")
    handle = runner.start("w")
    assert failed.wait(SOON)
    assert runner.execute("other").status == "Completed"
    task = runner.get_execution(handle.execution_id).tasks["flaky"]
    assert task.status == "Pending"
    assert task.reason.startswith("retry due at ")
    assert [attempt.status for attempt in task.attempts] == ["Failed"]
    assert handle.status == "Running"


def test_a_wait_for_a_retry_goes_on_in_the_next_runner_with_its_time(make_runner):
    first = make_runner()
    workflow_of("w", failing(1), id="call", retry_attempts=1, retry_delay_ms=300, retry_jitter=False)
    handle = first.start("w")
    workflow_of("other", lambda context: None, id="other")
    first.execute("other")
    first.shutdown()
    result = make_runner().get_handle(handle.execution_id).result(SOON)
    one, two = result.tasks["call"].attempts
    assert (result.status, result["attempt"]) == ("Completed", 2)
    assert two.started_at - one.finished_at >= timedelta(milliseconds=300)


def test_dependents_wait_for_the_last_attempt(runner):
    with cloaca.WorkflowBuilder("w"):
        call = cloaca.task(id="call", retry_attempts=1, retry_delay_ms=0)(failing(1))
        cloaca.task(id="use", dependencies=[call])(lambda context: context.set("seen", context["attempt"]))
    assert runner.execute("w")["seen"] == 2


def test_async_bodies_are_retried_too(runner):
    async def call(context, handle):
        if handle.attempt < 3:
            raise ConnectionError("no route")
        context["attempt"] = handle.attempt

    workflow_of("w", call, retry_attempts=2, retry_delay_ms=0)
    assert runner.execute("w")["attempt"] == 3


def test_a_delay_has_its_jitter_unless_the_task_says_otherwise(runner):
    policy = cloaca.RetryPolicy.builder().max_attempts(3).initial_delay(0.04).build()
    assert policy.with_jitter
    workflow_of("w", failing(3), id="call", retry=policy)
    result = runner.execute("w")
    waited = [
        after.started_at - before.finished_at for before, after in pairwise(result.tasks["call"].attempts)
    ]
    for number, wait in enumerate(waited, 1):
        least = policy.delay_of(number, execution_id=result.execution_id, task="call")
        assert wait >= timedelta(seconds=least) - timedelta(microseconds=2), (number, wait, least)


def refused(context, handle):
    if handle.attempt <= 2:
        raise RuntimeError("connection refused by host")


@pytest.mark.parametrize(
    ("condition", "status", "attempts"),
    [
        ("all", "Completed", 3),
        ("transient", "Completed", 3),
        ("never", "Failed", 1),
        ("quota, REFUSED BY", "Completed", 3),
        ("runtimeerror", "Completed", 3),
        ("quota,disk", "Failed", 1),
    ],
)
def test_only_errors_that_the_condition_matches_are_retried(runner, condition, status, attempts):
    workflow_of("w", refused, id="call", retry_attempts=5, retry_delay_ms=0, retry_condition=condition)
    result = runner.execute("w")
    assert (result.status, len(result.tasks["call"].attempts)) == (status, attempts)


def test_a_time_out_is_transient(runner):
    waits = threading.Event()

    def slow(context, handle):
        if handle.attempt == 1:
            waits.wait(SOON)

    workflow_of(
        "w", slow, timeout_seconds=0.05, retry_attempts=1, retry_delay_ms=0, retry_condition="transient"
    )
    result = runner.execute("w")
    waits.set()
    assert [attempt.status for attempt in result.tasks["slow"].attempts] == ["Failed", "Completed"]


@pytest.mark.parametrize(
    "options",
    [
        {"retry": cloaca.RetryPolicy(2, initial_delay=0)},
        {"retry_policy": {"max_attempts": 2, "retry_delay_seconds": 0}},
        {"retry_attempts": 2, "retry_delay_ms": 0},
        {"retry_attempts": 2, "retry_max_delay_ms": 0},
    ],
)
def test_every_way_to_say_it_leads_to_the_same_runs(runner, options):
    workflow_of("w", failing(9), id="call", **options)
    assert len(runner.execute("w").tasks["call"].attempts) == 3
