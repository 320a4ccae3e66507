"""Declared inputs, wherever an execution is started."""

import asyncio
import contextlib
import sqlite3

import pytest

import cloaca
from tests.anywhere import impatience  # noqa: F401 - a fixture
from tests.world import SOON

REFUSED = "workflow 'report' cannot start with this input: 'limit' must be int: Expected `int`, got `str`"
WRONG = {"region": "north", "limit": "5"}
RIGHT = {"region": "north"}


@pytest.fixture
def report():
    with cloaca.WorkflowBuilder("report") as builder:

        @cloaca.workflow_params(region=str, limit=(int, 10))
        @cloaca.task
        def select(context, *, limit: int):
            context["selected"] = limit

    return builder.build()


def started(runner, way, context):
    """The result of an execution that is started in one of all ways."""
    match way:
        case "execute":
            return runner.execute("report", context)
        case "start":
            return runner.start("report", context).result(SOON)
        case "start_many":
            return runner.start_many("report", [RIGHT, context])[1].result(SOON)
        case "execute_async":
            return asyncio.run(runner.execute_async("report", context))
        case "start_async":

            async def main():
                return await (await runner.start_async("report", context))

            return asyncio.run(main())


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize("way", ["execute", "start", "start_many", "execute_async", "start_async"])
def test_an_input_is_checked_and_filled_in_however_it_is_given(runner, way):
    with pytest.raises(cloaca.WorkflowValidationError) as refused:
        started(runner, way, WRONG)
    assert str(refused.value) == REFUSED
    assert runner.list_executions() == []
    result = started(runner, way, RIGHT)
    assert result.final_context.data == {"region": "north", "limit": 10, "selected": 10}


@pytest.mark.usefixtures("report", "impatience")
def test_a_start_in_the_callers_transaction_is_checked_too():
    with (
        cloaca.DefaultRunner("sqlite:///app.db") as runner,
        contextlib.closing(sqlite3.connect("app.db")) as connection,
    ):
        with pytest.raises(cloaca.WorkflowValidationError, match="must be int"):
            runner.start("report", WRONG, connection=connection)
        handle = runner.start("report", RIGHT, connection=connection)
        connection.commit()
        assert handle.result(SOON)["limit"] == 10


@pytest.mark.usefixtures("report")
def test_an_input_with_the_defaults_written_out_is_the_same_input(runner):
    one = runner.start("report", RIGHT, idempotency_key="k")
    assert runner.start("report", RIGHT | {"limit": 10}, idempotency_key="k").execution_id == one.execution_id
    with pytest.raises(cloaca.IdempotencyError, match="which has another input"):
        runner.start("report", RIGHT | {"limit": 11}, idempotency_key="k")


def test_the_stored_input_keeps_the_default_that_was_declared_when_it_was_started(make_runner, report):
    runner = make_runner()
    execution_id = runner.start("report", RIGHT, idempotency_key="k").execution_id
    runner.shutdown()
    with cloaca.WorkflowBuilder("report"):

        @cloaca.workflow_params(region=str, limit=(int, 99))
        @cloaca.task
        def select(context): ...

    assert make_runner().get_handle(execution_id).result(SOON)["limit"] == 10


def test_a_built_workflow_under_another_name_is_checked_under_that_name(runner, report):
    cloaca.register_workflow_constructor("yearly", lambda: report)
    with pytest.raises(cloaca.WorkflowValidationError, match="workflow 'yearly' cannot start"):
        runner.execute("yearly", WRONG)
    assert runner.execute(report, RIGHT)["limit"] == 10


@pytest.mark.usefixtures("impatience")
def test_a_client_checks_what_it_has_the_workflow_of(make_runner, database_url, report):
    with cloaca.Client(database_url) as client:
        with pytest.raises(cloaca.WorkflowValidationError, match="must be int"):
            client.start(report, WRONG)
        with pytest.raises(cloaca.WorkflowValidationError, match="must be int"):
            client.start_many(report, [RIGHT, WRONG])
        checked, unchecked = client.start(report, RIGHT), client.start("report", WRONG)
        runner = make_runner()
        assert runner.get_handle(checked.execution_id).result(SOON)["selected"] == 10
        result = runner.get_handle(unchecked.execution_id).result(SOON)
        assert "task 'select' needs 'limit' as int: Expected `int`, got `str`" in result.error_message


@pytest.mark.usefixtures("report")
def test_a_body_that_starts_one_wrongly_fails_with_that(runner):
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def parent(context):
            runner.execute("report", WRONG)

    assert REFUSED in runner.execute("parent").error_message


def test_a_value_is_checked_as_it_is_stored(make_runner):
    with cloaca.WorkflowBuilder("encoded"):

        @cloaca.workflow_params(tags=list[str])
        @cloaca.task
        def show(context): ...

    runner = make_runner(encoders={set: sorted})
    assert runner.execute("encoded", {"tags": {"b", "a"}})["tags"] == ["a", "b"]
    with pytest.raises(cloaca.WorkflowValidationError, match=r"got `int` - at `\$\[0\]`"):
        runner.execute("encoded", cloaca.Context({"tags": [1]}))


@pytest.mark.usefixtures("report")
def test_a_schedule_is_registered_with_an_input_that_its_workflow_takes(runner):
    with pytest.raises(cloaca.WorkflowValidationError, match="'region', str, is missing"):
        runner.register_cron_workflow("report", "0 3 * * *", "UTC")
    with pytest.raises(cloaca.WorkflowValidationError, match="must be int"):
        runner.register_workflow_instance("report", "north", "0 3 * * *", "UTC", cloaca.Context(WRONG))
    assert runner.list_cron_schedules() == []
    schedule = runner.register_workflow_instance("report", "north", "0 3 * * *", "UTC", cloaca.Context(RIGHT))
    assert runner.get_cron_schedule(schedule)["params"] == RIGHT | {"limit": 10}
    assert runner.register_cron_workflow("not registered here", "0 3 * * *", "UTC")
