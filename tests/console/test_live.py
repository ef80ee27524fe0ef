"""Pages follow what changes: eight tabs share one stream, a pause holds, and a row under the pointer does not move."""

import asyncio
import uuid
from contextlib import closing

import pytest
from playwright.async_api import expect

from cli.demo.client import Message
from cli.demo.school import SCHOOLS
from tests.console.browsing import visitor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(2400)]  # the first test plays the demo

PLACE = SCHOOLS[0].sourced_id
WITHIN = 30_000
STREAM = "/console/live"
OTHER_TABS = tuple(f"/console/notifications?school={PLACE}&tab={n}" for n in range(5)) + ("/console/overview",) * 2


def send(system, title):
    with closing(system.api()) as api:
        place = api.school(PLACE)
        return api.send(Message(place, "general", title, "Made up.", {"grade": "07"}, ("inbox",)), str(uuid.uuid4()))


async def test_eight_tabs_share_a_stream_which_another_tab_takes_over(school_day, people, browser):
    account = people["platform_admin"]
    async with visitor(browser, school_day.url) as person:
        streams = []
        person.context.on("request", lambda asked: streams.append(asked.url) if asked.url.endswith(STREAM) else None)
        # given more tabs than HTTP/1.1 has connections to one host
        first = await person.tab("/console/tasks")
        await person.sign_in(first, account.name, account.password)
        others = [await person.tab(path) for path in OTHER_TABS]
        for tab in (first, *others):
            await expect(tab.locator("#live")).to_have_attribute("data-state", "on", timeout=WITHIN)
        assert len(streams) == 1
        # when something is sent, then each tab that shows it follows
        for tab in others[:2]:
            await tab.bring_to_front()
            await asyncio.to_thread(send, school_day, f"Seen at once in {tab.url[-1]}")
            await expect(tab.locator("tbody")).to_contain_text(f"Seen at once in {tab.url[-1]}", timeout=WITHIN)
        # when the tab with the stream is closed, then another one goes on
        await first.close()
        await others[0].bring_to_front()
        await asyncio.to_thread(send, school_day, "Seen by the next")
        await expect(others[0].locator("tbody")).to_contain_text("Seen by the next", timeout=WITHIN)
        assert len(streams) == 2


async def test_a_row_under_the_pointer_stays_and_a_pause_holds(school_day, people, browser):
    account = people["platform_admin"]
    async with visitor(browser, school_day.url) as person:
        page = await person.tab(f"/console/notifications?school={PLACE}")
        await person.sign_in(page, account.name, account.password)
        await expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=WITHIN)
        row = page.locator("tbody tr").first
        await row.hover()
        shown = await row.get_attribute("data-row")
        # when something new is at the top of the list, then the page has read it and the row has not moved
        await asyncio.to_thread(send, school_day, "Below the pointer")
        await expect(page.locator("#live[data-behind]")).to_be_visible(timeout=WITHIN)
        assert await row.get_attribute("data-row") == shown
        # when the pointer leaves, then it comes
        await page.mouse.move(5, 5)
        await expect(page.locator("tbody")).to_contain_text("Below the pointer", timeout=WITHIN)
        # when the page is paused, then it reads nothing of what another tab shows, until it goes on
        await page.click("#live")
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        other = await person.tab(f"/console/notifications?school={PLACE}")
        await expect(other.locator("#live")).to_have_attribute("data-state", "on", timeout=WITHIN)
        await asyncio.to_thread(send, school_day, "While paused")
        await expect(other.locator("tbody")).to_contain_text("While paused", timeout=WITHIN)
        assert asked == []
        await page.bring_to_front()
        await page.click("#live")
        await expect(page.locator("tbody")).to_contain_text("While paused", timeout=WITHIN)
