"""Schedules as runners and clients offer them: names, dicts, messages, and fires in real time."""

import inspect
import logging
import queue
import threading
from datetime import UTC, datetime, timedelta

import pytest

import cloaca
from cloaca.authoring import registry
from tests.world import SOON, workflow_of

NOBODY = "00000000-0000-7000-8000-000000000000"


def body(context):
    context["ran"] = True


@pytest.fixture
def scheduled(runner):
    """A runner, and the id of a schedule on it that is not due for long."""
    workflow_of("report", body)
    return runner, runner.register_cron_workflow("report", "0 0 1 1 *", "Europe/Berlin")


@pytest.fixture
def ran():
    """The contexts in which workflow ``report`` ran, each as it began."""
    contexts = queue.Queue()

    def reports(context):
        contexts.put(context.to_dict())
        context["ran"] = True

    workflow_of("report", reports)
    return contexts


def threads():
    return {thread.name for thread in threading.enumerate()}


# -- what is registered -------------------------------------------------------------------------------------------------


def test_a_schedule_is_shown_as_it_was_registered(scheduled):
    runner, id = scheduled
    shown = runner.get_cron_schedule(id)
    assert runner.list_cron_schedules() == runner.list_cron_schedules(None, None, None) == [shown]
    now = datetime.now(UTC)
    assert abs(datetime.fromisoformat(shown.pop("created_at")) - now) < timedelta(seconds=SOON)
    assert abs(datetime.fromisoformat(shown.pop("updated_at")) - now) < timedelta(seconds=SOON)
    assert shown == {
        "id": id,
        "workflow_name": "report",
        "instance_name": None,
        "cron_expression": "0 0 1 1 *",
        "timezone": "Europe/Berlin",
        "enabled": True,
        "catchup_policy": "skip",
        "max_missed_runs": None,
        "params": {},
        "next_run_at": f"{now.year}-12-31T23:00:00+00:00",
        "last_run_at": None,
    }


def test_schedules_are_listed_in_pages(runner):
    ids = [runner.register_cron_workflow(f"w{number}", "@daily", "UTC") for number in range(5)]
    assert [shown["id"] for shown in runner.list_cron_schedules()] == ids
    assert [shown["id"] for shown in runner.list_cron_schedules(None, 2, 1)] == ids[1:3]
    assert runner.list_cron_schedules(limit=0) == []
    runner.set_cron_schedule_enabled(ids[1], False)
    assert [shown["id"] for shown in runner.list_cron_schedules(True)] == [ids[0], *ids[2:]]
    for page in ({"limit": -1}, {"offset": 1.5}, {"limit": True}, {"offset": 2**31}):
        with pytest.raises(cloaca.ScheduleError, match="must be a whole number from 0"):
            runner.list_cron_schedules(**page)


def test_a_schedule_is_changed_disabled_and_deleted(scheduled):
    runner, id = scheduled
    runner.update_cron_schedule(id, "0 12 * * *", "UTC")
    shown = runner.get_cron_schedule(id)
    assert (shown["cron_expression"], shown["timezone"]) == ("0 12 * * *", "UTC")
    assert shown["next_run_at"][10:] == "T12:00:00+00:00"
    runner.set_cron_schedule_enabled(id, False)
    assert runner.get_cron_schedule(id)["enabled"] is False
    runner.set_cron_schedule_enabled(id, True)
    assert runner.get_cron_schedule(id)["enabled"] is True
    runner.delete_cron_schedule(id)
    with pytest.raises(ValueError, match="Failed to get cron schedule"):
        runner.get_cron_schedule(id)
    assert runner.list_cron_schedules() == []
    assert runner.get_cron_execution_history(id) == []


MISSING = {
    "Failed to get cron schedule": lambda runner, of: runner.get_cron_schedule(of),
    "Failed to update cron schedule": lambda runner, of: runner.update_cron_schedule(of, "@daily", "UTC"),
    "Failed to update cron schedule:": lambda runner, of: runner.set_cron_schedule_enabled(of, False),
    "Failed to delete cron schedule": lambda runner, of: runner.delete_cron_schedule(of),
}


