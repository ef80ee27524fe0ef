"""Every page in a browser: wide and on a phone, in light and in dark. With SCREENSHOTS=folder it keeps pictures."""

import os
from pathlib import Path

import pytest

from benchmarks.console_places import PLACES, SIGN_IN
from cli.demo.school import SCHOOLS
from tests.console.browsing import PHONE, SCHEMES, WIDE, visitor
from tests.console.pictures import keep

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(2400)]  # the first test plays the demo

PLACE = SCHOOLS[1].sourced_id
SIZES = {"wide": WIDE, "phone": PHONE}
FOLDER = Path(os.environ["SCREENSHOTS"]) if os.environ.get("SCREENSHOTS") else None
READING = "#later[aria-busy]"
"""What is read from the log follows with a second request."""
# How far a page is wider than its window: nothing but a table may be, and that has its own scroll bar.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def test_every_page_fits_is_accessible_and_stays_at_home(school_day, people, browser):
    account = people["platform_admin"]
    async with visitor(browser, school_day.url) as person:
        page = await person.tab("/console/sign-in")
        await look(person, page, SIGN_IN)
        await person.sign_in(page, account.name, account.password)
        for place in PLACES:
            path = await address(page, school_day.url, place)
            answer = await page.goto(school_day.url + path)
            assert answer.status == 200, path
            await page.wait_for_selector(READING, state="detached")
            await look(person, page, place)


async def address(page, url, place):
    """Return the address of a page; a link of another page may lead to it."""
    if not place.start:
        return place.at_school(PLACE)
    start = next(each for each in PLACES if each.route == place.start)
    await page.goto(url + await address(page, url, start))
    await page.wait_for_selector(READING, state="detached")
    links = await page.eval_on_selector_all("main a[href]", "links => links.map(link => link.getAttribute('href'))")
    found = place.among(links)
    assert found, f"{place.start} has no link to {place.route}: {links}"
    return found


async def look(person, page, place):
    """Check a page, or keep its pictures. Colours depend on no size, so that axe looks at the wide one only."""
    for size, viewport in SIZES.items():
        await page.set_viewport_size(viewport)
        wider = await page.evaluate(OVERFLOW)
        if wider > 0:
            person.problems.append(f"{page.url} is {wider} pixels too wide ({size})")
        if size == "wide" and not FOLDER:
            await person.check(page)
        for scheme in SCHEMES if FOLDER else ():
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await keep(page, FOLDER / f"{place.name}-{size}-{scheme}.png")
