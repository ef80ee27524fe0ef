"""Runs that come some school days before their occurrence: one run per occurrence, for any change of the calendar."""

import datetime as dt
import time

from hypothesis import given
from hypothesis import strategies as st

from shared.events.directory import Closure
from shared.events.schedule_rules import CalendarRule, CronRule
from shared.recurrence import SchoolCalendar, completed_until, next_occurrence, next_run, upcoming

UTC = dt.UTC
FRIDAYS = CronRule(expression="0 8 * * fri", school_days_before=2)
WEEK = dt.timedelta(days=7)


def closed(*days):
    return SchoolCalendar(closures=tuple(Closure(name="snow", starts=day, ends=day) for day in days))


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_occurrence_is_completed_by_its_run():
    friday = dt.datetime.fromisoformat("2027-06-18T08:00")
    assert completed_until(FRIDAYS, "UTC", at("2027-06-16T07:59"), closed()) < friday
    over = completed_until(FRIDAYS, "UTC", at("2027-06-16T08:00"), closed())
    assert friday <= over < friday + WEEK
    assert next_occurrence(FRIDAYS, "UTC", over, closed()) == at("2027-06-23T08:00")


def test_run_that_the_calendar_moves_belongs_to_the_same_occurrence():
    # given: Wednesday and Thursday are closed, so that the run for Friday was on Monday
    before, after = closed(dt.date(2027, 6, 16), dt.date(2027, 6, 17)), closed()
    over = completed_until(FRIDAYS, "UTC", at("2027-06-14T08:00"), before)
    # then: reopened, its run would be on Wednesday; but it has had its run
    assert next_occurrence(FRIDAYS, "UTC", over, after) == at("2027-06-23T08:00")
    # and the reverse: an occurrence without a run is late
    over = completed_until(FRIDAYS, "UTC", at("2027-06-15T12:00"), after)
    assert next_occurrence(FRIDAYS, "UTC", over, before) == at("2027-06-14T08:00")


def test_occurrences_that_share_a_run_are_completed_together():
    # given: the runs for Saturday, Sunday and Monday come on Friday, twice each
    rule = CronRule(expression="0 8,9 * * *", school_days_before=1)
    assert upcoming(rule, "UTC", at("2027-06-18T07:00"), 3) == [
        at("2027-06-18T08:00"), at("2027-06-18T09:00"), at("2027-06-21T08:00")
    ]  # fmt: skip
    for run, following in (("08:00", "2027-06-18T09:00"), ("09:00", "2027-06-21T08:00")):
        over = completed_until(rule, "UTC", at(f"2027-06-18T{run}"), closed())
        assert next_occurrence(rule, "UTC", over, closed()) == at(following)


def test_every_minute_thirty_school_days_before_is_found_in_bounded_time():
    rule = CronRule(expression="* * * * *", school_days_before=30)
    started = time.process_time()
    runs = upcoming(rule, "Europe/Berlin", at("2027-06-18T10:00"), 50)
    assert runs == [at("2027-06-18T10:01") + n * dt.timedelta(minutes=1) for n in range(50)]
    assert time.process_time() - started < 20


DAYS = st.dates(dt.date(2027, 1, 1), dt.date(2027, 3, 31))
CALENDARS = st.lists(DAYS, max_size=25).map(lambda days: closed(*days))
RULES = st.one_of(
    st.builds(
        CronRule,
        expression=st.sampled_from(["0 8 * * fri", "30 7 * * mon,thu", "0 8,15 * * *", "0 6 13 * fri", "0 9 1 * *"]),
        skip_closed=st.booleans(),
        school_days_before=st.integers(1, 6),
    ),
    st.builds(
        CalendarRule,
        every=st.integers(1, 5),
        unit=st.just("day"),
        time=st.just(dt.time(8)),
        starts=st.just(dt.date(2026, 12, 1)),
        school_days_before=st.integers(1, 6),
    ),
)


@given(RULES, CALENDARS)
def test_occurrences_and_time_give_the_same_runs_on_an_unchanged_calendar(rule, school):
    moment = at("2027-01-20T12:00")
    over = completed_until(rule, "UTC", moment, school)
    for run in upcoming(rule, "UTC", moment, 8, school):
        assert next_occurrence(rule, "UTC", over, school) == run
        over = completed_until(rule, "UTC", run, school)


@given(RULES, st.lists(CALENDARS, min_size=2, max_size=5))
def test_each_occurrence_has_one_run_for_any_change_of_the_calendar(rule, calendars):
    """A run completes some occurrences. These follow on each other without gap or overlap."""
    moment = at("2027-01-20T12:00")
    over = completed_until(rule, "UTC", moment, calendars[0])
    for school in calendars:
        run = next_occurrence(rule, "UTC", over, school)
        if run is None:
            continue
        moment = max(moment, run)
        later = max(over, completed_until(rule, "UTC", moment, school))
        assert later > over
        # no completed occurrence has a later run on this calendar
        following = next_occurrence(rule, "UTC", later, school)
        assert following is None or following > moment
        assert following == next_run(rule, "UTC", moment, school)
        over = later
