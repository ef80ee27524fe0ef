"""Rules and their runs: refusals, the school's calendar, and cron's meaning compared with another library."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.errors import RuleRefused
from shared.events.directory import Closure, Term
from shared.events.schedule_rules import CalendarRule, CronRule, OnceRule
from shared.recurrence import SchoolCalendar, next_run, upcoming, validate_rule, zone_of
from shared.recurrence.timezones import changes_near

UTC = dt.UTC
NOW = dt.datetime(2026, 11, 25, 12, tzinfo=UTC)
EIGHT = dt.time(8)


def days(rule, after, count, zone="UTC", school=None):
    found = upcoming(
        rule, zone, dt.datetime.fromisoformat(after).replace(tzinfo=UTC), count, school or SchoolCalendar()
    )
    return [run.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %a %H:%M") for run in found]


def test_a_day_of_month_and_a_weekday_mean_either():
    assert days(CronRule(expression="0 8 13 * fri"), "2026-11-05T12:00", 7) == [
        "2026-11-06 Fri 08:00",
        "2026-11-13 Fri 08:00",
        "2026-11-20 Fri 08:00",
        "2026-11-27 Fri 08:00",
        "2026-12-04 Fri 08:00",
        "2026-12-11 Fri 08:00",
        "2026-12-13 Sun 08:00",
    ]


def test_step_of_one_is_no_restriction():
    assert days(CronRule(expression="0 8 */1 * fri"), "2026-11-05T12:00", 2) == [
        "2026-11-06 Fri 08:00",
        "2026-11-13 Fri 08:00",
    ]
    assert days(CronRule(expression="0 8 13 * */1"), "2026-11-05T12:00", 1) == ["2026-11-13 Fri 08:00"]


@pytest.mark.parametrize(
    ("weekday", "first"),
    [("1", "Mon"), ("0", "Sun"), ("7", "Sun"), ("mon", "Mon"), ("SAT", "Sat"), ("5-7", "Fri"), ("fri-sun", "Fri")],
)
def test_weekdays_are_counted_as_cron_counts_them(weekday, first):
    runs = days(CronRule(expression=f"0 8 * * {weekday}"), "2026-11-02T12:00", 6)
    assert runs[0][11:14] == first
    assert len({run[11:14] for run in runs}) == (3 if "-" in weekday else 1)


def test_the_29th_of_february_comes_in_leap_years():
    rule = CronRule(expression="0 8 29 2 *")
    assert days(rule, "2026-01-01T00:00", 3) == ["2028-02-29 Tue 08:00", "2032-02-29 Sun 08:00", "2036-02-29 Fri 08:00"]
    # 2100 is no leap year: eight years pass
    assert days(rule, "2096-03-01T00:00", 1) == ["2104-02-29 Fri 08:00"]


def test_the_31st_is_the_31st_for_cron_and_the_last_day_of_shorter_months_for_the_calendar():
    assert [day[:10] for day in days(CronRule(expression="0 8 31 * *"), "2026-01-15T00:00", 4)] == [
        "2026-01-31",
        "2026-03-31",
        "2026-05-31",
        "2026-07-31",
    ]
    monthly = CalendarRule(unit="month", time=EIGHT, starts=dt.date(2026, 1, 31))
    expected = ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]
    assert [day[:10] for day in days(monthly, "2026-01-15T00:00", 5)] == expected
    assert [day[:10] for day in days(monthly, "2028-02-01T00:00", 1)] == ["2028-02-29"]
    last = CalendarRule(unit="month", time=EIGHT, starts=dt.date(2026, 1, 1), day="last")
    assert [day[:10] for day in days(last, "2026-01-15T00:00", 5)] == expected


def test_seed_18_monthly_is_a_calendar_month_and_every_other_one_is_every_other_one():
    first = CalendarRule(unit="month", every=2, time=EIGHT, starts=dt.date(2026, 1, 1))
    assert [day[:7] for day in days(first, "2025-12-31T00:00", 7)] == [
        "2026-01", "2026-03", "2026-05", "2026-07", "2026-09", "2026-11", "2027-01"
    ]  # fmt: skip
    assert {day[8:10] for day in days(first, "2025-12-31T00:00", 24)} == {"01"}


def test_weeks_are_counted_from_the_start_however_long_ago():
    rule = CalendarRule(unit="week", every=2, time=EIGHT, starts=dt.date(2020, 1, 6))
    assert days(rule, "2026-11-25T00:00", 2) == ["2026-11-30 Mon 08:00", "2026-12-14 Mon 08:00"]
    assert days(rule, "2019-01-01T00:00", 1) == ["2020-01-06 Mon 08:00"]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("61 * * * *", "minute: 61 is not between 0 and 59"),
        ("* 24 * * *", "hour: 24 is not between 0 and 23"),
        ("0 8 0 * *", "day of month: 0 is not between 1 and 31"),
        ("0 8 * 13 *", "month: 13 is not between 1 and 12"),
        ("0 8 * * 8", "weekday: 8 is not between 0 and 7"),
        ("0 8 * * noday", "weekday: 'noday' is not understood"),
        ("*/0 * * * *", "no step of 1 or more"),
        ("30-10 * * * *", "'30-10' runs backwards"),
        ("0 8 * *", "has 4"),
        ("* * * * * *", "seconds are not supported: a rule can run at most once a minute"),
        ("0 0 30 2 *", "it never comes: February has no day 30"),
        ("0 0 31 2,4,6,9,11 *", "it never comes"),
        ("", "has 0"),
        ("\N{ARABIC-INDIC DIGIT FIVE} * * * *", "is not understood"),
    ],
)
def test_bad_expression_is_refused_with_a_reason(expression, says):
    with pytest.raises(RuleRefused) as refused:
        validate_rule(CronRule(expression=expression), "Europe/Berlin", NOW)
    assert says in str(refused.value)
    assert refused.value.field == "expression"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (OnceRule(at=NOW - dt.timedelta(seconds=1)), "time has passed"),
        (OnceRule(), "give either"),
        (OnceRule(at=NOW.replace(tzinfo=None)), "needs an offset"),
        (OnceRule(at=NOW.replace(year=9999)), "is not between"),
        (OnceRule(at=NOW.replace(year=1)), "is not between"),
        (OnceRule(at=NOW.replace(year=2027), school_days_before=2), "give a day and a local time"),
        (OnceRule(on=dt.date(2027, 1, 1), time=dt.time(8, tzinfo=UTC)), "the time is local"),
        (CronRule(expression="* * * * *", seconds="*"), "at most once a minute"),
        (CronRule(expression="* * * * *", until=dt.date(2026, 1, 1)), "never comes due"),
        (CronRule(expression="* * * * *", starts=dt.date(2027, 1, 2), until=dt.date(2027, 1, 1)), "before it starts"),
        (CronRule(expression="0 0 1 1 *", starts=dt.date(2027, 1, 2), until=dt.date(2027, 12, 1)), "never comes due"),
        (CalendarRule(unit="day", time=EIGHT, starts=dt.date(2027, 1, 1), day=5), "needs the unit `month`"),
        (CalendarRule(unit="day", time=EIGHT, starts=dt.date.min), "is not between"),
    ],
)
def test_impossible_rule_is_refused_with_a_reason(rule, says):
    with pytest.raises(RuleRefused) as refused:
        validate_rule(rule, "Europe/Berlin", NOW)
    assert says in str(refused.value)


@pytest.mark.parametrize("name", ["Europe/Berlinn", "", "../../etc/passwd", "CEST+2", "\0"])
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(RuleRefused, match="not a time zone of the IANA database"):
        validate_rule(CronRule(expression="0 8 * * *"), name, NOW)
    with pytest.raises(RuleRefused, match="did you mean Europe/Berlin"):
        zone_of("Europe/Berlni")


SCHOOL = SchoolCalendar(
    terms=(
        Term(name="autumn", starts=dt.date(2026, 9, 1), ends=dt.date(2026, 12, 18)),
        Term(name="spring", starts=dt.date(2027, 1, 11), ends=dt.date(2027, 3, 26)),
    ),
    closures=(Closure(name="repairs", starts=dt.date(2026, 12, 9), ends=dt.date(2026, 12, 10)),),
)


def test_two_school_days_before_skips_weekends_closures_and_holidays():
    def before(day, count=2):
        (run,) = days(OnceRule(on=day, time=EIGHT, school_days_before=count), "2026-01-01T00:00", 2, school=SCHOOL)
        return run[:14]

    assert before(dt.date(2026, 11, 27)) == "2026-11-25 Wed"
    assert before(dt.date(2026, 11, 30)) == "2026-11-26 Thu"
    assert before(dt.date(2026, 12, 11)) == "2026-12-07 Mon"  # the 9th and 10th are closed
    assert before(dt.date(2027, 1, 11)) == "2026-12-17 Thu"  # over the holidays
    weekly = CronRule(expression="0 8 * * mon", school_days_before=1)
    assert days(weekly, "2026-11-24T00:00", 2, school=SCHOOL) == ["2026-11-27 Fri 08:00", "2026-12-04 Fri 08:00"]


def test_closed_days_are_skipped_and_runs_stay_within_terms():
    daily = CronRule(expression="0 8 * * *", skip_closed=True)
    found = [day[:10] for day in days(daily, "2026-12-08T00:00", 6, school=SCHOOL)]
    assert found == ["2026-12-08", "2026-12-11", "2026-12-14", "2026-12-15", "2026-12-16", "2026-12-17"]
    assert days(daily, "2026-12-18T12:00", 1, school=SCHOOL) == ["2027-01-11 Mon 08:00"]
    spring = CronRule(expression="0 8 * * *", term="spring")
    assert days(spring, "2026-12-01T00:00", 1, school=SCHOOL) == ["2027-01-11 Mon 08:00"]
    # after the last known term there is no run
    assert days(spring, "2027-03-26T12:00", 1, school=SCHOOL) == []
    assert days(CronRule(expression="0 8 * * *", term="any"), "2026-12-01T00:00", 1) == []


# Rules at random

PARTS = {
    "minute": st.integers(0, 59),
    "hour": st.integers(0, 23),
    "day": st.integers(1, 31),
    "month": st.integers(1, 12),
    "weekday": st.integers(0, 6),
}


@st.composite
def fields(draw, name):
    numbers = PARTS[name]
    kind = draw(st.sampled_from(["*", "one", "range", "step", "list"]))
    if kind == "*":
        return "*"
    if kind == "step":
        return f"*/{draw(st.integers(2, 6))}"  # croniter reads */1 sometimes as any value, sometimes as a list
    if kind == "range":
        low, high = sorted((draw(numbers), draw(numbers)))
        assume(low < high and (low, high) not in ((0, 6), (1, 31)))  # as with */1
        return f"{low}-{high}"
    if kind == "list":
        return ",".join(map(str, sorted(draw(st.sets(numbers, min_size=1, max_size=4)))))
    return str(draw(numbers))


EXPRESSIONS = st.tuples(*(fields(name) for name in PARTS)).map(" ".join)
FROM, TO = (dt.datetime.fromisoformat(day) for day in ("2024-01-01", "2031-01-01"))
MOMENTS = st.datetimes(FROM, TO, timezones=st.just(UTC))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu",
     "Antarctica/Troll", "Pacific/Apia"]
)  # fmt: skip
TIMES = st.times().map(lambda time: time.replace(microsecond=0))
INTERVALS = st.builds(
    CalendarRule,
    every=st.integers(1, 30),
    unit=st.sampled_from(["day", "week", "month"]),
    time=TIMES,
    starts=st.dates(dt.date(2019, 1, 1), dt.date(2027, 1, 1)),
)


def possible(expression):
    try:
        validate_rule(CronRule(expression=expression), "UTC", NOW)
    except RuleRefused as refusal:
        return "never comes" not in str(refusal)  # another reason fails the test below
    return True


@given(EXPRESSIONS, MOMENTS, ZONES)
@example("30 2 * * *", dt.datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "Europe/Berlin")
@example("*/30 1-3 * * *", dt.datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Berlin")
def test_the_next_run_is_later_than_the_one_before(expression, moment, zone):
    assume(possible(expression))
    runs = upcoming(CronRule(expression=expression), zone, moment, 6)
    assert runs == sorted(set(runs))
    assert len(runs) == 6
    assert runs[0] > moment


@given(INTERVALS, MOMENTS, ZONES)
def test_the_next_run_of_an_interval_is_later_than_the_one_before(rule, moment, zone):
    runs = upcoming(rule, zone, moment, 6)
    assert runs == sorted(set(runs))
    assert len(runs) == 6
    assert runs[0] > moment


@given(EXPRESSIONS, MOMENTS, ZONES)
@example("0 8 13 * 5", NOW, "UTC")
def test_croniter_finds_the_same_runs(expression, moment, zone):
    assume(possible(expression))
    found = next_run(CronRule(expression=expression), zone, moment)
    where = zone_of(zone)
    # Libraries differ at clock changes: see test_recurrence_clocks.
    assume(not changes_near(moment, where) and not changes_near(found, where))
    local = moment.astimezone(where).replace(tzinfo=None)
    assert croniter(expression, local).get_next(dt.datetime) == found.astimezone(where).replace(tzinfo=None)
