"""What a school's administrator does in a browser: settings are saved, and an upload shows how far it is."""

import re

import pytest
from playwright.async_api import expect

from shared.testing.fixtures import eventually
from tests.console.browsing import visitor

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(2400)]  # the first test plays the demo

WITHIN = 60_000
SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1_000_000}
"""Bytes a second, so that the progress of an upload can be seen."""
LETTER = b"A made-up letter. " * 200_000


async def test_a_school_sets_from_how_many_people_on_a_second_person_approves(school_day, people, browser):
    account = people["school_admin"]
    async with visitor(browser, school_day.url) as person:
        page = await person.tab("/console/settings")
        await person.sign_in(page, account.name, account.password)
        await page.fill("#approval_above", "many")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("#approval_above-error")).to_be_visible()
        assert await page.input_value("#approval_above") == "many"
        await page.fill("#approval_above", "5000")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status")).to_contain_text("saved")
        await person.check(page)
        assert await page.input_value("#approval_above") == "5000"


async def test_an_upload_shows_how_far_it_is_and_a_refusal_keeps_the_form(school_day, people, browser):
    account = people["school_admin"]
    async with visitor(browser, school_day.url) as person:
        page = await person.tab("/console/files/new")
        await person.sign_in(page, account.name, account.password)
        await page.select_option("#kind", "other")
        await page.set_input_files("#file", {"name": "empty.txt", "mimeType": "text/plain", "buffer": b""})
        await page.get_by_role("button", name="Upload").click()
        await expect(page.locator("main .alert").first).to_contain_text("no bytes")
        network = await person.context.new_cdp_session(page)
        await network.send("Network.emulateNetworkConditions", SLOW)
        await page.set_input_files("#file", {"name": "letter.txt", "mimeType": "text/plain", "buffer": LETTER})
        await page.get_by_role("button", name="Upload").click()
        await expect(page.get_by_role("progressbar")).to_be_visible()
        await expect(page.locator("[data-share]")).to_contain_text("%")
        await page.wait_for_url(re.compile(r"/console/files/[0-9a-f-]{36}"), timeout=WITHIN)


async def test_a_few_people_receive_it_first_and_a_stop_ends_both_parts(school_day, people, browser):
    account = people["school_admin"]
    async with visitor(browser, school_day.url) as person:
        page = await person.tab("/console/notifications/new")
        await person.sign_in(page, account.name, account.password)
        await page.select_option("#kind", "safety")  # no school's limit holds it
        await page.fill("#title", "The lake is closed")
        await page.fill("#body", "A made-up text.")
        await page.fill("#canary", "3")
        await page.fill("#canary_minutes", "30")
        await page.get_by_role("button", name="Preview").click()
        await expect(page.locator("main")).to_contain_text("3 people receive it first.")
        await person.check(page)
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("main")).to_contain_text("A few people receive it first.")
        await person.check(page)
        await page.get_by_role("link", name="Stop or undo").click()
        await page.get_by_role("button", name="Stop it").click()
        await page.get_by_role("link", name="All others").click()
        await expect(page.get_by_role("link", name="All others receive it after a few people.")).to_be_visible()

        async def state():
            await page.reload()
            return await page.locator(".facts .badge").first.inner_text()

        assert await eventually(state, lambda shown: shown == "cancelled", within=60)
