"""Triggers, time moved by hand and polls run by hand: who asks, what fires, and what is dropped."""

import asyncio
import json
from datetime import datetime

import pytest

import cloaca
from cloaca.authoring import registry
from tests.schedules.hands import NOON


def declared(place, function, **options):
    """A trigger on workflow ``w``, asked once a second unless told otherwise."""
    trigger = cloaca.trigger(**{"on": "w", "name": "t", "poll_interval": "1s"} | options)(function)
    place.triggers = registry.triggers()
    return trigger


def fire(context=None):
    return lambda: cloaca.TriggerResult.fire(context)


def skip():
    return cloaca.TriggerResult.skip()


def asked(place, *schedulers):
    """Take ticks, then run the polls that were begun."""
    for scheduler in schedulers:
        scheduler.tick()
    polls, place.polls[:] = list(place.polls), []
    for poll in polls:
        poll()
    return len(polls)


def contexts(place):
    texts = [json.loads(text) for (text,) in place.rows("select input from cloaca_executions order by seq")]
    return [{k: v for k, v in text.items() if k not in ("trigger_name", "triggered_at")} for text in texts]


def finish_all(place):
    place.write(
        "update cloaca_executions set status = 'Completed', finished_at = 1 where finished_at is null"
    )


def test_the_first_poll_comes_one_interval_after_registration(place):
    declared(place, fire({"n": 1}))
    scheduler = place.scheduler()
    assert asked(place, scheduler) == 0
    assert scheduler.tick() == 1.0
    place.clock.passes(0.999)
    assert asked(place, scheduler) == 0
    place.clock.passes(0.001)
    assert asked(place, scheduler) == 1
    assert contexts(place) == [{"n": 1}]
    [(text,)] = place.rows("select input from cloaca_executions")
    assert json.loads(text) == {"n": 1, "trigger_name": "t", "triggered_at": "2026-11-25T12:00:01+00:00"}
    assert place.started == ["runner 1"]


def test_polls_go_on_one_interval_after_each_other(place):
    answers = iter([True, False, skip(), cloaca.TriggerResult.fire({"n": 2}), cloaca.TriggerResult(False)])
    declared(place, lambda: next(answers))
    scheduler = place.scheduler()
    asked(place, scheduler)
    for _ in range(5):
        place.clock.passes(1)
        assert asked(place, scheduler) == 1
    assert contexts(place) == [{}, {"n": 2}]
    shown = place.registrations.trigger("t")
    assert (shown["last_poll_at"], shown["poll_interval_ms"]) == ("2026-11-25T12:00:05+00:00", 1000)


def test_what_fires_the_same_while_that_is_active_is_dropped(place):
    context = {"a": 1, "b": [2]}
    declared(place, lambda: cloaca.TriggerResult.fire(dict(reversed(context.items()))))
    scheduler = place.scheduler()
    asked(place, scheduler)
    for _ in range(3):
        place.clock.passes(1)
        asked(place, scheduler)
        context = dict(reversed(context.items()))
    assert contexts(place) == [{"a": 1, "b": [2]}]
    context["a"] = 2
    place.clock.passes(1)
    asked(place, scheduler)
    assert [found["a"] for found in contexts(place)] == [1, 2]
    finish_all(place)
    place.clock.passes(1)
    asked(place, scheduler)
    assert [found["a"] for found in contexts(place)] == [1, 2, 2]


def test_one_that_allows_it_fires_the_same_again(place):
    declared(place, fire({"a": 1}), allow_concurrent=True)
    scheduler = place.scheduler()
    asked(place, scheduler)
    for _ in range(3):
        place.clock.passes(1)
        asked(place, scheduler)
    assert contexts(place) == [{"a": 1}] * 3


def test_of_three_runners_one_asks_and_another_when_it_has_died(place):
    calls = []
    declared(place, lambda: calls.append(1) or skip())
    schedulers = [place.scheduler() for _ in range(3)]
    asked(place, *schedulers)
    for number in range(1, 6):
        place.clock.passes(1)
        asked(place, *schedulers)
        assert len(calls) == number
    place.write("delete from cloaca_runners where id = 'runner 1'")
    for _ in range(5):
        place.clock.passes(1)
        asked(place, *schedulers[1:])
    assert len(calls) in (9, 10)
    owners = place.rows("select owner from cloaca_schedules")
    assert owners == [("runner 2",)]


