"""A year of facts, shuffled, twice in the log and corrected late: figures equal those that are counted by hand."""

import datetime as dt
import hashlib
from random import Random

from reports.domain.period import month_of
from reports.facts.projection import TABLES
from reports.pages.render import render_pdf
from services.reports.tests.generated_year import DAYS, FIRST, Year
from services.reports.tests.harness import LONG_AGO
from shared.projections.projector import LoggedEvent

SEED = 17
ROWS = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS digest FROM {} t"


def months():
    first = FIRST
    while first < FIRST + dt.timedelta(days=DAYS):
        starts, first = month_of(first)
        yield starts, first


def shuffled(year, random):
    """The log as it may be: any order, a tenth of the events twice."""
    events = year.events + random.sample(year.events, len(year.events) // 10)
    random.shuffle(events)
    return [LoggedEvent(event, offset, LONG_AGO) for offset, event in enumerate(events)]


async def add_in_batches(harness, log, random):
    at = 0
    while at < len(log):
        size = random.randrange(1, 400)
        await harness.add(log[at : at + size])
        at += size


async def digest(harness):
    found = [(await harness.rows(ROWS.format(table)))[0]["digest"] for table in TABLES]
    return hashlib.sha256("".join(map(str, found)).encode()).hexdigest()


async def test_the_figures_of_a_year_equal_those_counted_by_hand(harness):
    random = Random(SEED)
    year = Year(random).build()
    await add_in_batches(harness, shuffled(year, random), random)
    for school in year.schools:
        for starts, ends in months():
            # when
            report = await harness.monthly(school, starts)
            # then
            expected = year.expected(school, starts, ends)
            assert {
                "students": report.students,
                "joined": report.joined,
                "left": report.left,
                "behavior": {count.name: count.value for count in report.behavior_by_category if count.value},
                "absences": {count.name: count.value for count in report.absences_by_status if count.value},
                "money": {
                    each.currency: {name: getattr(each, name) for name in ("total", "paid", "refunded", "balance")}
                    for each in report.money
                },
            } == expected, (school, starts)


async def test_a_rebuild_makes_the_same_facts_and_the_same_pages(harness):
    random = Random(SEED)
    year = Year(random).build(schools=2)
    log = shuffled(year, random)

    async def made():
        await add_in_batches(harness, log, random)
        report = await harness.monthly(year.schools[0], dt.date(2025, 11, 1))
        return await digest(harness), render_pdf(report, "en").content

    first = await made()
    for table in TABLES:
        await harness.execute(f"DELETE FROM {table}")
    # when
    second = await made()
    # then
    assert second == first
