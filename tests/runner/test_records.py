import os
import threading
from datetime import UTC, datetime, timedelta

import pytest

import cloaca
from tests.world import SOON, workflow_of


@pytest.fixture
def began():
    return datetime.now(UTC)


def build_mixed():
    with cloaca.WorkflowBuilder("mixed") as builder:

        @cloaca.task
        def begin(context):
            context["owner"] = {"name": "begin", "since": 1}

        @cloaca.task(dependencies=[begin], retry_attempts=1, retry_delay_ms=0)
        def flaky(context, handle):
            if handle.attempt == 1:
                raise ConnectionError("no route")
            context["owner"]["name"] = "flaky"

        @cloaca.task(dependencies=[begin])
        def steady(context):
            context["owner"]["name"] = "steady"

        @cloaca.task(dependencies=[flaky, steady])
        def join(context):
            raise ValueError("no join")

        @cloaca.task(dependencies=[join])
        def never(context): ...

    return builder.build()


def test_a_record_holds_everything_that_is_stored(runner, began):
    workflow = build_mixed()
    result = runner.execute("mixed", {"given": 1})
    record = runner.get_execution(result.execution_id)

    assert record.execution_id == result.execution_id
    assert (record.workflow_name, record.workflow_version) == ("mixed", workflow.version)
    assert record.status is cloaca.Status.FAILED
    assert record.error_message == "task 'join' failed: ValueError: no join"
    assert record.waiting_for is None
    assert began <= record.created_at <= record.started_at <= record.finished_at <= datetime.now(UTC)
    assert record.context.data == {"given": 1, "owner": {"name": "steady", "since": 1}}
    assert record.conflicts == [cloaca.ConflictRecord(("owner", "name"), kept="steady", lost="flaky")]
    assert list(record.tasks) == ["begin", "flaky", "steady", "join", "never"]


def test_a_record_holds_every_attempt_of_every_task(runner):
    build_mixed()
    record = runner.get_execution(runner.execute("mixed").execution_id)

    flaky = record.tasks["flaky"]
    assert (flaky.id, flaky.status, flaky.reason, flaky.error) == ("flaky", "Completed", None, None)
    first, second = flaky.attempts
    assert (first.attempt, first.status, second.attempt, second.status) == (1, "Failed", 2, "Completed")
    assert (first.error.type, first.error.message, second.error) == ("ConnectionError", "no route", None)
    assert "in flaky" in first.error.traceback
    assert first.started_at <= first.finished_at <= second.started_at <= second.finished_at
    assert (flaky.started_at, flaky.finished_at) == (first.started_at, second.finished_at)

    join = record.tasks["join"]
    assert (join.status, join.error.type, join.error.message) == ("Failed", "ValueError", "no join")
    assert join.attempts[0].error == join.error

    never = record.tasks["never"]
    assert (never.status, never.reason) == ("Skipped", "upstream failed: 'join'")
    assert (never.attempts, never.started_at, never.error) == ([], None, None)


def test_a_record_is_the_same_in_the_next_runner(make_runner):
    build_mixed()
    first = make_runner()
    execution_id = first.execute("mixed").execution_id
    record = first.get_execution(execution_id)
    first.shutdown()
    assert make_runner().get_execution(execution_id) == record
    assert first.get_execution(execution_id) == record


def test_a_record_of_an_execution_that_runs_shows_how_far_it_is(runner):
    goes_on, inside = threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("waits"):

        @cloaca.task
        def first(context):
            context["first"] = True

        @cloaca.task(dependencies=[first])
        def second(context):
            inside.set()
            goes_on.wait(SOON)

        @cloaca.task(dependencies=[second])
        def third(context): ...

    handle = runner.start("waits")
    assert inside.wait(SOON)
    record = runner.get_execution(handle.execution_id)
    goes_on.set()
    assert (record.status, record.finished_at, record.error_message) == ("Running", None, None)
    assert record.context.data == {"first": True}
    assert [task.status for task in record.tasks.values()] == ["Completed", "Ready", "Pending"]
    assert handle.result(SOON).status == "Completed"


def test_a_body_that_lasts_is_shown_as_running(runner):
    goes_on, noted = threading.Event(), threading.Event()
    workflow_of("lasts", lambda context: goes_on.wait(SOON) and None, id="lasts")
    commit = runner._store.commit

    def watched(batch):
        answer = commit(batch)
        if batch.running:
            noted.set()
        return answer

    runner._store.commit = watched
    handle = runner.start("lasts")
    assert noted.wait(SOON)
    task = runner.get_execution(handle.execution_id).tasks["lasts"]
    goes_on.set()
    assert (task.status, task.attempts[0].status, task.attempts[0].finished_at) == (
        "Running",
        "Running",
        None,
    )


@pytest.mark.parametrize("read", ["get_execution", "get_history", "explain"])
def test_an_execution_that_is_deleted_while_it_is_read_is_not_found(make_runner, monkeypatch, read):
    runner, other = make_runner(), make_runner()
    workflow_of("w", lambda context: None, id="only")
    ended = runner.execute("w").execution_id
    store = runner._store
    read_attempts = store.read_attempts

    def later(execution_id):
        other.delete(ended)
        return read_attempts(execution_id)

    monkeypatch.setattr(store, "read_attempts", later)
    with pytest.raises(cloaca.ExecutionNotFoundError):
        getattr(runner, read)(ended)


def test_a_record_cannot_be_changed(runner):
    build_mixed()
    record = runner.get_execution(runner.execute("mixed").execution_id)
    with pytest.raises(AttributeError):
        record.status = "Completed"
    record.context["owner"] = None
    record.tasks.clear()
    assert runner.get_execution(record.execution_id).tasks