def test_one_that_was_taken_for_dead_while_it_asked_fires_nothing(place):
    declared(place, fire({"n": 1}))
    paused, other = place.scheduler(), place.scheduler()
    asked(place, paused, other)
    place.clock.passes(1)
    paused.tick()
    [late], place.polls[:] = list(place.polls), []
    place.write("delete from cloaca_runners where id = 'runner 1'")
    asked(place, other)
    place.clock.passes(1)
    asked(place, other)
    late()
    assert contexts(place) == [{"n": 1}]
    assert asked(place, paused) == 0


def test_one_that_is_shut_down_gives_it_up_and_stores_no_late_answer(place):
    declared(place, fire({"n": 1}))
    first = place.scheduler()
    asked(place, first)
    place.clock.passes(1)
    first.tick()
    [late], place.polls[:] = list(place.polls), []
    first.stop()
    late()
    assert contexts(place) == []
    assert place.rows("select owner from cloaca_schedules") == [(None,)]
    second = place.scheduler()
    assert asked(place, second) == 1
    assert contexts(place) == [{"n": 1}]


def test_an_endless_poll_and_one_that_raises_hurt_nobody_else(place, caplog):
    def exits():
        raise SystemExit(3)

    calls = []
    declared(place, lambda: calls.append(1) or skip(), name="well")
    declared(place, lambda: 1 / 0, name="raises")
    declared(place, exits, name="exits")
    declared(place, lambda: None, name="says nothing")
    declared(place, fire({"x": {1}}), name="unstorable")
    declared(place, fire({"n": 1}), name="endless")
    scheduler = place.scheduler()
    asked(place, scheduler)
    place.clock.passes(1)
    scheduler.tick()
    *polls, endless = place.polls
    place.polls.clear()
    for poll in polls:
        poll()
    for _ in range(40):
        place.clock.passes(1)
        asked(place, scheduler)
    assert len(calls) == 41
    assert contexts(place) == []
    assert caplog.text.count("ZeroDivisionError") >= 41
    assert "trigger 'says nothing' returned None: return TriggerResult.fire(...)" in caplog.text
    assert (
        caplog.text.count("trigger 'endless' has not answered for 30 s: it is not asked again until it has")
        == 1
    )
    endless()
    assert contexts(place) == [{"n": 1}]


def test_what_is_fired_while_the_database_cannot_be_written_is_stored_when_it_can(place, monkeypatch, caplog):
    """Such as a message that was taken from a queue and would be lost otherwise."""
    answers = iter([cloaca.TriggerResult.fire({"n": 1})])
    declared(place, lambda: next(answers, skip()), allow_concurrent=True)
    scheduler = place.scheduler()
    asked(place, scheduler)
    schedules, times = scheduler._polling._schedules, iter(range(9))
    store = schedules.note_poll

    def refuse(row, **how):
        number = next(times)
        if number == 1:
            store(row, **how)  # it is stored, and the answer is lost
        if number < 3:
            raise cloaca.DatabaseError("down")
        return store(row, **how)

    monkeypatch.setattr(schedules, "note_poll", refuse)
    place.clock.passes(1)
    asked(place, scheduler)
    assert contexts(place) == [{"n": 1}]
    assert caplog.text.count("what trigger 't' has answered is not stored yet: down") == 3


def test_async_polls_are_awaited(place):
    async def poll():
        await asyncio.sleep(0)
        return cloaca.TriggerResult.fire(cloaca.Context({"n": 1}))

    declared(place, poll)
    scheduler = place.scheduler()
    asked(place, scheduler)
    place.clock.passes(1)
    asked(place, scheduler)
    assert contexts(place) == [{"n": 1}]


def test_what_is_fired_with_is_encoded_as_the_settings_say(place):
    place.encoders = {datetime: datetime.isoformat}
    declared(place, fire({"since": datetime(2026, 11, 25), "parts": (1, 2)}))  # noqa: DTZ001 - as users write it
    scheduler = place.scheduler()
    asked(place, scheduler)
    place.clock.passes(1)
    asked(place, scheduler)
    assert contexts(place) == [{"since": "2026-11-25T00:00:00", "parts": [1, 2]}]