@pytest.mark.parametrize("message", MISSING)
def test_a_schedule_that_does_not_exist_is_said_so(runner, message):
    with pytest.raises(ValueError, match=message):
        MISSING[message](runner, NOBODY)
    for malformed in ("x", "", None, 7, "\0", "\ud800", NOBODY + "0", "é" * 9999):
        with pytest.raises(ValueError, match="Invalid schedule ID") as refused:
            MISSING[message](runner, malformed)
        assert message in str(refused.value)
        assert len(str(refused.value)) < 300


def test_what_cannot_be_a_schedule_is_refused(scheduled):
    runner, id = scheduled
    for change in (runner.register_cron_workflow, runner.update_cron_schedule):
        with pytest.raises(ValueError, match="Invalid cron expression 'every day'"):
            change("report" if change == runner.register_cron_workflow else id, "every day", "UTC")
        with pytest.raises(
            ValueError, match=r"Invalid timezone 'Europe/Berln': did you mean 'Europe/Berlin'\?"
        ):
            change("report" if change == runner.register_cron_workflow else id, "@daily", "Europe/Berln")
        with pytest.raises(
            ValueError, match="catchup_policy='al' is not a catch-up policy: did you mean 'all'"
        ):
            change(
                "report" if change == runner.register_cron_workflow else id,
                "@daily",
                "UTC",
                catchup_policy="al",
            )
    with pytest.raises(cloaca.WorkflowValidationError, match="name cannot be empty"):
        runner.register_cron_workflow("", "@daily", "UTC")
    with pytest.raises(cloaca.ScheduleError, match="enabled='no' must be True or False"):
        runner.set_cron_schedule_enabled(id, "no")


def test_a_schedule_of_a_workflow_that_is_not_registered_here_is_warned_of(runner, caplog):
    workflow_of("nightly", body)
    runner.register_cron_workflow("nightly", "@daily", "UTC")
    runner.register_cron_workflow("nigthly", "@daily", "UTC")
    [warned] = [said for said in map(logging.LogRecord.getMessage, caplog.records) if "a schedule" in said]
    assert warned == (
        "a schedule fires only where its workflow is registered, and here workflow 'nigthly' is not registered: did you mean "
        "'nightly'?"
    )


def test_an_instance_has_a_name_and_a_context_of_its_own(runner):
    id = runner.register_workflow_instance(
        "report", "north", "@daily", "UTC", cloaca.Context({"region": "n", "limit": 3})
    )
    shown = runner.get_cron_schedule(id)
    assert (shown["instance_name"], shown["params"]) == ("north", {"region": "n", "limit": 3})
    runner.register_workflow_instance("report", "south", "@daily", "UTC", {"region": "s"})
    runner.register_workflow_instance("other", "north", "@daily", "UTC")
    with pytest.raises(cloaca.ScheduleError, match="workflow 'report' has an instance 'north' already"):
        runner.register_workflow_instance("report", "north", "@hourly", "UTC", {})
    with pytest.raises(cloaca.ScheduleError, match="holds 'schedule_id', which every fire sets itself"):
        runner.register_workflow_instance("report", "east", "@daily", "UTC", {"schedule_id": 1})
    with pytest.raises(TypeError, match="region"):
        runner.register_workflow_instance("report", "east", "@daily", "UTC", {"region": {1}})
    for name, why in (("", "the instance's name cannot be empty"), (None, "must be a str, not None")):
        with pytest.raises(cloaca.WorkflowValidationError, match=why):
            runner.register_workflow_instance("report", name, "@daily", "UTC")