@pytest.mark.parametrize("error", [cloaca.ExecutionNotFoundError, ValueError, KeyError])
def test_an_execution_that_is_not_there_is_named_with_the_database(runner, error):
    with pytest.raises(
        error, match=r"execution 'absent' is not in (sqlite:////.*app.db|postgresql://.*): check the id"
    ):
        runner.get_execution("absent")


@pytest.fixture
def numbered(runner):
    """Twenty-five executions of two workflows, three of them failed, by number."""

    def number(context, *, n: int):
        if n % 10 == 0:
            raise ValueError(n)

    workflow_of("even", number)
    workflow_of("odd", number)
    handles = [runner.start(("even", "odd")[n % 2], {"n": n}) for n in range(25)]
    for handle in handles:
        handle.result(SOON)
    return [handle.execution_id for handle in handles]


def ids(summaries):
    return [summary.execution_id for summary in summaries]


def test_a_list_is_newest_first(runner, numbered):
    assert ids(runner.list_executions()) == numbered[::-1]


def test_a_list_is_filtered_by_workflow_and_status(runner, numbered):
    assert ids(runner.list_executions(workflow_name="odd")) == numbered[1::2][::-1]
    assert ids(runner.list_executions(status="Failed")) == [numbered[20], numbered[10], numbered[0]]
    assert ids(runner.list_executions(status=cloaca.Status.FAILED, limit=1)) == [numbered[20]]
    assert runner.list_executions(workflow_name="odd", status="Failed") == []
    assert runner.list_executions(workflow_name="unknown") == []


@pytest.mark.parametrize("filters", [{}, {"workflow_name": "even"}, {"status": "Completed"}])
def test_pages_cover_everything_once(runner, numbered, filters):
    pages, after = [], None
    while page := runner.list_executions(limit=4, after=after, **filters):
        pages.append(page)
        after = page[-1].execution_id
    assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)
    assert ids([summary for page in pages for summary in page]) == ids(runner.list_executions(**filters))


def test_a_page_does_not_shift_when_something_new_is_started(runner, numbered):
    first = runner.list_executions(limit=10)
    runner.execute("even", {"n": 2})
    second = runner.list_executions(limit=10, after=first[-1].execution_id)
    assert ids(second) == numbered[::-1][10:20]


def test_a_page_may_begin_after_an_execution_that_the_filter_leaves_out(runner, numbered):
    assert ids(runner.list_executions(workflow_name="odd", after=numbered[10]))[0] == numbered[9]


def test_fifty_are_listed_unless_told_otherwise(runner):
    workflow_of("many", lambda context: None, id="many")
    for handle in runner.start_many("many", [None] * 60):
        handle.result(SOON)
    assert (len(runner.list_executions()), len(runner.list_executions(limit=60))) == (50, 60)


def test_a_summary_has_what_a_record_has_but_tasks_and_context(runner, numbered):
    (summary,) = runner.list_executions(status="Failed", limit=1)
    record = runner.get_execution(summary.execution_id)
    assert type(summary) is cloaca.ExecutionSummary
    for field in summary.__dataclass_fields__:
        assert getattr(summary, field) == getattr(record, field)
    assert not hasattr(summary, "tasks")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 0}, "limit=0 must be a whole number from 1"),
        ({"limit": True}, "limit=True must be"),
        ({"limit": "5"}, "limit='5' must be"),
        ({"limit": 2**70}, r"limit=.* must be a whole number from 1"),
        (
            {"status": "Complete"},
            "status='Complete' is not a status of an execution: did you mean 'Completed'",
        ),
        ({"status": "completed"}, "did you mean 'Completed'"),
        ({"status": 7}, "status=7 is not a status of an execution: there are Pending, Running"),
        ({"status": []}, r"status=\[\] is not a status of an execution"),
        ({"workflow_name": 7}, "workflow_name=7 must be a str, or None for all"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused(runner, options, said):
    with pytest.raises(cloaca.ConfigurationError, match=said):
        runner.list_executions(**options)


def test_a_page_after_an_execution_that_is_not_there_is_refused(runner):
    with pytest.raises(cloaca.ExecutionNotFoundError, match=r"'absent' is not in .*: page after one that is"):
        runner.list_executions(after="absent")


@pytest.mark.parametrize("given", [None, 7, b"id", ["id"]])
def test_an_id_that_is_no_text_is_not_found(runner, given):
    with pytest.raises(cloaca.ExecutionNotFoundError, match="is not in"):
        runner.get_execution(given)
    if given is not None:
        with pytest.raises(cloaca.ExecutionNotFoundError, match="is not in"):
            runner.list_executions(after=given)


def test_reading_goes_on_after_the_end_of_a_runner(make_runner):
    workflow_of("many", lambda context: None, id="many")
    runner = make_runner()
    execution_id = runner.execute("many").execution_id
    runner.shutdown()
    assert ids(runner.list_executions()) == [execution_id]
    assert runner.get_execution(execution_id).status == "Completed"
    assert sorted(os.listdir()) in ([], ["app.db", "app.db-locks"])


def test_an_execution_that_nobody_runs_yet_says_so(make_runner):
    goes_on = threading.Event()
    workflow_of("gated", lambda context: goes_on.wait(SOON) and None, id="gated")
    runner = make_runner(window=1)
    one, two = runner.start_many("gated", [None, None])
    record = runner.get_execution(two.execution_id)
    assert (record.status, record.started_at, record.waiting_for) == (
        "Pending",
        None,
        "a runner with capacity",
    )
    assert two.status == "Pending"
    assert [task.status for task in record.tasks.values()] == ["Ready"]
    goes_on.set()
    assert one.result(SOON).status == two.result(SOON).status == "Completed"
    assert runner.get_execution(two.execution_id).started_at - record.created_at > timedelta()