def test_one_whose_workflow_is_not_registered_is_listed_and_not_asked(place):
    declared(place, fire(), on="later")
    scheduler = place.scheduler()
    asked(place, scheduler)
    place.clock.passes(60)
    assert asked(place, scheduler) == 0
    assert [shown["trigger_name"] for shown in place.registrations.triggers(None, None, None)] == ["t"]
    place.workflows.append("later")
    scheduler.changed()
    assert asked(place, scheduler) == 1


def test_one_that_is_disabled_is_not_asked_until_it_is_enabled(place):
    declared(place, fire({"n": 1}))
    scheduler = place.scheduler()
    asked(place, scheduler)
    place.registrations.enable_trigger("t", enabled=False)
    scheduler.changed()
    place.clock.passes(10)
    assert asked(place, scheduler) == 0
    place.registrations.enable_trigger("t", enabled=True)
    scheduler.changed()
    assert asked(place, scheduler) == 0
    place.clock.passes(1)
    assert asked(place, scheduler) == 1


def test_one_that_is_disabled_elsewhere_while_it_is_asked_fires_nothing(place):
    declared(place, fire({"n": 1}))
    scheduler = place.scheduler()
    asked(place, scheduler)
    place.clock.passes(1)
    scheduler.tick()
    place.registrations.enable_trigger("t", enabled=False)
    asked(place, scheduler)
    assert contexts(place) == []


def test_a_wall_clock_that_is_moved_changes_no_interval(place):
    calls = []
    declared(place, lambda: calls.append(1) or skip())
    scheduler = place.scheduler()
    asked(place, scheduler)
    place.clock.is_set(NOON + 10 * 366 * 86_400)
    assert asked(place, scheduler) == 0
    place.clock.passes(1)
    assert asked(place, scheduler) == 1
    place.clock.is_set(NOON)
    late = place.scheduler()
    place.write("delete from cloaca_runners where id = 'runner 1'")
    place.clock.passes(1)
    asked(place, late)
    place.clock.passes(1)
    assert asked(place, late) == 1


def test_declaring_it_otherwise_changes_it_and_keeps_that_it_is_disabled(place):
    declared(place, fire())
    scheduler = place.scheduler()
    asked(place, scheduler)
    id = place.registrations.trigger("t")["id"]
    place.registrations.enable_trigger("t", enabled=False)
    declared(place, fire(), poll_interval="2s", allow_concurrent=True)
    scheduler.changed()
    asked(place, scheduler)
    shown = place.registrations.trigger("t")
    assert (shown["id"], shown["poll_interval_ms"], shown["allow_concurrent"], shown["enabled"]) == (
        id, 2000, True, False,
    )  # fmt: skip


def test_one_by_the_clock_fires_and_its_function_is_not_asked(place):
    def never():
        raise AssertionError

    trigger = declared(place, never, poll_interval=None, cron="0 9 * * *", timezone="Europe/Berlin")
    assert (trigger.cron, trigger.timezone) == ("0 9 * * *", "Europe/Berlin")
    scheduler = place.scheduler()
    asked(place, scheduler)
    place.clock.passes(20 * 3600 + 10)
    assert asked(place, scheduler) == 0
    [(text,)] = place.rows("select input from cloaca_executions")
    told = json.loads(text)
    assert (told["trigger_name"], told["scheduled_time"]) == ("t", "2026-11-26T08:00:00+00:00")
    [shown] = place.registrations.cron_schedules(None, None, None)
    assert (shown["id"], shown["instance_name"]) == (place.registrations.trigger("t")["id"], "t")
    for change in (
        lambda: place.registrations.remove(shown["id"]),
        lambda: place.registrations.update(shown["id"], "0 8 * * *", "UTC"),
    ):
        with pytest.raises(cloaca.ScheduleError, match="declared by trigger 't', change it there"):
            change()


def test_one_by_the_clock_that_the_code_has_no_more_does_not_fire(place):
    declared(place, fire(), poll_interval=None, cron="@hourly")
    asked(place, place.scheduler())
    place.triggers = []
    scheduler = place.scheduler()
    place.clock.passes(3600)
    asked(place, scheduler)
    assert contexts(place) == []