def test_a_schedule_may_be_given_as_a_value(runner):
    schedule = cloaca.CronSchedule(
        "report",
        "0 9 * * MON-FRI",
        "Europe/Berlin",
        enabled=False,
        context={"a": 1},
        max_missed_runs=3,
        catch_up=True,
    )
    shown = runner.get_cron_schedule(runner.add_cron_schedule(schedule))
    assert (shown["enabled"], shown["params"], shown["max_missed_runs"], shown["catchup_policy"]) == (
        False, {"a": 1}, 3, "all",
    )  # fmt: skip
    assert cloaca.CronSchedule("w", "@daily") == cloaca.CronSchedule(
        "w", "@daily", "UTC", True, None, None, False
    )
    for wrong, why in (
        ("report", "is not a CronSchedule"),
        (cloaca.CronSchedule("w", "@daily", enabled=1), "enabled=1 must be"),
        (cloaca.CronSchedule("w", "@daily", max_missed_runs=1001), "must be a whole number from 0 to 1000"),
        (
            cloaca.CronSchedule("w", "@daily", catch_up="never"),
            "catchup_policy='never' is not a catch-up policy",
        ),
    ):
        with pytest.raises(cloaca.ScheduleError, match=why):
            runner.add_cron_schedule(wrong)


def test_statistics_of_nothing_are_zeros(runner):
    for since in ("2020-01-01T00:00:00", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00+02:00", "2020-01-01"):
        stats = runner.get_cron_execution_stats(since)
        assert stats == {
            "total_executions": 0, "successful_executions": 0, "lost_executions": 0, "success_rate": 0.0,
        }  # fmt: skip
        assert type(stats["success_rate"]) is float
    for wrong in ("yesterday", "", None, 7):
        with pytest.raises(ValueError, match="Invalid datetime format"):
            runner.get_cron_execution_stats(wrong)


def test_a_client_manages_schedules_that_a_runner_fires(make_runner, database_url, ran):
    runner = make_runner(cron_poll_interval_seconds=0.05)
    with cloaca.Client(database_url) as client:
        id = client.register_cron_workflow("report", "* * * * * *", "UTC")
        assert runner.get_cron_schedule(id)["id"] == id
        ran.get(timeout=SOON)
        [*_, first] = client.get_cron_execution_history(id)
        assert client.result(first["pipeline_execution_id"], SOON).status == "Completed"
        client.delete_cron_schedule(id)
    assert runner.list_cron_schedules() == []


def test_the_signatures_are_those_that_callers_know():
    known = {
        "register_cron_workflow": ["workflow_name", "cron_expression", "timezone"],
        "register_workflow_instance": [
            "workflow_name", "instance_name", "cron_expression", "timezone", "params",
        ],
        "list_cron_schedules": ["enabled_only", "limit", "offset"],
        "get_cron_schedule": ["schedule_id"],
        "update_cron_schedule": ["schedule_id", "cron_expression", "timezone"],
        "set_cron_schedule_enabled": ["schedule_id", "enabled"],
        "delete_cron_schedule": ["schedule_id"],
        "get_cron_execution_history": ["schedule_id", "limit", "offset"],
        "get_cron_execution_stats": ["since"],
        "add_cron_schedule": ["schedule"],
        "list_trigger_schedules": ["enabled_only", "limit", "offset"],
        "get_trigger_schedule": ["name"],
        "set_trigger_enabled": ["name", "enabled"],
        "get_trigger_execution_history": ["name", "limit", "offset"],
    }  # fmt: skip
    for cls in (cloaca.DefaultRunner, cloaca.Client):
        for name, expected in known.items():
            parameters = list(inspect.signature(getattr(cls, name)).parameters.values())[1:]
            assert [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] == expected


# -- what is fired ------------------------------------------------------------------------------------------------------


def test_a_schedule_fires_in_real_time_and_its_history_tells_of_it(runner, ran):
    id = runner.register_workflow_instance("report", "each second", "* * * * * *", "UTC", {"n": 1})
    ran.get(timeout=SOON)
    [*_, first] = runner.get_cron_execution_history(id)
    assert set(first) == {
        "id", "schedule_id", "scheduled_time", "claimed_at", "pipeline_execution_id", "workflow_execution_id",
        "created_at", "updated_at",
    }  # fmt: skip
    assert first["schedule_id"] == id
    assert first["pipeline_execution_id"] == first["workflow_execution_id"]
    result = runner.get_handle(first["workflow_execution_id"]).result(SOON)
    assert result.status == "Completed"
    assert result.final_context.to_dict() == {
        "n": 1,
        "scheduled_time": first["scheduled_time"],
        "schedule_id": id,
        "schedule_timezone": "UTC",
        "schedule_expression": "* * * * * *",
        "ran": True,
    }
    late = datetime.fromisoformat(first["claimed_at"]) - datetime.fromisoformat(first["scheduled_time"])
    assert timedelta(0) <= late < timedelta(seconds=5)
    stats = runner.get_cron_execution_stats((datetime.now(UTC) - timedelta(hours=1)).isoformat())
    assert stats["total_executions"] >= stats["successful_executions"] >= 1
    assert (stats["lost_executions"], 0 < stats["success_rate"] <= 1) == (0, True)


def test_a_runner_without_schedules_has_no_thread_for_them(runner):
    workflow_of("report", body)
    assert runner.execute("report").status == "Completed"
    assert "cloaca-schedules" not in threads()
    runner.register_cron_workflow("report", "0 0 1 1 *", "UTC")
    assert "cloaca-schedules" in threads()
    runner.shutdown()
    assert "cloaca-schedules" not in threads()
    with pytest.raises(cloaca.RunnerError, match="was shut down"):
        runner.register_cron_workflow("report", "@daily", "UTC")


def test_a_runner_that_is_not_to_schedule_leaves_it_to_others(make_runner, ran):
    runner = make_runner(enable_cron_scheduling=False)
    cloaca.trigger(on="report", name="t", poll_interval="100ms")(lambda: True)
    runner.register_cron_workflow("report", "* * * * * *", "UTC")
    assert "cloaca-schedules" not in threads()
    make_runner()
    seen = {"trigger_name" in ran.get(timeout=SOON)}
    while len(seen) < 2:
        seen.add("trigger_name" in ran.get(timeout=SOON))


def test_what_another_runner_has_left_is_fired_by_the_next(make_runner, ran):
    first = make_runner()
    id = first.register_cron_workflow("report", "* * * * * *", "UTC")
    first.shutdown()
    while not ran.empty():
        ran.get()
    make_runner()
    assert ran.get(timeout=SOON)["schedule_id"] == id


def test_settings_for_schedules_are_checked():
    config = cloaca.DefaultRunnerConfig()
    defaults = {
        "enable_cron_scheduling": True,
        "cron_poll_interval_seconds": 30,
        "cron_max_catchup_executions": 100,
        "cron_enable_recovery": True,
        "cron_recovery_interval_seconds": 300,
        "cron_lost_threshold_minutes": 10,
        "cron_max_recovery_age_seconds": 86400,
        "cron_max_recovery_attempts": 3,
    }
    assert {name: config.to_dict()[name] for name in defaults} == defaults
    for name, wrong in (
        ("enable_cron_scheduling", 1),
        ("cron_poll_interval_seconds", 0),
        ("cron_max_catchup_executions", 1001),
        ("cron_max_catchup_executions", -1),
        ("cron_enable_recovery", None),
        ("cron_recovery_interval_seconds", -5),
        ("cron_lost_threshold_minutes", "ten"),
        ("cron_max_recovery_age_seconds", 0),
        ("cron_max_recovery_attempts", 1.5),
    ):
        with pytest.raises(cloaca.ConfigurationError, match=f"{name}="):
            cloaca.DefaultRunnerConfig(**{name: wrong})
        with pytest.raises(cloaca.ConfigurationError, match=f"{name}="):
            setattr(config, name, wrong)


# -- triggers -----------------------------------------------------------------------------------------------------------


def test_a_trigger_that_fires_starts_its_workflow_and_is_shown(runner, ran):
    on_engine = []
    answers = iter([cloaca.TriggerResult.fire({"file": "a.csv"})])

    @cloaca.trigger(on="report", poll_interval="20ms")
    def new_file():
        on_engine.append(threading.current_thread().name)
        return next(answers, cloaca.TriggerResult.skip())

    ran.get(timeout=SOON)
    [fired] = runner.get_trigger_execution_history("new_file")
    result = runner.get_handle(fired["workflow_execution_id"]).result(SOON)
    assert result["file"] == "a.csv"
    assert result["trigger_name"] == "new_file"
    assert datetime.fromisoformat(result["triggered_at"]).tzinfo is not None
    assert set(on_engine) == {"cloaca-trigger-new_file"}
    shown = runner.get_trigger_schedule("new_file")
    assert runner.list_trigger_schedules() == [runner.get_trigger_schedule("new_file")]
    assert {name: shown[name] for name in ("trigger_name", "workflow_name", "poll_interval_ms", "enabled")} == {
        "trigger_name": "new_file", "workflow_name": "report", "poll_interval_ms": 20, "enabled": True,
    }  # fmt: skip
    assert shown["allow_concurrent"] is False
    assert {"id", "last_poll_at", "created_at", "updated_at"} < set(shown)
    [fired] = runner.get_trigger_execution_history("new_file", 10, 0)
    assert set(fired) == {
        "id", "schedule_id", "context_hash", "pipeline_execution_id", "workflow_execution_id", "started_at",
        "completed_at", "created_at",
    }  # fmt: skip
    assert fired["completed_at"] >= fired["started_at"]
    runner.set_trigger_enabled("new_file", False)
    assert runner.get_trigger_schedule("new_file")["enabled"] is False
    assert runner.list_trigger_schedules(True) == []


def test_a_trigger_is_listed_as_soon_as_it_is_declared(runner):
    @cloaca.trigger(on="not registered")
    def waits():
        return True

    assert runner.get_trigger_schedule("waits")["poll_interval_ms"] == 5000
    assert runner.get_trigger_schedule("nobody") is None
    assert runner.get_trigger_schedule("\ud800") is None
    assert runner.get_trigger_execution_history("nobody") == []
    assert runner.get_trigger_execution_history("waits") == []
    with pytest.raises(cloaca.ScheduleError, match="there is no trigger 'nobody' here"):
        runner.set_trigger_enabled("nobody", True)


def test_an_endless_trigger_does_not_keep_a_runner_from_ending(runner):
    workflow_of("w", body)
    begun, end = threading.Event(), threading.Event()

    @cloaca.trigger(on="w", poll_interval="1ms")
    def endless():
        begun.set()
        end.wait(SOON)
        return True

    assert begun.wait(SOON)
    [asking] = [thread for thread in threading.enumerate() if thread.name == "cloaca-trigger-endless"]
    runner.shutdown()
    end.set()
    asking.join(SOON)
    assert runner.get_trigger_execution_history("endless") == []


def test_a_trigger_stays_callable_and_says_what_it_is():
    def poll():
        """Looks for files."""
        return cloaca.TriggerResult.fire({"a": 1})

    trigger = cloaca.trigger(name="files", poll_interval="100ms", allow_concurrent=True)(poll)
    assert trigger().is_fire_result()
    assert (trigger.name, trigger.workflow, trigger.poll_interval_ms) == ("files", "files", 100)
    assert (trigger.__name__, trigger.__doc__) == ("poll", "Looks for files.")
    assert registry.triggers() == [trigger]
    assert "files" in repr(trigger)
    assert cloaca.trigger(workflow="w")(poll).workflow == "w"
    assert cloaca.trigger(on="w", workflow="w")(poll).name == "poll"
    assert cloaca.trigger(on=workflow_of("built", body))(poll).workflow == "built"


def test_a_result_tells_whether_it_fires():
    fire, skip = cloaca.TriggerResult.fire({"a": 1}), cloaca.TriggerResult.skip()
    assert (fire.is_fire_result(), fire.is_skip_result(), skip.is_fire_result(), skip.is_skip_result()) == (
        True, False, False, True,
    )  # fmt: skip
    assert "Fire" in repr(fire)
    assert "Skip" in repr(skip)
    assert "Fire" in repr(cloaca.TriggerResult.fire(cloaca.Context()))
    made = cloaca.TriggerResult(should_fire=True, context={"a": 1})
    assert (made.should_fire, made.context) == (True, {"a": 1})


@pytest.mark.parametrize(
    ("mistake", "why"),
    [
        (lambda: cloaca.TriggerResult({"a": 1}), r"should_fire=\{'a': 1\} must be True or False: write TriggerResult.fire"),
        (lambda: cloaca.TriggerResult.fire("a.csv"), r"a Context, a mapping or None, not with 'a.csv': write \{'key'"),
        (lambda: cloaca.TriggerResult(should_fire=False, context=3), "not with 3"),
    ],
)  # fmt: skip
def test_a_result_that_cannot_be_is_refused_where_it_is_made(mistake, why):
    with pytest.raises(TypeError, match=why):
        mistake()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"on": "a", "workflow": "b"}, "on='a' and workflow='b', which mean the same"),
        ({"poll_interval": "5"}, "poll_interval='5' must be a duration"),
        ({"poll_interval": "0s"}, "must be a duration"),
        ({"poll_interval": "-1s"}, "must be a duration"),
        ({"poll_interval": "1d"}, "must be a duration"),
        ({"poll_interval": "٣s"}, "must be a duration"),
        ({"poll_interval": "9999999999h"}, "of at most a year"),
        ({"poll_interval": 5}, "must be a duration"),
        ({"cron": "@daily"}, "needs a workflow: give on="),
        ({"on": "w", "cron": "@daily", "poll_interval": "5s"}, "give one of them"),
        ({"on": "w", "cron": "daily"}, "Invalid cron expression 'daily'"),
        ({"on": "w", "cron": "@daily", "timezone": "Mars"}, "Invalid timezone 'Mars'"),
        ({"timezone": "UTC"}, "needs cron="),
        ({"on": ""}, "cannot be empty"),
        ({"name": ""}, "cannot be empty"),
        ({"on": 3}, "must be a str"),
        ({"allow_concurrent": 1}, "must be True or False"),
        ({"interval": "5s"}, r"@trigger has no option 'interval': did you mean 'poll_interval'\?"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused(options, why):
    with pytest.raises(ValueError, match=why) as refused:
        cloaca.trigger(**options)(body)
    assert isinstance(refused.value, cloaca.ScheduleError)


def test_what_is_no_function_cannot_be_a_trigger():
    def yields():
        yield 1

    for wrong, why in (
        (3, "decorates a function, not 3"),
        (yields, "is a generator function"),
        (int, "function"),
    ):
        with pytest.raises(cloaca.ScheduleError, match=why):
            cloaca.trigger(name="t")(wrong)
    with pytest.raises(cloaca.ScheduleError, match="a lambda has no name"):
        cloaca.trigger()(lambda: True)


def test_a_trigger_is_given_its_options_by_name():
    with pytest.raises(cloaca.ScheduleError, match=r"write @trigger\(on=\.\.\., .* above def body"):
        cloaca.trigger(body)
    with pytest.raises(cloaca.ScheduleError, match="takes keywords alone, and got 'report'"):
        cloaca.trigger("report")


def test_the_function_of_a_trigger_is_called_with_nothing():
    def wants(context):
        return True

    with pytest.raises(
        cloaca.ScheduleError, match=r"trigger 'wants' .* wants more \(.*'context'\): write def wants"
    ):
        cloaca.trigger(on="w")(wants)
    assert cloaca.trigger(on="w", cron="@daily")(wants).cron == "@daily", "by the clock nobody calls it"
