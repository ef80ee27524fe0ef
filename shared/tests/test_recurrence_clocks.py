"""Rules at clock changes, with the expected instants in UTC."""

import datetime as dt

import pytest

from shared.events.schedule_rules import CalendarRule, CronRule, OnceRule
from shared.recurrence import upcoming

CHANGES = [
    # zone, local time, the day before the change, the runs on that day, the day of the change and the day after
    ("Europe/Berlin", "02:30", "2026-03-28", ["03-28T01:30", "03-29T01:30", "03-30T00:30"]),
    ("Europe/Berlin", "02:30", "2026-10-24", ["10-24T00:30", "10-25T00:30", "10-26T01:30"]),
    ("Europe/Berlin", "08:00", "2026-03-28", ["03-28T07:00", "03-29T06:00", "03-30T06:00"]),
    ("Europe/Berlin", "08:00", "2026-10-24", ["10-24T06:00", "10-25T07:00", "10-26T07:00"]),
    ("America/New_York", "02:30", "2026-03-07", ["03-07T07:30", "03-08T07:30", "03-09T06:30"]),
    ("America/New_York", "01:30", "2026-10-31", ["10-31T05:30", "11-01T05:30", "11-02T06:30"]),
    # Only half an hour: 02:00 becomes 02:30 in October, and 01:30 again in April.
    ("Australia/Lord_Howe", "02:15", "2026-10-03", ["10-02T15:45", "10-03T15:45", "10-04T15:15"]),
    ("Australia/Lord_Howe", "01:45", "2026-04-04", ["04-03T14:45", "04-04T14:45", "04-05T15:15"]),
    # One hour back for Ramadan, forward after it.
    ("Africa/Casablanca", "02:30", "2026-02-14", ["02-14T01:30", "02-15T01:30", "02-16T02:30"]),
    ("Africa/Casablanca", "02:30", "2026-03-21", ["03-21T02:30", "03-22T02:30", "03-23T01:30"]),
]


def utc(*texts):
    return [dt.datetime.fromisoformat(f"2026-{text}").replace(tzinfo=dt.UTC) for text in texts]


def rules(time, day):
    hour, minute = time.split(":")
    start = dt.date.fromisoformat(day)
    yield CronRule(expression=f"{int(minute)} {int(hour)} * * *")
    yield CalendarRule(unit="day", time=dt.time.fromisoformat(time), starts=start)


@pytest.mark.parametrize(("zone", "time", "day", "expected"), CHANGES)
def test_a_local_time_comes_once_a_day_through_every_change(zone, time, day, expected):
    start = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), dt.UTC) - dt.timedelta(hours=11)
    for rule in rules(time, day):
        assert [run for run in upcoming(rule, zone, start, 4) if run >= utc(*expected)[0]][:3] == utc(*expected), rule


@pytest.mark.parametrize(("zone", "time", "day", "expected"), CHANGES)
def test_a_single_run_means_the_same_instant(zone, time, day, expected):
    for offset, instant in enumerate(utc(*expected)):
        on = dt.date.fromisoformat(day) + dt.timedelta(days=offset)
        rule = OnceRule(on=on, time=dt.time.fromisoformat(time))
        assert upcoming(rule, zone, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 2) == [instant]


@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"),
    [
        # a skipped hour has no run, a repeated hour has two: one run per real hour
        ("Europe/Berlin", "0 * * * *", "03-28T23:30", ["03-29T00:00", "03-29T01:00", "03-29T02:00"]),
        ("Europe/Berlin", "0 * * * *", "10-24T23:30", ["10-25T00:00", "10-25T01:00", "10-25T02:00"]),
        ("America/New_York", "30 * * * *", "11-01T04:45", ["11-01T05:30", "11-01T06:30", "11-01T07:30"]),
        ("Australia/Lord_Howe", "0 * * * *", "10-03T14:00", ["10-03T14:30", "10-03T16:00", "10-03T17:00"]),
        ("Australia/Lord_Howe", "0 * * * *", "04-04T13:30", ["04-04T14:00", "04-04T15:30", "04-04T16:30"]),
        ("Africa/Casablanca", "0 * * * *", "02-15T00:30", ["02-15T01:00", "02-15T02:00", "02-15T03:00"]),
        # two times with the same instant are one run: 02:30 is read as 03:30, which is a run too
        ("Europe/Berlin", "30 2,3 * * *", "03-28T12:00", ["03-29T01:30", "03-30T00:30", "03-30T01:30"]),
        # 02:59 is read as 03:59, later than 03:00: runs are ordered by their instants
        ("Europe/Berlin", "0,59 2,3 29 3 *", "03-28T12:00", ["03-29T01:00", "03-29T01:59"]),
    ],
)
def test_hourly_rules_and_skipped_times(zone, expression, after, expected):
    assert upcoming(CronRule(expression=expression), zone, utc(after)[0], len(expected)) == utc(*expected)
