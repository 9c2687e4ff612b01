"""Cron expressions in a time zone: five fields, clocks that go forward and back, times that never come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from flows.schedules import check_schedule, count_times, explain, next_times

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def clock(cron: str, zone: str, after: str, count: int) -> list[str]:
    return [f"{moment:%m-%d %H:%M}" for moment in next_times(cron, zone, at(after), count)]


def test_a_time_is_of_its_zone_in_summer_and_in_winter():
    assert clock("0 9 * * 1-5", BERLIN, "2026-03-27T00:00", 3) == [
        "03-27 08:00",
        "03-30 07:00",
        "03-31 07:00",
    ]


def test_a_time_in_the_hour_that_is_left_out_comes_once_where_that_hour_would_begin():
    assert clock("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29 01:00", "03-30 00:30"]


def test_a_time_in_the_hour_that_comes_twice_comes_once():
    assert clock("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]


def test_what_recurs_goes_by_the_hours_that_really_pass():
    assert clock("0 * * * *", BERLIN, "2026-10-24T23:30", 3) == ["10-25 00:00", "10-25 01:00", "10-25 02:00"]
    assert clock("0 * * * *", BERLIN, "2026-03-28T23:30", 3) == ["03-29 00:00", "03-29 01:00", "03-29 02:00"]


def test_the_next_time_is_after_the_instant_and_never_at_it():
    assert clock("0 9 * * *", "UTC", "2026-03-02T09:00", 1) == ["03-03 09:00"]


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [
        ("* * * *", "UTC", "cron"),
        ("0 0 * * * *", "UTC", "cron"),
        ("60 * * * *", "UTC", "cron"),
        ("0 0 31 2 *", "UTC", "cron"),
        ("@daily", "UTC", "cron"),
        ("", "UTC", "cron"),
        (",".join("0123456789" * 8) + " * * * *", "UTC", "cron"),
        ("0 9 * * *", "Mars/Base", "time_zone"),
        ("0 9 * * *", "../etc/passwd", "time_zone"),
    ],
)
def test_what_is_no_schedule_is_refused_at_its_field(cron, zone, field):
    with pytest.raises(ValidationError) as refused:
        check_schedule(cron, zone)
    assert refused.value.message_dict.keys() == {field}


def test_times_that_passed_are_counted_up_to_a_limit():
    day = at("2026-03-02T00:00"), at("2026-03-03T00:00")
    assert count_times("0 * * * *", "UTC", *day) == 24
    assert count_times("* * * * *", "UTC", *day) == 1000


def test_it_is_read_in_words():
    assert explain("0 9 * * 1-5") == "At 09:00 on Monday through Friday"


@pytest.mark.parametrize(
    ("cron", "zone", "day"),
    [
        ("30 2 * * *", BERLIN, "2026-10-25"),
        ("45 1 * * *", "America/New_York", "2026-11-01"),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04"),
    ],
)
def test_a_time_is_after_the_instant_also_in_the_second_of_two_equal_hours(cron, zone, day):
    times = next_times(cron, zone, at(f"{day}T00:00") - timedelta(days=1), 4)
    for minutes in range(0, 24 * 60, 3):
        instant = at(f"{day}T00:00") + timedelta(minutes=minutes)
        assert next_times(cron, zone, instant) == [next(time for time in times if time > instant)]
