"""A year of facts, shuffled, twice in the log and corrected late: figures equal those that are counted by hand."""

import datetime as dt
import hashlib
from random import Random

from reports.facts.projection import TABLES
from reports.pages.render import render_pdf
from services.reports.tests.generated_year import Year, figures_of, months

SEED = 17
ROWS = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS digest FROM {} t"


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
    await add_in_batches(harness, year.log(), random)
    for school in year.schools:
        for starts, ends in months():
            # when
            report = await harness.monthly(school, starts)
            # then
            assert figures_of(report) == year.expected(school, starts, ends), (school, starts)


async def test_a_rebuild_makes_the_same_facts_and_the_same_pages(harness):
    random = Random(SEED)
    year = Year(random).build(schools=2)
    log = year.log()

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
