"""Firing by the clock, time moved by hand: each nominal instant starts one execution, whatever happens to clocks."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.schedules.hands import NOON, Hand, at


def add(place, expression="0 * * * *", timezone="UTC", **options):
    return place.registrations.add("w", expression, timezone, **options)


def test_an_instant_fires_when_it_comes_and_not_before(place):
    scheduler = place.scheduler()
    add(place)
    assert scheduler.tick() == 30
    place.clock.passes(3599.999)
    scheduler.tick()
    assert place.instants() == []
    place.clock.passes(0.001)
    scheduler.tick()
    assert place.instants() == ["13:00:00"]
    assert place.started == ["runner 1"]
    scheduler.tick()
    assert place.instants() == ["13:00:00"]


def test_it_sleeps_until_the_next_instant_or_until_it_looks_for_changes(place):
    scheduler = place.scheduler(look_seconds=7200)
    add(place, "20 12 * * *")
    assert scheduler.tick() == 1200
    place.clock.passes(1200)
    assert scheduler.tick() == 6000
    place.clock.passes(6000)
    assert scheduler.tick() == 7200


def test_an_execution_is_told_of_its_fire_and_sees_its_instances_context(place):
    scheduler = place.scheduler()
    id = add(place, "30 2 * * *", "Europe/Berlin", instance="north", texts={"region": '"n"'})
    place.clock.is_set(at("2026-11-26 01:30:00.25"))
    scheduler.tick()
    [(text, status, owner, created)] = place.rows(
        "select input, status, owner, created_at from cloaca_executions"
    )
    assert json.loads(text) == {
        "region": "n",
        "scheduled_time": "2026-11-26T01:30:00+00:00",
        "schedule_id": id,
        "schedule_timezone": "Europe/Berlin",
        "schedule_expression": "30 2 * * *",
    }
    assert (status, owner, created) == ("Pending", None, at("2026-11-26 01:30:00.25"))
    [fire] = place.registrations.cron_history(id, None, None)
    assert fire["scheduled_time"] == "2026-11-26T01:30:00+00:00"
    assert fire["claimed_at"] == "2026-11-26T01:30:00.250000+00:00"
    assert place.rows("select id from cloaca_executions") == [(fire["workflow_execution_id"],)]
    shown = place.registrations.cron_schedule(id)
    assert shown["last_run_at"] == "2026-11-26T01:30:00+00:00"
    assert shown["next_run_at"] == "2026-11-27T01:30:00+00:00"


@pytest.mark.parametrize(
    ("policy", "fired"),
    [
        ("skip", []),
        ("latest", ["15:00:00"]),
        ("all", ["13:00:00", "14:00:00", "15:00:00"]),
    ],
)
def test_a_runner_that_was_down_for_three_hours_catches_up_by_policy(place, policy, fired):
    add(place, catch_up=policy)
    place.scheduler().tick()
    place.clock.passes(3.5 * 3600)
    late = place.scheduler()
    late.tick()
    assert place.instants() == fired
    place.clock.passes(1800)
    late.tick()
    assert place.instants() == [*fired, "16:00:00"]


def test_catching_up_is_bounded_by_the_runner_or_by_the_schedule_itself(place, caplog):
    first, second = add(place, catch_up="all"), add(place, catch_up="all", most=1)
    place.clock.passes(5.5 * 3600)
    place.scheduler(most=3).tick()
    history = place.registrations.cron_history
    assert [fire["scheduled_time"][11:16] for fire in history(first, None, None)] == [
        "17:00",
        "16:00",
        "15:00",
    ]
    assert [fire["scheduled_time"][11:16] for fire in history(second, None, None)] == ["17:00"]
    assert "has missed more than 3 instants: the latest 3 are fired" in caplog.text


def test_three_runners_fire_a_thousand_instants_once_each(place):
    schedulers = [place.scheduler() for _ in range(3)]
    for number in range(100):
        add(place, "* * * * *", catch_up="all" if number % 2 else "skip")
    with ThreadPoolExecutor(len(schedulers)) as pool:
        for _ in range(10):
            place.clock.passes(60)
            list(pool.map(lambda scheduler: scheduler.tick(), schedulers))
    assert place.instants() == [f"12:{minute:02}:00" for minute in range(1, 11) for _ in range(100)]
    times = place.rows(
        "select schedule_id, count(distinct scheduled_at), count(*) from cloaca_fires group by schedule_id"
    )
    assert {row[1:] for row in times} == {(10, 10)}


def test_what_is_due_at_once_is_fired_in_batches(place, monkeypatch):
    monkeypatch.setattr("cloaca.schedules.firing.TAKEN_AT_ONCE", 7)
    monkeypatch.setattr("cloaca.schedules.firing.STARTED_AT_ONCE", 10)
    for _ in range(20):
        add(place, "*/20 * * * *", catch_up="all")
    place.clock.passes(3600)
    place.scheduler().tick()
    assert len(place.instants()) == 60


def test_a_schedule_whose_workflow_is_not_registered_here_is_left_to_those_who_know_it(place):
    id = place.registrations.add("elsewhere", "0 * * * *", "UTC", catch_up="all")
    scheduler = place.scheduler()
    place.clock.passes(7200)
    assert scheduler.tick() == 30
    assert place.instants() == []
    assert place.registrations.cron_schedule(id)["next_run_at"] == "2026-11-25T13:00:00+00:00"
    place.workflows.append("elsewhere")
    scheduler.tick()
    assert place.instants() == ["13:00:00", "14:00:00"]


def test_what_is_disabled_deleted_or_changed_meanwhile_does_not_fire(place):
    off, gone, changed = add(place), add(place), add(place)
    scheduler = place.scheduler()
    place.registrations.enable(off, enabled=False)
    place.registrations.remove(gone)
    place.registrations.update(changed, "30 * * * *", "UTC")
    place.clock.passes(3600)
    scheduler.tick()
    assert place.instants() == []
    place.registrations.enable(off, enabled=True)
    place.clock.passes(1800)
    scheduler.tick()
    assert place.instants() == ["13:30:00"]
    place.clock.passes(1800)
    scheduler.tick()
    assert place.instants() == ["13:30:00", "14:00:00"]
    assert place.registrations.cron_history(gone, None, None) == []


def test_what_was_missed_while_it_was_disabled_is_not_caught_up_with(place):
    id = add(place, catch_up="all")
    place.registrations.enable(id, enabled=False)
    assert place.registrations.cron_schedule(id)["next_run_at"] is None
    place.clock.passes(5 * 3600 - 10)
    place.registrations.enable(id, enabled=True)
    place.scheduler().tick()
    assert place.instants() == []
    assert place.registrations.cron_schedule(id)["next_run_at"] == "2026-11-25T17:00:00+00:00"


# -- clocks that are moved ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["skip", "latest", "all"])
@pytest.mark.parametrize("hours", [1, 5, 87_660])
def test_a_clock_that_is_set_forward_causes_no_storm(place, policy, hours):
    scheduler = place.scheduler(most=3)
    for _ in range(5):
        add(place, "*/5 * * * *", catch_up=policy)
    scheduler.tick()
    place.clock.is_set(NOON + hours * 3600 + 150)
    scheduler.tick()
    assert len(place.instants()) == 5 * {"skip": 0, "latest": 1, "all": 3}[policy]
    place.clock.passes(150)
    scheduler.tick()
    assert len(place.instants()) == 5 * {"skip": 1, "latest": 2, "all": 4}[policy]


def test_a_clock_that_is_set_back_repeats_no_instant(place):
    scheduler = place.scheduler()
    add(place, "*/10 * * * *")
    for _ in range(12):
        place.clock.passes(600)
        scheduler.tick()
    before = place.instants()
    assert len(before) == 12
    place.clock.is_set(NOON + 3600)
    for _ in range(6):
        scheduler.tick()
        assert place.instants() == before
        place.clock.passes(600)
    place.clock.passes(600)
    scheduler.tick()
    assert place.instants() == [*before, "14:10:00"]


def test_a_clock_that_was_ten_years_ahead_and_is_set_right_loses_nothing_from_then_on(place):
    add(place, catch_up="all")
    wrong = place.scheduler(most=2)
    place.clock.is_set(NOON + 10 * 365.25 * 86_400)
    wrong.tick()
    ahead = place.instants()
    assert len(ahead) == 3
    place.clock.is_set(NOON + 1)
    wrong.tick()
    for scheduler in (wrong, place.scheduler()):
        place.clock.passes(3600)
        scheduler.tick()
    assert sorted(place.instants()) == sorted([*ahead, "13:00:00", "14:00:00"])


def test_machines_whose_clocks_differ_fire_each_instant_once(place):
    fast = Hand(NOON + 150)
    schedulers = [(place.clock, place.scheduler()), (fast, place.scheduler(clock=fast))]
    add(place, "* * * * *")
    for _ in range(20):
        for clock, scheduler in schedulers:
            clock.passes(30)
            scheduler.tick()
    instants = place.instants()
    assert len(instants) == len(set(instants))
    assert len(instants) in range(11, 15)


# -- what cannot be fired -----------------------------------------------------------------------------------------------


def test_a_schedule_that_cannot_be_understood_here_holds_up_no_other(place, caplog):
    bad, good = add(place), add(place)
    place.write(f"update cloaca_schedules set timezone = 'Mars/Phobos' where id = '{bad}'")
    scheduler = place.scheduler()
    place.clock.passes(3600)
    scheduler.tick()
    scheduler.tick()
    assert place.instants() == ["13:00:00"]
    assert place.registrations.cron_history(good, None, None)
    assert caplog.text.count("is not fired here: Invalid timezone 'Mars/Phobos'") == 1
    place.registrations.update(bad, "0 * * * *", "UTC")
    place.clock.passes(3600)
    scheduler.tick()
    assert place.registrations.cron_history(bad, None, None)


def test_a_tick_with_ten_thousand_schedules_and_none_due_costs_next_to_nothing(place):
    scheduler = place.scheduler()
    add(place, "0 0 1 1 *")
    names = (
        "kind, name, workflow, needs, expression, timezone, catch_up, most, poll_interval_ms, allow_concurrent, "
        "input, enabled, next_run_at, reckoned_at, last_run_at, last_poll_at, owner, created_at, updated_at"
    )
    place.write(
        f"with recursive n(i) as (select 1 union all select i + 1 from n where i < 9999) "
        f"insert into cloaca_schedules (id, {names}) select 'copy ' || i, {names} from cloaca_schedules, n"
    )
    assert place.rows("select count(*) from cloaca_schedules") == [(10_000,)]
    scheduler.tick()
    took = []
    for _ in range(20):
        began = time.perf_counter()
        scheduler.tick()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.005  # what it costs, whatever else the machine does
