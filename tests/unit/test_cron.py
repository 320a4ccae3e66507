"""Cron expressions: what is understood, what is refused, and when they fire."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloaca.errors import ScheduleError
from cloaca.model.catchup import CatchUp, due
from cloaca.model.cron import ALIASES, Cron, fields_of


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def fires(expression, timezone, start, end):
    """What clocks in the zone show at each fire, seconds left out where there are none."""
    cron = Cron(expression, timezone)
    found = [cron.local(instant) for instant in cron.between(at(start), at(end))]
    return [local.strftime("%d %H:%M:%S%z").replace(":00+", "+").replace(":00-", "-") for local in found]


# -- what is understood -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("0 9 * * MON-FRI", "2026-11-23T09:00:00+00:00"),
        ("0 9 * * mon-fri", "2026-11-23T09:00:00+00:00"),
        ("0 9 * * SUN", "2026-11-22T09:00:00+00:00"),
        ("0 9 * * 0", "2026-11-22T09:00:00+00:00"),
        ("0 9 * * 7", "2026-11-22T09:00:00+00:00"),
        ("0 9 * * SAT", "2026-11-28T09:00:00+00:00"),
        ("0 0 1 JAN *", "2027-01-01T00:00:00+00:00"),
        ("*/30 * * * * *", "2026-11-21T10:00:30+00:00"),
        ("15 30 10 * * *", "2026-11-21T10:30:15+00:00"),
        ("0 0 13 * FRI", "2026-11-27T00:00:00+00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+00:00"),
        ("  5   11  *  *  * ", "2026-11-21T11:05:00+00:00"),
        ("@hourly", "2026-11-21T11:00:00+00:00"),
        ("@daily", "2026-11-22T00:00:00+00:00"),
        ("@Midnight", "2026-11-22T00:00:00+00:00"),
        ("@weekly", "2026-11-22T00:00:00+00:00"),
        ("@monthly", "2026-12-01T00:00:00+00:00"),
        ("@yearly", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_an_expression_is_understood(expression, following):
    assert Cron(expression, "UTC").after(at("2026-11-21T10:00:00+00:00")).isoformat() == following


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("* * * *", "has 4 fields, but needs 5 or 6: minute hour day-of-month"),
        ("", "has 0 fields"),
        ("* * * * * * *", "has 7 fields"),
        ("61 * * * *", "its minute field '61' is invalid: it takes 0-59"),
        ("* 24 * * *", "its hour field '24' is invalid: it takes 0-23"),
        ("* * 0 * *", "its day-of-month field '0' is invalid: it takes 1-31"),
        ("* * * 13 *", "its month field '13' is invalid: it takes 1-12 or JAN-DEC"),
        ("* * * * 8", "its day-of-week field '8' is invalid: it takes 0-7 or SUN-SAT"),
        ("60 * * * * *", "its second field '60' is invalid: it takes 0-59"),
        ("*/0 * * * *", "steps must be at least 1"),
        ("0 0 * * FRI-SUN", "0 and 7 are Sunday; ranges must ascend"),
        (
            "0 0 31 2 *",
            "its day-of-month field '31' is invalid: it takes 1-31, or L for the last day, in a month that has it",
        ),
        ("@reboot", "there are @yearly,"),
        ("@every 5m", "there are @yearly,"),
        ("٣ * * * *", "of ASCII"),
        ("* * * * " + "1," * 200, "at most 255 characters"),
        ("9" * 200 + " * * * *", "its minute field '999"),
        ("a b c d e", "its minute field 'a' is invalid"),
        (None, "it must be a str"),
        (7, "it must be a str"),
        (b"* * * * *", "it must be a str"),
    ],
)
def test_an_expression_that_cannot_be_is_refused_with_the_reason(expression, why):
    with pytest.raises(ScheduleError, match="Invalid cron expression") as refused:
        Cron(expression, "UTC")
    assert why in str(refused.value)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("europe/berlin", "did you mean 'Europe/Berlin'"),
        ("Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("Mars/Phobos", "give a name such as"),
        ("../etc/passwd", "give a name such as"),
        ("/etc/passwd", "give a name such as"),
        ("America", "Invalid timezone"),
        ("", "give a name such as"),
        ("\0", "Invalid timezone"),
        ("\ud800", "Invalid timezone"),
        ("x" * 65536, "Invalid timezone"),
        (None, "it must be a str"),
        (3, "it must be a str"),
    ],
)
def test_a_zone_that_does_not_exist_is_refused_with_the_nearest(name, why):
    with pytest.raises(ScheduleError, match="Invalid timezone") as refused:
        Cron("* * * * *", name)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 300


@given(st.text("*/,-0123456789 LW#@MONJAN\t", max_size=40))
def test_any_text_is_understood_or_refused_as_such(text):
    try:
        cron = Cron(text, "America/New_York")
    except ScheduleError:
        return
    first = cron.after(at("2026-11-21T10:00:00+00:00"))
    assert first is None or first > at("2026-11-21T10:00:00+00:00")


def test_every_alias_is_what_it_stands_for():
    assert {alias: fields_of(alias) for alias in ALIASES} == ALIASES


# -- changes of the clocks ----------------------------------------------------------------------------------------------


def test_what_a_gap_holds_fires_at_its_end_once():
    gap = ("Europe/Berlin", "2026-03-29T00:00:00+01:00", "2026-03-29T05:00:00+02:00")
    assert fires("30 2 * * *", *gap) == ["29 03:00+0200"]
    assert fires("0,15,45 2 * * *", *gap) == ["29 03:00+0200"]
    assert fires("30 1-3 * * *", *gap) == ["29 01:30+0100", "29 03:00+0200", "29 03:30+0200"]
    assert fires("0 2,3 * * *", *gap) == ["29 03:00+0200"]
    assert fires("17 30 2 * * *", *gap) == ["29 03:00+0200"]


def test_what_comes_twice_fires_at_the_first_of_the_two():
    fold = ("Europe/Berlin", "2026-10-25T00:00:00+02:00", "2026-10-25T05:00:00+01:00")
    assert fires("30 2 * * *", *fold) == ["25 02:30+0200"]
    assert fires("0 1-3 * * *", *fold) == ["25 01:00+0200", "25 02:00+0200", "25 03:00+0100"]
    assert fires("17 30 2 * * *", *fold) == ["25 02:30:17+0200"]


def test_a_schedule_that_follows_elapsed_time_fires_in_both_of_two_hours_and_in_no_hour_that_is_left_out():
    gap = ("Europe/Berlin", "2026-03-29T01:00:00+01:00", "2026-03-29T03:30:00+02:00")
    assert fires("*/30 * * * *", *gap) == [
        "29 01:00+0100", "29 01:30+0100", "29 03:00+0200", "29 03:30+0200",
    ]  # fmt: skip
    assert fires("*/30 2 * * *", *gap) == []
    fold = ("Europe/Berlin", "2026-10-25T01:30:00+02:00", "2026-10-25T03:00:00+01:00")
    assert fires("30 * * * *", *fold) == ["25 01:30+0200", "25 02:30+0200", "25 02:30+0100"]
    assert fires("*/30 2 * * *", *fold) == [
        "25 02:00+0200",
        "25 02:30+0200",
        "25 02:00+0100",
        "25 02:30+0100",
    ]


def test_the_rule_is_the_same_with_a_field_of_seconds():
    fold = ("Europe/Berlin", "2026-10-25T01:30:00+02:00", "2026-10-25T03:00:00+01:00")
    assert fires("0 30 2 * * *", *fold) == ["25 02:30+0200"]
    assert fires("0 30 * * * *", *fold) == ["25 01:30+0200", "25 02:30+0200", "25 02:30+0100"]
    assert fires("*/30 59 2 * * *", *fold) == ["25 02:59+0200", "25 02:59:30+0200"]


def test_half_hours_and_days_that_are_left_out_follow_the_same_rule():
    lord_howe = ("Australia/Lord_Howe", "2026-10-04T01:00:00+10:30", "2026-10-04T04:00:00+11:00")
    assert fires("15 2 * * *", *lord_howe) == ["04 02:30+1100"]
    samoa = ("Pacific/Apia", "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00")
    assert fires("0 12 * * *", *samoa) == ["29 12:00-1000", "31 00:00+1400", "31 12:00+1400"]
    assert fires("0 12 30 12 *", *samoa) == ["31 00:00+1400"]


def test_a_search_that_starts_within_the_second_of_two_hours_goes_on_from_there():
    start = at("2026-10-25T02:10:00+01:00")
    assert Cron("0-59 2 * * *", "Europe/Berlin").after(start) == at("2026-10-26T02:00:00+01:00")
    assert Cron("*/5 2 * * *", "Europe/Berlin").after(start) == at("2026-10-25T02:15:00+01:00")


def test_changes_of_the_clocks_are_told_with_their_size():
    changes = list(Cron("* * * * *", "Europe/Berlin").changes(at("2026-01-01"), at("2027-01-01")))
    assert changes == [
        (at("2026-03-29T01:00:00+00:00"), timedelta(hours=1)),
        (at("2026-10-25T01:00:00+00:00"), timedelta(hours=-1)),
    ]
    assert list(Cron("* * * * *", "Asia/Kolkata").changes(at("2026-01-01"), at("2027-01-01"))) == []


# -- searching ----------------------------------------------------------------------------------------------------------

SECONDS = st.floats(min_value=1.5e9, max_value=2.4e9)
SHAPES = ("*/7 * * * *", "0 */6 * * *", "30 2 * * *", "0 1,2,3 * * SUN", "*/20 15 1,2 * * *", "@monthly")
ZONES = ("America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata")


@given(SECONDS, st.sampled_from(SHAPES), st.sampled_from(ZONES))
def test_the_next_instant_comes_strictly_after_and_none_between(seconds, expression, zone):
    cron, start = Cron(expression, zone), datetime.fromtimestamp(seconds, UTC)
    found = cron.after(start)
    assert found > start
    assert not found.microsecond
    assert cron.after(found - timedelta(seconds=1)) == found
    assert cron.after(start + (found - start) / 2) == found


@given(SECONDS, st.integers(0, 9), st.sampled_from(SHAPES), st.sampled_from(ZONES), st.integers(1, 10**6))
def test_the_last_instants_are_the_end_of_all_of_them(seconds, most, expression, zone, span):
    cron, end = Cron(expression, zone), datetime.fromtimestamp(seconds, UTC)
    start = end - timedelta(seconds=min(span, 10_000 if "15" in expression else 10**6))
    every = list(cron.between(start, end))
    assert cron.last(start, end, most=most) == (
        every[len(every) - min(most, len(every)) :],
        len(every) > most,
    )
    assert all(before < after for before, after in pairwise(every))


def test_the_calendar_may_end():
    cron = Cron("0 0 1 1 *", "America/New_York")
    assert cron.after(datetime(9999, 6, 1, tzinfo=UTC)) is None
    assert Cron("* * * * *", "UTC").after(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) is None


# -- catching up --------------------------------------------------------------------------------------------------------


def caught_up(expression, since, now, policy, most=100):
    found = due(
        Cron(expression, "UTC"), since=at(since).timestamp(), now=at(now).timestamp(),
        policy=CatchUp(policy), most=most,
    )  # fmt: skip
    shown = [datetime.fromtimestamp(instant, UTC).strftime("%H:%M:%S") for instant in found.instants]
    return shown, datetime.fromtimestamp(found.next, UTC).strftime("%H:%M:%S"), found.is_cut


THREE_HOURS = ("2026-11-25T09:00:00+00:00", "2026-11-25T12:10:00+00:00")


def test_after_three_hours_each_policy_fires_what_it_says():
    assert caught_up("0 * * * *", *THREE_HOURS, "skip") == ([], "13:00:00", False)
    assert caught_up("0 * * * *", *THREE_HOURS, "latest") == (["12:00:00"], "13:00:00", False)
    every = ["09:00:00", "10:00:00", "11:00:00", "12:00:00"]
    assert caught_up("0 * * * *", *THREE_HOURS, "all") == (every, "13:00:00", False)


def test_of_more_than_the_bound_the_latest_are_fired():
    assert caught_up("0 * * * *", *THREE_HOURS, "all", most=2) == (["11:00:00", "12:00:00"], "13:00:00", True)
    assert caught_up("0 * * * *", *THREE_HOURS, "all", most=0) == ([], "13:00:00", True)


def test_a_bound_on_what_was_missed_does_not_hold_back_what_is_late():
    late = ("2026-11-25T08:57:00+00:00", "2026-11-25T09:00:30+00:00")
    assert caught_up("* * * * *", *late, "all", most=0) == (["09:00:00"], "09:01:00", True)
    assert caught_up("* * * * *", *late, "all", most=2) == (
        ["08:58:00", "08:59:00", "09:00:00"],
        "09:01:00",
        True,
    )
    assert caught_up("* * * * *", *late, "latest", most=0) == (["09:00:00"], "09:01:00", False)


@pytest.mark.parametrize("policy", CatchUp)
def test_what_is_less_than_a_minute_late_fires_whatever_the_policy(policy):
    assert caught_up("0 * * * *", "2026-11-25T09:00:00+00:00", "2026-11-25T09:00:59+00:00", policy) == (
        ["09:00:00"], "10:00:00", False,
    )  # fmt: skip
    seconds = caught_up("* * * * * *", "2026-11-25T09:00:00+00:00", "2026-11-25T09:00:02+00:00", policy)
    assert seconds == (["09:00:00", "09:00:01", "09:00:02"], "09:00:03", False)


@pytest.mark.parametrize("policy", CatchUp)
def test_a_clock_that_jumps_by_ten_years_costs_next_to_nothing(policy):
    began = time.process_time()
    shown, following, _ = caught_up(
        "*/5 * * * *", "2026-11-25T09:00:00+00:00", "2036-11-25T09:02:00+00:00", policy
    )
    assert len(shown) == {"skip": 0, "latest": 1, "all": 100}[policy]
    assert following == "09:05:00"
    assert time.process_time() - began < 0.2
